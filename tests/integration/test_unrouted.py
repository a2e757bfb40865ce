"""Networks are of one wire each, whatever entries the kernel has for what is routed between them: a
frame that a guest addresses to the MAC of a guest in another network, past the router, goes
nowhere. So a policy cannot be gone around on a host that kept its entries, either."""
import time

import pytest
from dovelab import cold, frames, give_time, traffic
from dovelab.capture import Capture
from dovelab.run import wait_until
from dovelab.spec import both_underlays

TAG = b"<past the router>"
LAB = {"hosts": ["h1", "h2"],
       "tenants": {"red": {name: {"subnets": [f"10.{i}.0.0/24", f"fd00:{i}::/64"], "routed": True}
                           for i, name in ((1, "a"), (2, "b"))}},
       "guests": {name: {"network": name[0], "host": f"h{name[1]}", "mac": f"02:00:00:00:0{i}:1{n}",
                         "ips": [f"10.{i}.0.1{n}", f"fd00:{i}::1{n}"],
                         "security": "off" if name == "a1open" else "on"}
                  for n, i, name in ((1, 1, "a1"), (2, 1, "a1open"), (3, 2, "b1"), (4, 2, "b2"))}}
pytestmark = pytest.mark.usefixtures("br_netfilter")
LABS = both_underlays(LAB)
# Where the guest is that they are for, and what counts them there.
WALLS = {"b2": "wall_unrouted_sent", "b1": "wall_unrouted_received"}


def straight(a, b, source=None):
    """Frames of every kind from a to b's own MAC."""
    source = source or a.mac
    packets = [(frames.ETH_IPV4, frames.udp_packet(a.ipv4, b.ipv4, 7, 7, TAG)),
               (frames.ETH_IPV6, frames.udp_packet(a.ipv6, b.ipv6, 7, 7, TAG))]
    return [frames.ethernet(b.mac, source, kind, packet) for kind, packet in packets] + [
        frames.tagged(b.mac, source, TAG)]


def routed(a, b):
    """In both directions, and over both kinds of IP: the kernel has its entries."""
    for to in (b.ipv4, b.ipv6):
        wait_until(f"{a.name} reaches {to}", lambda: traffic.ping(a, to, 1, 0.05, 1).lost == 0)


def came(a, b, sent, expected=0):
    """How many of these frames of a came to b; `expected` ones are waited for."""
    with Capture.of_guests([b], keep=lambda frame: TAG in frame.data) as seen:
        a.send_frames(sent, interval=0.002)
        give_time(lambda: len(seen.at(b.name)) >= expected)
        # What came before the last of them is seen when that has been.
        b.send_frames([frames.tagged(frames.BROADCAST, b.mac, b"<after>")])
        time.sleep(0.3)
    return len(seen.at(b.name))


@pytest.mark.parametrize("to", WALLS)
def test_entries_for_the_router_lead_nobody_else_there(lab, to):
    a, b, counter = lab.guests["a1"], lab.guests[to], WALLS[to]
    routed(a, b)
    before = a.host.counters()[counter]
    assert came(a, b, straight(a, b)) == 0
    wait_until("they are counted", lambda: a.host.counters()[counter] == before + 3)
    routed(a, b)


@pytest.mark.parametrize("to", WALLS)
def test_nor_does_doved_carry_them(lab, to):
    """It asks whose MAC that is: the first is as little carried as the next."""
    a, b = lab.guests["a1"], lab.guests[to]
    for _ in range(3):
        cold.forget_everything(lab)
        assert came(a, b, straight(a, b)) == 0
    routed(a, b)


@pytest.mark.parametrize("to", WALLS)
def test_within_a_network_they_come(lab, to):
    """The control."""
    b = lab.guests[to]
    other = lab.guests["b1" if to == "b2" else "b2"]
    assert traffic.ping(other, b.ipv4, 1).lost == 0
    assert came(other, b, straight(other, b), 3) == 3


def test_nobody_sends_as_the_router(lab):
    """Not even a guest that may be anybody."""
    a, b = lab.guests["a1open"], lab.guests["b2"]
    router = a.host.router_mac(a.vni)
    routed(a, b)
    before = forged(a)
    assert came(a, b, straight(a, b, router)) == 0
    wait_until("they are counted", lambda: forged(a) == before + 3)


def forged(guest):
    """How many frames its port has dropped that it sent as the router."""
    port = guest.host.show("-s", "port", "show", guest.port)[0]
    return port["counters"]["forged_router_dropped"]


@pytest.mark.parametrize("who", ["a1", "a1open"])
def test_a_policy_is_not_gone_around_where_doved_is_dead(lab, who):
    a, b = lab.guests[who], lab.guests["b2"]
    between = ("tenant", "red", "between", "a", "and", "b")
    routed(a, b)
    router = a.host.router_mac(a.vni)
    a.host.kill_doved()
    try:
        assert a.host.remote_fdb(a.vni, b.mac), "the kernel has its entry"
        lab.dovectl("policy", "add", *between, "deny")
        b.host.wait_applied(lab.revision(), 30)
        assert came(a, b, straight(a, b)) == 0
        assert came(a, b, straight(a, b, router)) == 0
        assert traffic.ping(a, b.ipv4, 3, 0.01, 0.2).lost == 3
    finally:
        a.host.start()
        lab.dovectl("policy", "del", *between, check=False)
    routed(a, b)


def test_doved_restarts_and_what_is_routed_loses_nothing(lab):
    """Before it knows who the router is, the walls know it."""
    a, b = lab.guests["a1"], lab.guests["b2"]
    routed(a, b)
    flow = traffic.RunningPing(a, b.ipv4, 0.01)
    flow.wait_answered()
    a.host.kill_doved()
    a.host.start()
    assert came(a, b, straight(a, b)) == 0
    assert flow.stop().lost == 0
