"""A broadcast arrives once at every other guest of its network, and never at its sender; what is
addressed to a MAC that nobody has arrives nowhere."""
import contextlib
import itertools
import time

import pytest
from dovelab import cold, frames, give_time, run, wait_until
from dovelab.capture import Capture
from dovelab.spec import both_underlays, three_hosts
from test_strangers import send

pytestmark = pytest.mark.usefixtures("br_netfilter")
LABS = both_underlays(three_hosts())
DESTINATIONS = {
    "broadcast": frames.BROADCAST,
    "IPv4 multicast": "01:00:5e:00:00:fb",
    "IPv6 multicast": "33:33:00:00:00:fb",
}
REPEATS = 5


def send_tagged(lab, destination, name):
    """Each red guest sends REPEATS frames; returns what arrived: tag -> {guest: copies}."""
    reds = [g for g in lab.guests.values() if g.network == "red-net"]
    tags = {}
    with Capture.of_guests(lab.guests.values()) as seen:
        for guest in reds:
            for number in range(REPEATS):
                tag = f"<{name} {guest.name} {number}>".encode()
                tags[tag] = guest
                guest.send_frames([frames.tagged(destination, guest.mac, tag)])
                time.sleep(0.02)
        give_time(lambda: all(seen.count(other.name, tag) for tag, sender in tags.items()
                              for other in reds if other is not sender))
        time.sleep(0.3)  # for copies that should not come
    return {tag: (sender, seen.counts(tag)) for tag, sender in tags.items()}


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_exactly_one_copy(lab, kind):
    wrong = []
    for tag, (sender, counts) in send_tagged(lab, DESTINATIONS[kind], kind).items():
        expected = {name: int(guest.network == "red-net" and guest is not sender)
                    for name, guest in lab.guests.items()}
        if counts != expected:
            wrong.append(f"{tag.decode()}: {counts}")
    assert not wrong, "\n".join(wrong)


def test_the_own_vtep_is_in_no_list(lab):
    for host in lab.hosts.values():
        for network in lab.networks.values():
            rows = host.fdb(network["vni"])
            assert host.vtep not in [row["dst"] for row in rows], rows


@contextlib.contextmanager
def second_copy(host, vni, vtep):
    """The same destination once more in the list: told from the first by its output device."""
    entry = [frames.BROADCAST, "dev", f"dvx{vni}", "dst", vtep, "via", "eth0", "self"]
    with host.doved.paused():  # it would not stay
        run("bridge", "-n", host.netns, "fdb", "append", *entry, "permanent")
        yield
        run("bridge", "-n", host.netns, "fdb", "del", *entry, check=False)


def test_control_a_second_copy_is_counted(lab):
    red1, red2 = lab.guests["red1"], lab.guests["red2"]
    with second_copy(red1.host, red1.vni, red2.host.vtep), Capture.of_guests([red2]) as seen:
        red1.send_frames([frames.tagged(frames.BROADCAST, red1.mac, b"<twice>")])
        give_time(lambda: seen.count("red2", b"<twice>") >= 2)
        time.sleep(0.1)  # for more of them
    assert seen.count("red2", b"<twice>") == 2


def test_a_host_that_leaves_the_network_gets_no_more(lab):
    red1, red3 = lab.guests["red1"], lab.guests["red3"]
    home = red3.host
    red3.unplug()
    try:
        with Capture.of_hosts([home]) as seen:
            deadline = time.monotonic() + 15
            while home.vtep in broadcast_list(red1.host, red1.vni):
                assert time.monotonic() < deadline, "the flood list still has the host"
                time.sleep(0.05)
            red1.send_frames([frames.tagged(frames.BROADCAST, red1.mac, b"<left>")])
            time.sleep(0.3)
        assert seen.count(home.name, b"<left>") == 0
    finally:
        red3.plug(home)
    red3.wait_addresses()
    deadline = time.monotonic() + 5
    while home.vtep not in broadcast_list(red1.host, red1.vni):
        assert time.monotonic() < deadline, "the host is not back in the flood list"
        time.sleep(0.05)


def broadcast_list(host, vni):
    return {row["dst"] for row in host.fdb(vni) if row["mac"] == frames.BROADCAST}


# --- unknown unicast

_numbers = itertools.count(1)


def nobodys():
    """A MAC that nobody has, and nobody has asked for."""
    return f"02:00:00:00:77:{next(_numbers):02x}"


def of_every_kind(sender, mac, tag):
    """To a MAC, as if it had addresses of the network."""
    return [frames.tagged(mac, sender.mac, tag),
            frames.ethernet(mac, sender.mac, frames.ETH_IPV4,
                            frames.udp_packet(sender.ipv4, "10.1.0.99", 7, 7, tag)),
            frames.ethernet(mac, sender.mac, frames.ETH_IPV6,
                            frames.udp_packet(sender.ipv6, "fd00:1::99", 7, 7, tag))]


@contextlib.contextmanager
def everywhere(lab):
    """How many frames with a tag, as a function of it, have come to guests and have passed the
    wires of hosts, either way; those that saw none are left out."""
    with Capture.of_guests(lab.guests.values()) as guests, Capture.of_hosts(
            lab.hosts.values(), keep=lambda frame: b"<" in frame.data) as wires:
        def where(tag):
            passed = {name: sum(tag in frame.data for frame in wires.all(name))
                      for name in lab.hosts}
            counts = {**guests.counts(tag), **passed}
            return {name: count for name, count in counts.items() if count}
        yield where


def send_known(sender, others):
    """Behind what should not come: the last frame to each of the others does."""
    sender.send_frames([frames.tagged(other.mac, sender.mac, b"<known>") for other in others])


def test_what_is_for_nobody_arrives_nowhere(lab):
    """Cold, when doved asks whose it is, and again when it knows; no other guest and no wire."""
    red1, red2, red4 = (lab.guests[name] for name in ("red1", "red2", "red4"))
    mac = nobodys()
    cold.make_cold(red1, red2)
    punted = red1.host.counters()["punted_frames"]
    with everywhere(lab) as where:
        red1.send_frames(of_every_kind(red1, mac, b"<nobody>"))
        wait_until("doved has seen it",
                   lambda: red1.host.counters()["punted_frames"] >= punted + 3)
        time.sleep(2)
        red1.send_frames(of_every_kind(red1, mac, b"<nobody again>"))
        send_known(red1, [red2, red4])
        wait_until("what is for somebody arrives", lambda: where(b"<known>") == {
            "red2": 1, "red4": 1, "h1": 1, "h2": 1})
        time.sleep(0.3)
        assert where(b"<nobody>") == where(b"<nobody again>") == {}


@contextlib.contextmanager
def flooding(near, far):
    """Unknown unicast leaves by the port of each and by the tunnel between their hosts."""
    entry = ["00:00:00:00:00:00", "dev", f"dvx{near.vni}", "dst", far.host.vtep, "self"]
    with contextlib.ExitStack() as stack:
        for guest in (near, far):  # it would not stay
            stack.enter_context(guest.host.doved.paused())
            flood = ["bridge", "-n", guest.host.netns, "link", "set", "dev", guest.port, "flood"]
            run(*flood, "on")
            stack.callback(run, *flood, "off")
        run("bridge", "-n", near.host.netns, "fdb", "append", *entry, "permanent")
        stack.callback(run, "bridge", "-n", near.host.netns, "fdb", "del", *entry)
        yield


def test_control_where_it_would_arrive(lab):
    red1, red2, red4 = (lab.guests[name] for name in ("red1", "red2", "red4"))
    with flooding(red4, red2), everywhere(lab) as where:
        red1.send_frames(of_every_kind(red1, nobodys(), b"<flooded>"))
        wait_until("it is flooded", lambda: where(b"<flooded>") == {
            "red2": 3, "red4": 3, "h1": 3, "h2": 3})


def from_tunnel(host, other, vni, mac, tag):
    """To this host from another, for a MAC."""
    source = "02:00:00:00:00:02"
    send(other, other.vtep, host.vtep, frames.vxlan(vni, frames.tagged(mac, source, tag)))


def test_what_comes_for_a_guest_that_is_not_here_arrives_nowhere(lab):
    """Or not any more: nor does it leave again, for where the guest is now."""
    red1, gone = lab.guests["red1"], lab.guests["red4"]
    h1, h2, h3 = lab.hosts.values()
    gone.move(h3)
    try:
        with everywhere(lab) as where:
            from_tunnel(h1, h2, red1.vni, nobodys(), b"<for nobody>")
            from_tunnel(h1, h2, red1.vni, gone.mac, b"<for the gone>")
            from_tunnel(h1, h2, red1.vni, red1.mac, b"<for red1>")
            wait_until("what is for somebody arrives", lambda: where(b"<for red1>") == {
                "red1": 3, "h1": 3, "h2": 3})
            time.sleep(0.3)
            assert where(b"<for nobody>") == where(b"<for the gone>") == {"h1": 3, "h2": 3}
    finally:
        gone.move(h1)
    gone.wait_addresses()
