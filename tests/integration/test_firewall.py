"""Another firewall of the host that drops what is forwarded: doved names it and what helps, and it
does help.
"""
import re

import pytest
from dovelab import netns, run, wait_until
from dovelab.lab import has_br_netfilter
from dovelab.spec import three_hosts

LAB = three_hosts()
SYSCTL = "bridge.bridge-nf-call-iptables"
RULES = """table ip filter {
  chain DOCKER { }
  chain FORWARD { type filter hook forward priority 0; policy drop; }
}"""


def notes(host):
    return host.status()["notes"]


def said(note, position):
    """The commands that a note quotes: the sysctl, then the rule."""
    return re.findall(r'"([^"]+(?:"[^"]*"[^"]*)*?)"(?: keeps| lets)', note)[position]


@pytest.fixture(scope="module")
def firewalled(lab):
    """A host that is started behind such a firewall."""
    if not has_br_netfilter():
        pytest.skip("this kernel has no br_netfilter")
    host = lab.hosts["h1"]
    before = netns.read_sysctl(host.netns, SYSCTL)
    netns.sysctl(host.netns, SYSCTL, 1)
    assert notes(host) == []
    run("nft", "-f", "-", netns=host.netns, stdin=RULES)
    host.kill_doved()
    host.start()
    yield host
    run("nft", "delete", "table", "ip", "filter", netns=host.netns)
    netns.sysctl(host.netns, SYSCTL, before)


def pings(lab, host):
    """Between a guest of the host and one of another."""
    here, there = pair(lab, host)
    return run("ping", "-q", "-c", "3", "-i", "0.2", "-W", "1", there.ipv4, netns=here.netns,
               check=False).code == 0


def pair(lab, host):
    here = next(guest for guest in lab.guests.values() if guest.host is host)
    return here, next(guest for guest in lab.guests.values()
                      if guest.host is not host and guest.network == here.network)


def test_it_is_named_with_what_helps(lab, firewalled):
    wait_until("doved says so", lambda: notes(firewalled), 5)
    assert len(notes(firewalled)) == 1
    assert "(Docker)" in notes(firewalled)[0]
    assert "note the host's firewall (Docker)" in firewalled.dovectl("status").out
    assert not pings(lab, firewalled), "it was not in the way at all"


def test_the_rule_helps(lab, firewalled):
    wait_until("doved says so", lambda: notes(firewalled), 5)
    command = said(notes(firewalled)[0], 1).split()
    assert command[:3] == ["iptables", "-I", "FORWARD"]
    allow = ["insert", "rule", "ip", "filter", "FORWARD", "iifname", '"dvbr*"', "oifname",
             '"dvbr*"', "accept"]
    run("nft", *allow, netns=firewalled.netns)
    assert pings(lab, firewalled)
    run("nft", "flush", "chain", "ip", "filter", "FORWARD", netns=firewalled.netns)


def test_the_sysctl_helps(lab, firewalled):
    wait_until("doved says so", lambda: notes(firewalled), 5)
    assert not pings(lab, firewalled)
    run(*said(notes(firewalled)[0], 0).split(), netns=firewalled.netns)
    assert pings(lab, firewalled)
    netns.sysctl(firewalled.netns, SYSCTL, 1)
