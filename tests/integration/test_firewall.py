"""Other firewalls of the host that drop what is forwarded: doved names them and what helps, and each
of the two does help, as it is quoted.
"""
import re
import shlex
import shutil

import pytest
from dovelab import run, wait_until
from dovelab.lab import has_br_netfilter
from dovelab.spec import three_hosts

LAB = three_hosts()


def of_iptables(command, *chains):
    """What Docker and ufw do by iptables: chains of their own, and the policy."""
    return [f"{command} -N {chain}" for chain in chains] + [f"{command} -P FORWARD DROP"]


def undone(command):
    return [f"{command} -P FORWARD ACCEPT", f"{command} -F", f"{command} -X"]


FIREWALLD = """table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct state established,related accept
    reject with icmpx type admin-prohibited
  }
}"""
# name -> who it says it is, how many notes, commands to raise it and to take it down
FIREWALLS = {
    "Docker": ("Docker", 1, of_iptables("iptables", "DOCKER"), undone("iptables")),
    "ufw": ("ufw", 2, of_iptables("iptables", "ufw-before-forward") +
            of_iptables("ip6tables", "ufw6-before-forward"),
            undone("iptables") + undone("ip6tables")),
    "Docker by iptables-legacy": ("Docker", 1, of_iptables("iptables-legacy", "DOCKER"),
                                  undone("iptables-legacy")),
    "ufw by ip6tables-legacy": ("ufw", 1, of_iptables("ip6tables-legacy", "ufw6-before-forward"),
                                undone("ip6tables-legacy")),
    "firewalld": ("firewalld", 1, [f"nft -f - <<< {shlex.quote(FIREWALLD)}"],
                  ["nft delete table inet firewalld"]),
}


def notes(host):
    return host.status()["notes"]


def said(host):
    """The commands that the notes quote: sysctls and rules."""
    found = [re.fullmatch(r'.*: "(sysctl .*?)" keeps them from it, "(.*)" lets them pass', note)
             for note in notes(host)]
    return [match[1] for match in found], [match[2] for match in found]


def shell(host, *commands):
    for command in commands:
        run("bash", "-c", command, netns=host.netns)


@pytest.fixture(params=FIREWALLS)
def firewalled(lab, request):
    """A host that is started behind such a firewall, and what is expected to be said of it."""
    if not has_br_netfilter():
        pytest.skip("this kernel has no br_netfilter")
    if not shutil.which("iptables-legacy"):
        pytest.skip("there is no iptables")
    host = lab.hosts["h1"]
    owner, count, raising, removal = FIREWALLS[request.param]
    lab.set_br_netfilter(1)
    shell(host, *raising)
    try:
        host.kill_doved()
        host.start()
        wait_until("doved says so", lambda: len(notes(host)) == count, 20)
        yield host, owner
    finally:
        shell(host, *removal)
        lab.set_br_netfilter(1)


def pings(lab, host):
    """Between two guests, of the host and of another: by which versions of IP."""
    here = next(guest for guest in lab.guests.values() if guest.host is host)
    there = next(guest for guest in lab.guests.values()
                 if guest.host is not host and guest.network == here.network)
    return [run("ping", "-q", "-c", "3", "-i", "0.2", "-W", "1", to, netns=here.netns,
                check=False).code == 0 for to in (there.ipv4, there.ipv6)]


def test_it_is_named_with_what_helps_and_that_helps(lab, firewalled):
    host, owner = firewalled
    assert all(f"firewall ({owner}) drops" in note for note in notes(host)), notes(host)
    assert f"note the host's firewall ({owner})" in host.dovectl("status").out
    assert pings(lab, host) != [True, True], "it was not in the way at all"
    sysctls, rules = said(host)
    shell(host, *rules)
    wait_until(f"it passes by {rules}", lambda: pings(lab, host) == [True, True], 20)


def test_the_sysctl_helps(lab, firewalled):
    host, _ = firewalled
    assert pings(lab, host) != [True, True]
    shell(host, *said(host)[0])
    wait_until("it passes", lambda: pings(lab, host) == [True, True], 20)


def test_nobody_is_blamed_where_nothing_is_in_the_way(lab):
    host = lab.hosts["h2"]
    lab.set_br_netfilter(1)
    shell(host, "iptables -N DOCKER", "iptables-legacy -N DOCKER")
    host.kill_doved()
    host.start()
    wait_until("it is up", lambda: host.status() is not None)
    run("sleep", "1")
    assert notes(host) == []
