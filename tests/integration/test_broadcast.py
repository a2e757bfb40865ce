"""A broadcast arrives once at every other guest of its network, and never at its sender."""
import contextlib
import time

import pytest
from dovelab import frames, run
from dovelab.capture import Capture
from dovelab.spec import both_underlays, three_hosts

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
        time.sleep(0.5)  # for copies that should not come
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
        time.sleep(0.3)
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
