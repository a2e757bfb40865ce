"""Two tenants with the same MACs and the same addresses never hear of each other."""
import contextlib
import time

import pytest
from dovelab import cold, frames, give_time, run, traffic, wait_until
from dovelab.capture import Capture
from dovelab.spec import three_hosts

# Of what the silent hear nothing comes from doved: it asks for listeners at first and hours later.
LAB = {**three_hosts(), "doved": ["--query-interval", "31744"]}
pytestmark = pytest.mark.usefixtures("br_netfilter")
TAGS = {"red": b"the red tenant's", "blue": b"the blue tenants"}


def guests(lab, tenant):
    return [guest for guest in lab.guests.values() if guest.name.startswith(tenant)]


def talk(lab, tenant):
    """Every kind of traffic between all guests of a tenant, each frame with the tenant's tag."""
    tag = TAGS[tenant]
    everyone = guests(lab, tenant)
    for a in everyone:
        for b in everyone:
            if a is not b:
                assert traffic.ping(a, b.ipv4, 2, 0.01, 5, "-p", tag.hex()).lost == 0
                assert traffic.ping(a, b.ipv6, 2, 0.01, 5, "-p", tag.hex()).lost == 0
        a.send_frames([frames.tagged(frames.BROADCAST, a.mac, tag),
                       frames.tagged("02:00:00:00:99:99", a.mac, tag),
                       frames.tagged("01:00:5e:00:00:fb", a.mac, tag),
                       frames.gratuitous_arp(a.mac, a.ipv4)], interval=0.01)


def settle():
    time.sleep(0.3)


def is_talk(frame):
    return frames.ether_type(frame.data) in (frames.ETH_IPV4, frames.ETH_ARP, frames.ETH_TEST)


def test_addresses_and_macs_are_really_equal(lab):
    for red, blue in zip(guests(lab, "red"), guests(lab, "blue")):
        assert (red.mac, red.ips) == (blue.mac, blue.ips)
        assert red.vni != blue.vni


def test_no_frame_crosses_while_both_talk(lab):
    cold.forget_everything(lab)
    with Capture.of_guests(lab.guests.values()) as seen:
        for tenant in TAGS:
            talk(lab, tenant)
        settle()
    for guest in lab.guests.values():
        mine, other = ("red", "blue") if guest.name.startswith("red") else ("blue", "red")
        assert seen.count(guest.name, TAGS[other]) == 0, guest.name
        assert seen.count(guest.name, TAGS[mine]) > 0, f"{guest.name} heard not even its own"


@pytest.mark.parametrize("talker,silent", [("red", "blue"), ("blue", "red")])
def test_the_silent_tenant_hears_nothing_at_all(lab, talker, silent):
    cold.forget_everything(lab)
    with Capture.of_guests(lab.guests.values(), keep=is_talk) as seen:
        talk(lab, talker)
        settle()
    heard = {g.name: [f.data[:60].hex() for f in seen.at(g.name)] for g in guests(lab, silent)}
    assert not any(heard.values()), heard
    assert all(seen.at(g.name) for g in guests(lab, talker))


@contextlib.contextmanager
def without_untracking(host):
    """Its walls but for the one that keeps guests' packets from connection tracking."""
    host.kill_doved()
    host.flush_walls("chain", "inet", "dove", "raw_bridged")
    try:
        yield
    finally:
        host.start()


@pytest.fixture(params=["wall", "control"])
def walled(lab, tracking, request):
    """Whether h1 has that wall; the control works only where br_netfilter hands frames over."""
    if request.param == "wall":
        yield True
        return
    with without_untracking(lab.hosts["h1"]):
        yield False


def handed_over(host):
    return run("sysctl", "-n", "net.bridge.bridge-nf-call-iptables",
               netns=host.netns, check=False).out.strip() == "1"


def test_no_packet_of_a_guest_is_tracked(lab, walled):
    red1, red2, red4 = (lab.guests[name] for name in ("red1", "red2", "red4"))
    for other in (red2, red4):
        assert traffic.ping(red1, other.ipv4, 2).lost == 0
    tracked = red1.host.tracked(f"src={red1.ipv4} ")
    assert bool(tracked) == (not walled and handed_over(red1.host)), tracked


def test_fragments_of_two_tenants_are_never_joined(lab, walled):
    """The first one of red's, the second one of blue's, of packets that are alike."""
    whole = frames.udp_packet(lab.guests["red1"].ipv4, lab.guests["red4"].ipv4, 7, 7,
                              TAGS["red"] + bytes(8) + TAGS["blue"] + bytes(8))
    first, second = (frames.ipv4_fragment(whole, *part) for part in ((0, 32), (32, None)))
    names = {"red": "red4", "blue": "blue4"}
    apart = {"red4": [TAGS["red"]], "blue4": [TAGS["blue"]]}
    both = list(TAGS.values())
    joined = not walled and handed_over(lab.hosts["h1"])

    def came():
        return {name: [tag for tag in TAGS.values() if seen.count(name, tag)]
                for name in names.values()}

    with Capture.of_guests([lab.guests[name] for name in names.values()]) as seen:
        for tenant, part in (("red", first), ("blue", second)):
            sender, to = lab.guests[f"{tenant}1"], lab.guests[names[tenant]]
            sender.send_frames([frames.ethernet(to.mac, sender.mac, frames.ETH_IPV4, part)])
        # What is joined goes on as a whole, to one of them.
        give_time(lambda: both in came().values() if joined else came() == apart)
        settle()
    # Nothing of the other's, and each has its own.
    assert (came() != apart) == joined, came()


@contextlib.contextmanager
def wrong_entry(host, vni, mac, vtep, wrong_vni):
    entry = [mac, "dev", f"dvx{vni}", "dst", vtep]
    with host.doved.paused():  # it would not stay
        run("bridge", "-n", host.netns, "fdb", "replace", *entry, "vni", wrong_vni, "self",
            "permanent")
        yield
        run("bridge", "-n", host.netns, "fdb", "del", *entry, "vni", wrong_vni, "self",
            check=False)


def test_one_wrong_entry_leads_nobody_astray(lab):
    """Of the kernel's, with all walls. The control: without one of them it is seen."""
    red1, red2, blue2 = (lab.guests[name] for name in ("red1", "red2", "blue2"))
    cold.make_cold(red1, red2)
    for walled in (True, False):
        with Capture.of_guests([red2, blue2]) as seen:
            with wrong_entry(red1.host, red1.vni, red2.mac, red2.host.vtep, blue2.vni):
                if not walled:
                    run("nft", "flush", "map", "inet", "dove", "homes", netns=red1.host.netns)
                red1.send_frames([frames.tagged(red2.mac, red1.mac, TAGS["red"])])
                give_time(lambda: walled or seen.count("blue2", TAGS["red"]))
                settle()
        assert seen.count("blue2", TAGS["red"]) == (0 if walled else 1)
        assert seen.count("red2", TAGS["red"]) == 0
    wait_until("it is as before", lambda: traffic.ping(red1, red2.ipv4, 2).lost == 0)
