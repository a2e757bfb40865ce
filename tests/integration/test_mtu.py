"""No packet is too long without an answer: what fits arrives, what does not is answered with the MTU
that fits or, where it may be, sent in fragments; from a flow's first packet on, whichever family.

The guests here have a larger MTU than they are told, so that they can send what is too long.
"""
import contextlib
import re
import subprocess

import pytest
from dovelab import cold, netns, run, traffic, wait_until
from mtu_lab import JUMBO, MTU, labs, large_guests, overhead  # noqa: F401

LABS = labs(["h1", "h2", "h3"], ["red1", "red2", "red3", "green2"])
EDGES = {"one less": -1, "the guests' MTU": 0, "one more": 1, "the underlay's MTU": None,
         "more than any": JUMBO - 100 - MTU}
# On one network, and routed to another.
PATHS = [("red2", edge) for edge in EDGES] + [
    ("green2", edge) for edge in ("the guests' MTU", "one more", "more than any")]
TOLD = re.compile(r"mtu ?= ?(\d+)")


def shown_mtu(guest):
    """By `port show` and `status`; None while they differ."""
    row = next(row for row in guest.host.show("port", "show") if row["dev"] == guest.port)
    return row["mtu"] if row["mtu"] == guest.host.status()["mtu"] else None


def link_mtu(host, device):
    return next(link["mtu"] for link in host.links() if link["ifname"] == device)


def ping(a, address, length, how, count=3):
    """With a packet of this length; the first one finds no entry and is punted, if it is let."""
    cold.forget_paths(a)
    headers = 48 if ":" in address else 28
    return traffic.ping(a, address, count, 0.02, 2, "-s", length - headers, "-M", how)


def make_punted(a, b):
    """The next frame for b finds no entry at a's host, though a knows the MAC: b's or the router's."""
    assert traffic.ping(a, b.ipv4, 1).lost == 0 and traffic.ping(a, b.ipv6, 1).lost == 0
    cold.forget_paths(a, b)
    if a.network == b.network:  # or a's kernel asks for b by and by, which brings the entry back
        for ip in (b.ipv4, b.ipv6):
            a.ip("neigh", "replace", ip, "lladdr", b.mac, "dev", "eth0", "nud", "reachable")
    routed = b.addresses() if a.network != b.network else []

    def removed():
        cold.remove_entries(a.host, a.vni, {b.mac}, set(routed))
        return not a.host.remote_fdb(a.vni, b.mac)
    wait_until("there is no entry", removed, 5)


def length_at(lab, edge):
    fits = MTU - overhead(lab)
    return MTU if EDGES[edge] is None else fits + EDGES[edge]


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("to,edge", PATHS)
@pytest.mark.parametrize("overlay", ["ipv4", "ipv6"])
def test_what_may_not_be_fragmented_arrives_or_is_answered(lab, to, overlay, edge):
    a, b = lab.guests["red1"], lab.guests[to]
    fits, length = MTU - overhead(lab), length_at(lab, edge)
    assert shown_mtu(a) == fits
    make_punted(a, b)
    punted = a.host.counters()["punted_packets"]
    result = ping(a, getattr(b, overlay), length, "do")
    if length <= fits:
        assert result.lost == 0, result
        assert a.host.counters()["punted_packets"] > punted, "the first packet was not punted"
    else:
        assert not result.times, result.output
        assert TOLD.search(result.output)[1] == str(fits), result.output
        assert "icmp_seq=1 " in result.output, f"the first was not answered: {result.output}"


@pytest.mark.parametrize("when", ["before a restart", "after it"])
def test_the_answer_to_what_was_routed_is_the_kernels(lab, when):
    """With entries for it: the kernel sends the answer to the router's MAC, and the walls lead it."""
    a, b = lab.guests["red1"], lab.guests["green2"]
    if when == "after it":
        a.host.kill_doved()
        a.host.start()
        rule = "goto routed_back"
        wait_until("the walls are as before", lambda: rule in run(
            "nft", "list", "chain", "bridge", "dove", "prerouting", netns=a.host.netns).out, 5)
    before = a.host.counters()["wall_routed_answers"]
    for address in (b.ipv4, b.ipv6):
        assert traffic.ping(a, address, 3).lost == 0
        assert TOLD.search(ping(a, address, MTU, "do").output)
    assert a.host.counters()["wall_routed_answers"] >= before + 2


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("to,edge", PATHS)
def test_what_may_be_fragmented_arrives(lab, to, edge):
    """Over IPv6, where the kernel fragments no tunnel's packet, the guest is told to do it."""
    a, b = lab.guests["red1"], lab.guests[to]
    fits, length = MTU - overhead(lab), length_at(lab, edge)
    make_punted(a, b)
    result = ping(a, b.ipv4, length, "dont", 5)
    if length <= fits or overhead(lab) == 50:
        assert result.lost == 0, result.output
    else:  # lost once on either side, and answered
        assert 5 in result.times and result.lost <= 2, result.output
        assert TOLD.search(result.output)[1] == str(fits), result.output


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("edge", EDGES)
def test_ipv6_that_the_sender_fragments_arrives(lab, edge):
    a, b = lab.guests["red1"], lab.guests["red2"]
    make_punted(a, b)
    result = ping(a, b.ipv6, length_at(lab, edge), "dont", 5)
    assert 5 in result.times and result.lost <= 2, result.output


def test_control_a_short_device_loses_without_a_word(lab):
    """What the devices' own MTU is for: with one that is shorter than the guest's packet there is
    no answer. doved is away meanwhile, else it puts it back."""
    a, b = lab.guests["red1"], lab.guests["red2"]
    device = f"dvx{a.vni}"
    assert traffic.ping(a, b.ipv4, 1).lost == 0
    a.host.kill_doved()
    try:
        a.host.ip("link", "set", device, "mtu", MTU)
        result = ping(a, b.ipv4, MTU + 1, "do", 2)
        assert not result.times and not TOLD.search(result.output), result.output
    finally:
        a.host.start()
    wait_until("it is put back", lambda: link_mtu(a.host, device) > JUMBO, 5)
    assert TOLD.search(ping(a, b.ipv4, MTU + 1, "do", 2).output)


def connections(host):
    """Of programs to its doved."""
    established = "03"
    with netns.inside(host.netns), open("/proc/thread-self/net/unix") as table:
        rows = [line.split() for line in table]
    return sum(row[5] == established and row[-1] == str(host.socket) for row in rows)


@contextlib.contextmanager
def monitor(host):
    """What `dovectl monitor` says, as a function."""
    path = host.dir / "monitor.out"
    with open(path, "wb") as out:
        program = subprocess.Popen(
            ["ip", "netns", "exec", host.netns, host.lab.program("dovectl"), "-Socket", host.socket,
             "monitor"], stdout=out, stderr=out, start_new_session=True)
    try:
        wait_until("it is connected", lambda: connections(host) > 0)
        yield path.read_text
    finally:
        program.terminate()
        program.wait(5)


def set_underlay_mtu(lab, mtu):
    for name in ("br0", *lab.hosts):
        run("ip", "-n", lab.underlay, "link", "set", name, "mtu", mtu)
    for host in lab.hosts.values():
        host.ip("link", "set", "eth0", "mtu", mtu)


@pytest.mark.parametrize("mtu", [1400, 8000, MTU])
def test_a_change_of_the_underlay_is_followed(lab, mtu):
    """Down, up and back, while a flow goes on; the guests keep theirs and are answered."""
    a, b = lab.guests["red1"], lab.guests["red2"]
    fits = mtu - overhead(lab)
    running = traffic.RunningPing(a, b.ipv4, 0.02)
    with monitor(a.host) as said:
        set_underlay_mtu(lab, mtu)
        for guest in (a, b):
            wait_until("the guests' MTU follows", lambda g=guest: shown_mtu(g) == fits, 5)
        wait_until("the monitor tells", lambda: f"mtu {fits} " in said(), 5)
    assert link_mtu(a.host, "dvpunt") == mtu
    assert link_mtu(a.host, a.port) >= mtu
    assert running.stop().lost == 0
    if overhead(lab) == 70:
        wait_until("the rule follows", lambda: f"ip length > {fits} " in run(
            "nft", "list", "chain", "bridge", "dove", "forward", netns=a.host.netns).out, 5)
    make_punted(a, b)
    for address in (b.ipv4, b.ipv6):
        assert ping(a, address, fits, "do").lost == 0
        assert TOLD.search(ping(a, address, fits + 1, "do", 2).output)[1] == str(fits)


def test_a_way_to_one_host_that_is_shorter(lab):
    """The guests are told of the shortest; the kernel still knows the way to each host."""
    a, near, far = (lab.guests[name] for name in ("red1", "red2", "red3"))
    vtep = far.host.vtep
    route = [f"{vtep}/{128 if ':' in vtep else 32}", "dev", "eth0", "mtu", "1400"]
    before, fits = shown_mtu(a), 1400 - overhead(lab)
    a.host.ip("route", "add", *route)
    try:
        wait_until("the guests' MTU follows", lambda: shown_mtu(a) == fits, 5)
        assert shown_mtu(near) == before
        for overlay in ("ipv4", "ipv6"):
            assert ping(a, getattr(near, overlay), before, "do").lost == 0
            answer = ping(a, getattr(far, overlay), before, "do", 2)
            assert TOLD.search(answer.output)[1] == str(fits), answer.output
            assert ping(a, getattr(far, overlay), fits, "do").lost == 0
    finally:
        a.host.ip("route", "del", *route)
    wait_until("and back", lambda: shown_mtu(a) == before, 5)
