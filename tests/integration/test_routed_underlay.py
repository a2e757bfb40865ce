"""A router between the hosts, each in a subnet of its own. Guests find each other as on one wire;
and where the way is shorter behind the router than at its beginning nothing vanishes: what guests
send arrives, or is answered with an MTU that does, which doved tells too once the kernel has learnt
it.

The guests have a larger MTU than they are told.
"""
import itertools
import time

import pytest
from dovelab import cold, frames, netns, run, traffic, wait_until
from dovelab.capture import Capture
from mtu_lab import JUMBO, MTU, labs, large_guests, overhead  # noqa: F401
from test_mtu import TOLD, make_punted, ping, shown_mtu
from test_mtu_flows import Datagrams, Stream

LABS = {underlay: {**wanted, "router": True} for underlay, wanted in labs(
    ["h1", "h2", "h3"], ["red1", "red2", "red3", "green2"]).items()}
OVERLAY = pytest.mark.parametrize("overlay", ["ipv4", "ipv6"])
SHORT = 1400
PATIENCE = 20  # doved looks every 10 seconds at what the kernel has learnt


def red(lab):
    return [guest for guest in lab.guests.values() if guest.network == "red-net"]


@OVERLAY
def test_pings_from_cold_lose_nothing(lab, overlay):
    lost = cold.lost_from_cold(itertools.combinations(red(lab), 2), overlay)
    assert not lost, "\n".join(lost)


def forward(lab, value):
    for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        netns.sysctl(lab.underlay, key, value)


def test_control_they_have_no_other_way_than_the_router(lab):
    a, b = lab.guests["red1"], lab.guests["red2"]
    assert traffic.ping(a, b.ipv4, 1).lost == 0
    forward(lab, 0)
    try:
        assert not traffic.ping(a, b.ipv4, 2, 0.05, 0.3).times
    finally:
        forward(lab, 1)
    assert traffic.ping(a, b.ipv4, 1).lost == 0


def test_exactly_one_copy_of_a_broadcast(lab):
    with Capture.of_guests(lab.guests.values()) as seen:
        for sender in red(lab):
            sender.send_frames([frames.tagged(frames.BROADCAST, sender.mac, tag_of(sender))])
        wait_until("they have come", lambda: all(
            seen.count(guest.name, tag_of(sender))
            for guest, sender in itertools.permutations(red(lab), 2)))
        time.sleep(0.3)  # for copies that should not come
    for sender in red(lab):
        assert seen.counts(tag_of(sender)) == {
            name: int(guest in red(lab) and guest is not sender)
            for name, guest in lab.guests.items()}


def tag_of(sender):
    return f"<of {sender.name}>".encode()


# --- a way that is shorter than it looks from h1

@pytest.fixture(scope="module")
def fits(lab):
    """Behind the router the way to h2 is shorter. What a guest's packet may have there."""
    set_leg(lab, "h2", SHORT)
    length = SHORT - overhead(lab)
    wait_until("its guests are told", lambda: shown_mtu(lab.guests["red2"]) == length, 5)
    yield length
    set_leg(lab, "h2", MTU)


def set_leg(lab, name, mtu):
    run("ip", "-n", lab.underlay, "link", "set", name, "mtu", mtu)
    lab.hosts[name].ip("link", "set", "eth0", "mtu", mtu)


def change_routes(host):
    """Some route comes and goes: doved looks at once."""
    family, route = (("-4", "198.51.100.0/24") if overhead(host.lab) == 50
                     else ("-6", "2001:db8::/64"))
    for verb in ("add", "del"):
        host.ip(family, "route", verb, "unreachable", route)


def unlearn(host):
    """Its kernel has learnt nothing of any way, and doved knows."""
    def is_unlearnt():
        cold.forget_paths(host)
        change_routes(host)
        return host.status()["mtu"] == MTU - overhead(host.lab)
    wait_until("nothing is learnt", is_unlearnt, every=0.1)


def learn(a, b, address):
    """Over IPv6 by a guest's packet. Over IPv4 none of the tunnel's is answered, only what others
    of the host send."""
    where, destination = (a, address) if overhead(a.lab) == 70 else (a.host, b.host.vtep)
    run("ping", "-c2", "-i0.2", "-W1", "-Mdo", "-s", MTU - 120, destination, netns=where.netns,
        check=False)


def fate(a, b, address, length, may_be_fragmented):
    """"arrived", or the MTU that the sender is told; a few may be lost until the way is known."""
    cold.forget_paths(a, b)
    with Datagrams(a, b, address, may_be_fragmented) as datagrams:
        return datagrams.send(length)


def wait_fate(a, b, address, length, most, may_be_fragmented=False):
    """What fits, or may be fragmented, arrives; else its sender is told."""
    expected = "arrived" if may_be_fragmented or length <= most else most
    what = f"{length} to {address}{' in fragments' if may_be_fragmented else ''}: {expected}"
    wait_until(what, lambda: fate(a, b, address, length, may_be_fragmented) == expected, PATIENCE)


def arrives(lab, fits):
    """The most that does: over IPv4 the router makes fragments of the tunnel's packets, as it may;
    over IPv6 it tells the host."""
    return MTU - overhead(lab) if overhead(lab) == 50 else fits


@OVERLAY
def test_a_way_that_nobody_has_learnt(lab, fits, overlay):
    a, b = lab.guests["red1"], lab.guests["red2"]
    address, seems = getattr(b, overlay), MTU - overhead(lab)
    unlearn(a.host)
    cold.make_cold(a, b)
    assert ping(a, address, fits, "do").lost == 0
    make_punted(a, b)
    for length in (fits + 1, seems, seems + 1, JUMBO - 100):
        wait_fate(a, b, address, length, arrives(lab, fits))
    with Stream(a, b, address) as stream:
        stream.goes_on()


def test_no_length_vanishes_bridged_or_routed(lab, fits):
    """Where doved has a part, from when it knows."""
    a = lab.guests["red1"]
    unlearn(a.host)
    if arrives(lab, fits) == fits:
        learn(a, lab.guests["red2"], lab.guests["red2"].ipv6)
        change_routes(a.host)
    for name, overlay, may_be_fragmented, length in itertools.product(
            ["red2", "green2"], ["ipv4", "ipv6"], [False, True], [fits + 1, MTU]):
        b = lab.guests[name]
        wait_fate(a, b, getattr(b, overlay), length, arrives(lab, fits), may_be_fragmented)


def test_a_way_that_only_routed_packets_take(lab, fits):
    """To a network that the sending host does not have: what is answered to these packets counts as
    what is answered to others. At most a few are lost, whoever has learnt nothing before."""
    a, b = lab.guests["red1"], lab.guests["green2"]
    assert not a.host.has_device(f"dvx{b.vni}"), "control"
    unlearn(a.host)

    def outcome(address):
        change_routes(a.host)
        result = ping(a, address, fits + 1, "do", 1)
        told = TOLD.search(result.output)
        return "arrived" if result.times else told and int(told[1])
    for address in (b.ipv4, b.ipv6):
        assert traffic.ping(a, address, 2).lost == 0
        became = wait_until(f"{address} is reached or the sender told", lambda: outcome(address),
                            PATIENCE / 2)  # one that is lost takes two seconds and counts as one
        assert became == ("arrived" if arrives(lab, fits) > fits else fits)


def told(a, address, length):
    """By the answer to the first packet."""
    result = ping(a, address, length, "do", 2)
    assert not result.times and "icmp_seq=1 " in result.output, result.output
    return int(TOLD.search(result.output)[1])


def test_doved_tells_what_the_kernel_has_learnt(lab, fits):
    """On the host that has learnt it, and from a first packet on; the way to h3 is as it was. Over
    IPv6 it finds out by itself, in 10 seconds."""
    a, near, far, routed = (lab.guests[name] for name in ("red1", "red3", "red2", "green2"))
    learn(a, far, far.ipv6)
    if overhead(lab) == 50:
        change_routes(a.host)
    for address in (near.ipv4, near.ipv6):
        assert ping(a, address, MTU - overhead(lab), "do").lost == 0
    wait_until("the guests' MTU follows", lambda: shown_mtu(a) == fits, PATIENCE)
    assert shown_mtu(near) == MTU - overhead(lab)
    for overlay in ("ipv4", "ipv6"):
        make_punted(a, far)
        assert told(a, getattr(far, overlay), fits + 1) == fits
        make_punted(a, routed)
        assert told(a, getattr(routed, overlay), JUMBO - 100) == fits
        assert ping(a, getattr(routed, overlay), fits, "do").lost == 0
    wait_until("what may be fragmented arrives",
               lambda: 5 in ping(a, far.ipv4, fits + 1, "dont", 5).times)
    unlearn(a.host)
