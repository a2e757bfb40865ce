"""What guests announce is heard by the guests of other hosts, though the kernel keeps it from them:
an address that moves is reached at its new MAC, a duplicate is noticed, a router stays one."""
import json
import time

import pytest
from dovelab import frames, netns, traffic, wait_until
from dovelab.capture import Capture

VIP4, VIP6 = "10.1.0.100", "fd00:1::100"


def _guest(number, host, shared, security="on"):
    return {"network": "red-net", "host": host, "mac": f"02:00:00:00:00:{number:02x}",
            "ips": [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"],
            "shared_ips": [VIP4, VIP6] if shared else [], "security": security}


LAB = {"hosts": ["h1", "h2", "h3"],
       "tenants": {"red": {"red-net": {"subnets": ["10.1.0.0/24", "fd00:1::/64"]}}},
       "guests": {"red1": _guest(1, "h1", True, "off"), "red2": _guest(2, "h2", True),
                  "red3": _guest(3, "h3", False), "red4": _guest(4, "h1", False)}}


def announcement(form, mac, vip):
    return {"request": frames.gratuitous_arp, "reply": frames.gratuitous_reply,
            "advertisement": frames.unsolicited_advertisement}[form](mac, vip)


def speak(guest, form, vip):
    """Takes the address and tells everybody."""
    guest.take(vip)
    guest.send_frames([announcement(form, guest.mac, vip)])


def hears(guest, vip, mac):
    wait_until(f"{guest.name} knows {vip} at {mac}", lambda: guest.neighbours().get(vip) == mac, 5)


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("form, vip", [("request", VIP4), ("reply", VIP4),
                                       ("advertisement", VIP6)])
def test_a_shared_address_moves_to_who_announces_it(lab, form, vip):
    red1, red2, red3, red4 = (lab.guests[f"red{n}"] for n in (1, 2, 3, 4))
    try:
        for old, new in ((red2, red1), (red1, red2)):
            old.give_up(vip)
            speak(new, form, vip)
            for other in (red3, red4):
                wait_until(f"{other.name} reaches {vip}",
                           lambda o=other: traffic.ping(o, vip, 1, wait=1).lost == 0, 5)
                hears(other, vip, new.mac)
            wait_until("the controller knows", lambda: {
                row["name"]: vip in row["held_ips"] for row in lab.show("endpoint", "show")
            } == {g.name: g is new for g in (red1, red2, red3, red4)}, 5)
        # From here on nobody but the guests' own caches can lead the packets.
        running = traffic.RunningPing(red3, vip, interval=0.02)
        running.wait_answered()
        red2.give_up(vip)
        time.sleep(0.1)
        speak(red1, form, vip)
        hears(red3, vip, red1.mac)
        assert traffic.ping(red3, vip, 10, 0.02).lost == 0
        running.stop()
    finally:
        for guest in (red1, red2):
            guest.give_up(vip)


VIRTUAL_MAC = "00:00:5e:00:01:33"


def test_a_virtual_mac_moves_no_address(lab):
    """As keepalived's `use_vmac` announces it: dropped at a secured port, of no effect at another."""
    open_one, secured, other = (lab.guests[name] for name in ("red1", "red2", "red3"))

    def foreign(guest):
        port = guest.host.show("-s", "port", "show", guest.port)[0]
        return port["counters"]["foreign_mac_dropped"]

    try:
        speak(secured, "request", VIP4)
        wait_until("it is reached", lambda: traffic.ping(other, VIP4, 1, wait=1).lost == 0, 5)
        before = foreign(secured)
        for guest in (secured, open_one):
            guest.send_frames([frames.gratuitous_arp(VIRTUAL_MAC, VIP4)])
        time.sleep(0.5)
        assert foreign(secured) == before + 1
        other.flush_neighbours()
        assert traffic.ping(other, VIP4, 2).lost == 0
        hears(other, VIP4, secured.mac)
    finally:
        secured.give_up(VIP4)


def carried(seen, hosts, inner):
    """Of each host: how often its underlay device sent this frame in VXLAN."""
    count = dict.fromkeys(hosts, 0)
    for host in hosts:
        for frame in seen.all(host):
            tunnelled = frames.inside_vxlan(frame.data) if frame.outgoing else None
            count[host] += bool(tunnelled) and tunnelled[3].startswith(inner)
    return count


EATEN = {
    "gratuitous request": lambda g: frames.gratuitous_arp(g.mac, g.ipv4),
    "gratuitous reply": lambda g: frames.gratuitous_reply(g.mac, g.ipv4),
    "ARP probe": lambda g: frames.arp_probe(g.mac, g.ipv4),
    "address detection": lambda g: frames.detection(g.mac, g.ipv6),
}


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("kind", EATEN)
def test_once_to_each_other_host_and_never_again(lab, kind):
    """The guests that hear it answer nothing, and what they hear goes round no more."""
    red1 = lab.guests["red1"]
    frame = EATEN[kind](red1)
    before = {name: host.counters()["announcements_carried"] for name, host in lab.hosts.items()}
    with Capture.of_hosts(lab.hosts.values()) as wire, \
            Capture.of_guests(lab.guests.values()) as guests:
        red1.send_frames([frame])
        wait_until("it is heard", lambda: all(
            any(f.data[:42] == frame[:42] for f in guests.at(name))
            for name in ("red2", "red3", "red4")), 10)
        time.sleep(0.5)  # for what must not come
    assert carried(wire, lab.hosts, frame[:42]) == {"h1": 2, "h2": 0, "h3": 0}
    copies = {name: sum(f.data[:42] == frame[:42] for f in guests.at(name)) for name in lab.guests}
    assert copies == {"red1": 0, "red2": 1, "red3": 1, "red4": 1}
    for name, host in lab.hosts.items():
        assert host.counters()["announcements_carried"] - before[name] == 2 * (name == "h1")


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("form, victim", [("request", "ipv4"), ("advertisement", "ipv6")])
def test_nobody_takes_another_guests_address(lab, form, victim):
    thief, owner, other = (lab.guests[name] for name in ("red1", "red2", "red3"))
    address = getattr(owner, victim)
    assert traffic.ping(other, address, 2).lost == 0
    frame = announcement(form, thief.mac, address)
    with Capture.of_hosts(lab.hosts.values()) as wire:
        thief.send_frames([frame] * 3)
        time.sleep(0.5)
    if form == "request":  # an advertisement is the kernel's to forward
        assert carried(wire, lab.hosts, frame[:42]) == {"h1": 0, "h2": 0, "h3": 0}
    other.flush_neighbours()
    assert traffic.ping(other, address, 3).lost == 0
    hears(other, address, owner.mac)


@pytest.mark.usefixtures("br_netfilter")
def test_a_duplicate_on_another_host_is_noticed(lab):
    red1, owner = lab.guests["red1"], lab.guests["red3"]
    probe = red1.run("arping", "-D", "-q", "-c", "10", "-w", "10", "-I", "eth0", owner.ipv4,
                     check=False)
    assert probe.code == 1
    # One probe, and a second for its answer, is little where a whole machine may stand still.
    netns.sysctl(red1.netns, "ipv6.conf.eth0.dad_transmits", 5)
    red1.ip("address", "add", f"{owner.ipv6}/64", "dev", "eth0")
    try:
        wait_until("the duplicate is found", lambda: owner.ipv6 in red1.dad_failed(), 10)
    finally:
        netns.sysctl(red1.netns, "ipv6.conf.eth0.dad_transmits", 1)
        red1.ip("address", "del", f"{owner.ipv6}/64", "dev", "eth0")
    assert traffic.ping(lab.guests["red2"], owner.ipv6, 2).lost == 0


def is_router(guest, ip):
    rows = json.loads(guest.ip("-j", "-6", "neigh", "show", ip, "dev", "eth0").out or "[]")
    return any("router" in row for row in rows)


def asks(guest, ip):
    guest.flush_neighbours()
    assert traffic.ping(guest, ip, 2).lost == 0


SAYS_ROUTER = {
    "neighbour advertisement": lambda g: (
        frames.unsolicited_advertisement(g.mac, g.ipv6, router=True), g.ipv6),
    "router advertisement": lambda g: (
        frames.router_advertisement(g.mac, g.link_local), g.link_local),
}


@pytest.fixture
def forwards(lab):
    """Makes a guest's kernel a router or not: what it says unasked, when a neighbour's entry has
    grown old, must not contradict the test."""
    def make(guest, flag):
        netns.sysctl(guest.netns, "ipv6.conf.all.forwarding", flag)
    yield make
    make(lab.guests["red1"], 0)


@pytest.mark.parametrize("word", SAYS_ROUTER)
def test_a_router_stays_a_router(lab, word, forwards):
    """The kernel's proxy would answer for it without the Router flag."""
    router, other = lab.guests["red1"], lab.guests["red3"]
    frame, address = SAYS_ROUTER[word](router)

    def told(wanted):
        asks(other, address)
        kernel = address in [row["dst"] for row in other.host.neighbours(other.vni)]
        return is_router(other, address) == wanted and kernel != wanted

    # Of its other address it may have said that it is one, to who probed it while it was.
    router.send_frames([frames.unsolicited_advertisement(router.mac, address)])
    wait_until("the others know it for no router", lambda: told(False), 5, every=0.2)
    forwards(router, 1)
    router.send_frames([frame])
    wait_until("the others know it for a router", lambda: told(True), 5, every=0.2)
    with Capture.of_guests([other]) as seen:
        for _ in range(3):
            asks(other, address)
    answers = [frames.read_advertisement(f.data) for f in seen.at("red3")]
    flags = [flag for target, flag in filter(None, answers) if target == address]
    assert flags and all(flags), flags
    forwards(router, 0)
    router.send_frames([frames.unsolicited_advertisement(router.mac, address)])
    wait_until("the others know it for no router again", lambda: told(False), 5, every=0.2)
