"""What somebody else changes on a host is noticed, put back and counted, and `dovectl check` names
what the kernel, doved and the controller do not agree about. Each meddling is done to running
traffic that it does break, and the traffic works again in the time that the manual promises."""
import json

import pytest

from dovelab import cold, spec, traffic
from dovelab.run import run, wait_until

AUDIT = 2  # seconds
AT_ONCE = 10  # what the kernel tells of: half a second, and something for a busy machine
LAB = {**spec.three_hosts(), "doved": ["--audit-period", str(AUDIT)]}
ELSEWHERE = "10.99.0.99"  # nobody's VTEP
PUNT = "169.254.77.64/31"
OTHER_MAC = "02:00:00:00:00:77"


def bridge(host, *words):
    return run("bridge", "-n", host.netns, *words)


def dvx(guest):
    return f"dvx{guest.vni}"


def check(host, *words):
    """Exit status and differences of `dovectl check`."""
    done = host.dovectl("-j", "check", *words, check=False)
    return done.code, json.loads(done.out)


def pings(guest, address):
    """One packet, and an answer soon."""
    return guest.run("ping", "-n", "-c", "1", "-W", "0.3", address, check=False).code == 0


# --- what is changed, and whom it cuts off

def fdb(how):
    def meddle(host, a, b):
        bridge(host, "fdb", "replace", b.mac, "dev", dvx(a), "dst", ELSEWHERE, "self", how)
    return meddle


def neighbour(state):
    def meddle(host, a, b):
        host.ip("neigh", "replace", b.ipv4, "lladdr", OTHER_MAC, "dev", dvx(a), "nud", state)
        a.flush_neighbours()
    return meddle


def link(device, *words):
    def meddle(host, a, _):
        name = {"dvx": dvx(a), "dvbr": f"dvbr{a.vni}", "port": a.port}[device]
        host.ip("link", "set", name, *words)
    return meddle


def flags(device, *words):
    def meddle(host, a, _):
        bridge(host, "link", "set", "dev", {"dvx": dvx(a), "port": a.port}[device], *words)
    return meddle


def punt(*words):
    return lambda host, *_: host.ip(*words)


def address(device):
    def meddle(host, a, _):
        host.ip("address", "add", "10.1.0.99/24", "dev", {"dvx": dvx(a), "dvbr": f"dvbr{a.vni}"}[device])
    return meddle


def no_port_entry(host, a, _):
    bridge(host, "fdb", "del", a.mac, "dev", a.port, "master")


def ipv6_off(host, a, _):
    run("sysctl", "-qw", f"net.ipv6.conf.{dvx(a)}.disable_ipv6=1", netns=host.netns)


MEDDLING = {
    # name: (what, does it break IPv4 traffic, is it undone at once)
    "fdb to another host": (fdb("permanent"), True, True),
    "fdb to another host, dynamic": (fdb("dynamic"), True, False),
    "neighbour with another MAC": (neighbour("permanent"), True, True),
    "neighbour that gets stale": (neighbour("stale"), True, True),
    "dvx down": (link("dvx", "down"), True, True),
    "dvx MTU": (link("dvx", "mtu", "80"), True, True),
    "dvx off its bridge": (link("dvx", "nomaster"), True, True),
    "dvx learns": (link("dvx", "type", "vxlan", "learning"), False, True),
    "dvx sends from elsewhere": (link("dvx", "type", "vxlan", "local", ELSEWHERE), True, True),
    "dvx flags": (flags("dvx", "flood", "off"), True, True),
    "dvx locked": (flags("dvx", "locked", "on"), True, True),
    "dvx suppresses": (flags("dvx", "neigh_suppress", "on"), False, True),
    "dvx does not forward": (flags("dvx", "state", "0"), True, True),
    "dvx alias": (link("dvx", "alias", "x"), False, True),
    "dvx address": (address("dvx"), False, False),
    "dvx port learns": (flags("dvx", "learning", "on"), False, True),
    "bridge down": (link("dvbr", "down"), True, True),
    "bridge STP": (link("dvbr", "type", "bridge", "stp_state", "1"), False, True),
    "bridge address with a peer": (punt("address", "add", "10.9.0.1", "peer", "10.9.0.2/32", "dev",
                                        "dvbr4096"), False, False),
    "bridge alias": (link("dvbr", "alias", "x"), False, True),
    "bridge address": (address("dvbr"), False, False),
    "bridge MAC": (link("dvbr", "address", OTHER_MAC), False, True),
    "bridge snooping": (link("dvbr", "type", "bridge", "mcast_snooping", "0"), False, True),
    "punt alias": (punt("link", "set", "dvpunt", "alias", "x"), False, True),
    "punt address": (punt("address", "flush", "dev", "dvpunt"), False, False),
    "punt route": (punt("route", "del", "unreachable", PUNT), False, False),
    "port down": (link("port", "down"), True, True),
    "port off its bridge": (link("port", "nomaster"), True, True),
    "port MTU": (link("port", "mtu", "68"), True, True),
    "port isolated and learning": (flags("port", "learning", "on", "isolated", "on"), False, True),
    "port does not forward": (flags("port", "state", "0"), True, True),
    "port unlocked": (flags("port", "locked", "off"), False, True),
    "port keeps its guest out": (no_port_entry, True, False),
    "sysctl": (ipv6_off, False, False),
}


@pytest.fixture(scope="module")
def pair(lab):
    """Two guests on two hosts that have spoken, by both IP versions."""
    a, b = lab.guests["red1"], lab.guests["red2"]
    for address in [b.ipv4, b.ipv6]:
        assert traffic.ping(a, address, 3).lost == 0
    return a, b


def deleted(host, a, b):
    """Entries of all kinds that doved keeps: name -> how somebody deletes it, and how the log names
    it."""
    device = dvx(a)
    router = next(row["mac"] for row in host.show("fdb", "show") if row["kind"] == "router")

    def entry(mac, *words):
        return lambda: bridge(host, "fdb", "del", mac, "dev", device, *words)

    return {
        "local guest": (entry(a.mac), a.mac),
        "broadcast to a host": (entry("ff:ff:ff:ff:ff:ff", "dst", b.host.vtep),
                                "ff:ff:ff:ff:ff:ff"),
        "router": (entry(router), router),
        "punt": (entry("00:00:00:00:00:00"), "00:00:00:00:00:00"),
        "gateway": (lambda: host.ip("neigh", "del", "10.1.0.1", "dev", device), "10.1.0.1"),
    }


@pytest.mark.parametrize("what", ["local guest", "broadcast to a host", "router", "punt", "gateway"])
def test_an_entry_that_somebody_deletes_is_put_back_counted_and_logged(lab, pair, what):
    a, b = pair
    host = a.host
    delete, words = deleted(host, a, b)[what]
    before, mark = host.status()["put_back"], len(host.doved.log_text())
    delete()
    wait_until(f"{what} is back", lambda: host.status()["put_back"] == before + 1, AT_ONCE)
    assert check(host) == (0, [])
    said = [line for line in host.doved.log_text()[mark:].splitlines() if "is put back" in line]
    assert len(said) == 1 and f"network {a.vni} is put back: 1 entry" in said[0]
    assert words in said[0]
    assert host.status()["put_back"] == before + 1


@pytest.mark.parametrize("what", MEDDLING)
def test_what_somebody_changes_is_put_back_and_counted(pair, what):
    a, b = pair
    host = a.host
    meddle, breaks, at_once = MEDDLING[what]
    for address in [b.ipv4, b.ipv6]:
        assert traffic.ping(a, address, 3).lost == 0
    before = host.status()
    with host.doved.paused():
        meddle(host, a, b)
        if breaks:
            assert not pings(a, b.ipv4), "control: it is not worth being undone"
        else:
            wait_until("it goes on meanwhile", lambda: pings(a, b.ipv4), 5)
    wait_until(f"after {what!r} there is traffic", lambda: all(pings(a, ip) for ip in [b.ipv4, b.ipv6]),
               AT_ONCE if at_once else AUDIT + AT_ONCE)
    wait_until(f"{what!r} is undone", lambda: check(host) == (0, []), AUDIT + AT_ONCE)
    assert host.status()["put_back"] > before["put_back"]


# --- check

def test_check_is_quiet_on_a_host_that_is_right(lab, pair):
    for host in lab.hosts.values():
        assert check(host) == (0, [])
    assert check(pair[0].host, "red-net") == (0, [])
    done = pair[0].host.dovectl("check", "no-such-net", check=False)
    assert done.code == 2 and "no-such-net" in done.err


def test_check_names_each_difference_and_the_command_that_mends_it(lab, pair):
    """The commands do mend: they are run, and then there is nothing to tell. No event tells doved of
    these; its slow audit comes first now and then."""
    a, b = pair
    host = a.host
    for _ in range(20):
        bridge(host, "fdb", "replace", b.mac, "dev", dvx(a), "dst", ELSEWHERE, "self", "dynamic")
        bridge(host, "fdb", "replace", OTHER_MAC, "dev", dvx(a), "dst", ELSEWHERE, "self", "dynamic")
        code, found = check(host, "red-net")
        mended = [run(*row["command"].split(), netns=host.netns, check=False) for row in found]
        if len(found) == 2 and all(done.code == 0 for done in mended):
            break
    assert code == 2
    assert [done.code for done in mended] == [0, 0], mended
    assert {row["network"] for row in found} == {"red-net"}
    assert {row["with"] for row in found} == {"kernel"}
    told = {row["what"].split()[1]: row for row in found}
    assert set(told) == {b.mac, OTHER_MAC}
    assert ELSEWHERE in told[b.mac]["what"] and b.host.vtep in told[b.mac]["what"]
    assert not any(row["mended"] for row in found)
    assert check(host, "red-net") == (0, [])
    wait_until("it pings", lambda: pings(a, b.ipv4), 5)


def test_check_fix_mends_and_says_so(lab, pair):
    a, b = pair
    host = a.host
    found = []
    for _ in range(20):  # doved's own audit may come first
        bridge(host, "fdb", "replace", b.mac, "dev", dvx(a), "dst", ELSEWHERE, "self", "dynamic")
        broken = not pings(a, b.ipv4)
        code, found = check(host, "-fix")
        assert code == 0, found
        if found:
            break
    assert broken
    assert [row["mended"] for row in found] == [True]
    wait_until("it pings", lambda: pings(a, b.ipv4), 5)
    text = host.dovectl("check", check=False)
    assert (text.code, text.out) == (0, "")


def test_the_audit_finds_by_itself_what_nothing_tells(lab, pair):
    a, b = pair
    host = a.host
    for _ in range(20):  # it may come before the ping
        before = host.status()
        bridge(host, "fdb", "replace", b.mac, "dev", dvx(a), "dst", ELSEWHERE, "self", "dynamic")
        broken = not pings(a, b.ipv4)
        if broken:
            break
    assert broken
    wait_until("the audit has mended it", lambda: pings(a, b.ipv4), AUDIT + AT_ONCE)
    after = host.status()
    assert after["differences"] > before["differences"]
    assert after["mended"] - before["mended"] == after["differences"] - before["differences"]


def test_changes_in_flight_are_no_differences(lab):
    """Checked all the time while every pair begins to speak and is forgotten again."""
    guests = list(lab.guests.values())
    host = lab.hosts["h1"]
    before = host.counters()
    for _ in range(2):
        cold.forget_everything(lab)
        for a in guests:
            for b in guests:
                if a is not b and a.vni == b.vni:
                    assert traffic.ping(a, b.ipv4, 1).lost == 0
        assert check(host) == (0, [])
    after = host.counters()
    assert after["audits"] > before["audits"]
    assert after["audit_differences"] == before["audit_differences"]


def test_what_cannot_be_made_at_a_start_is_said(pair):
    """A device of another's stands in the way of a network's; when it goes, all heals."""
    a, b = pair
    host = b.host
    host.kill_doved()
    host.ip("link", "del", dvx(b))
    host.ip("link", "add", dvx(b), "type", "bridge")
    host.start()
    wait_until("it is a problem", lambda: b.port in (host.status()["problem"] or ""), 10)
    assert dvx(b) in host.status()["problem"]
    code, found = check(host, "red-net")
    assert code != 0
    assert any(one["what"] == f"port {b.port} is not made, though its device is there"
               and dvx(b) in one["problem"] for one in found), found
    host.ip("link", "del", dvx(b))
    wait_until("the port is back", lambda: {row["dev"]: row["state"] for row in host.show(
        "port", "show")}[b.port] == "active", 10)
    wait_until("nothing differs", lambda: check(host) == (0, []), AUDIT + AT_ONCE)
    assert not host.status()["problem"]
    b.wait_forwarding()
    assert traffic.ping(a, b.ipv4, 3).lost == 0
