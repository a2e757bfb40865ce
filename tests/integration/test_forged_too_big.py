"""Somebody on the underlay forges what routers say of packets that were too big (ICMPv6 Packet Too
Big), in numbers and of every kind: nobody loses a packet, doved goes on to answer and does not
grow.
What the kernel believes is told to the guests, and taken back when it believes it no more; of what
it does not believe nothing is told.
"""
import contextlib
import itertools
import struct
import time

import pytest
from dovelab import again, cold, frames, netns, scan, wait_until
from dovelab.capture import Capture
from mtu_lab import MTU, labs, overhead
from test_routed_underlay import change_routes, red

pytestmark = pytest.mark.alone
# h1 has no guest of green-net: what its guests send there carries the VNI of no device of its own.
LAB = labs(["h1", "h2", "h3"], ["red1", "red2", "red3", "green2"])["ipv6"]
SMALLEST = 1280  # RFC 8200 5
RATE = 20000
GROWTH = 4  # MiB; some is what its buffers and caches take once
PROBES_A_SECOND = 100


@pytest.fixture(scope="module")
def forger(lab):
    """A namespace on the underlay, in which nobody is."""
    name = f"{lab.name}-forger"
    lab.connect(name, "forger", "10.99.0.66")
    return name


def too_big(host, source, mtu, quoted):
    body = struct.pack("!BBHI", 2, 0, 0, mtu) + quoted
    return frames.icmpv6(host.mac_of("eth0"), "02:00:00:00:99:99", source, host.vtep, body)


def forged(lab, vni):
    """Of packets that h1 might have sent into this network, to each host and to nobody; from many
    routers, each with an MTU of its own; and as no packet and no MTU can be."""
    host, inner = lab.hosts["h1"], frames.tagged("02:00:00:00:00:02", "02:00:00:00:00:01", b"x")
    ways = itertools.product([*(other.vtep for other in lab.hosts.values() if other is not host),
                              "fd99::77"],
                             [SMALLEST, SMALLEST + 1, 1400, MTU - 1, MTU, 0, 1279, 0xffffffff],
                             [frames.VXLAN_PORT, frames.VXLAN_PORT + 1])
    # From ports that no socket has by chance: the kernel would take it for its packet.
    for number, (to, mtu, port) in enumerate(ways):
        quoted = frames.udp_packet(host.vtep, to, 1024 + number, port, frames.vxlan(vni, inner))
        for length in (len(quoted), 60, 40, 7, 0):
            yield too_big(host, f"fd99::bad:{number:x}", mtu, quoted[:length])


def is_probe(frame):
    """What doved sends to find out."""
    outer = frames.outer_ipv6(frame.data)
    return outer is not None and frame.outgoing and outer[2] == frames.VXLAN_PORT and \
        not any(outer[3])


@contextlib.contextmanager
def flooded(lab, forger, vni):
    """For as long as the block lasts; the guests of h1 do not notice, nor does who asks doved."""
    host, memory = lab.hosts["h1"], scan.rss(lab.hosts["h1"])
    with again.sending(lab, forger, list(forged(lab, vni)), RATE) as sent:
        sent.wait(RATE // 2)
        yield
        for overlay in ("ipv4", "ipv6"):
            lost = cold.lost_from_cold(pairs_of(lab, "red1"), overlay)
            assert not lost, "\n".join(lost)
        assert host.status()["connected"]
    assert scan.rss(host) - memory < GROWTH


def has_learnt(lab, host):
    """Whether its kernel has learnt an MTU of a way to another host."""
    return any(" mtu " in host.ip("-6", "route", "get", other.vtep, "from", host.vtep).out
               for other in lab.hosts.values() if other is not host)


def pairs_of(lab, name):
    return [pair for pair in itertools.permutations(red(lab), 2) if pair[0].name == name]


def test_what_the_kernel_believes_is_taken_back_with_it(lab, forger):
    """Of packets that it can have sent."""
    host = lab.hosts["h1"]
    fits = MTU - overhead(lab)
    assert host.status()["mtu"] == fits
    before = netns.read_sysctl(host.netns, "ipv6.route.mtu_expires")
    netns.sysctl(host.netns, "ipv6.route.mtu_expires", 1)
    try:
        with flooded(lab, forger, lab.guests["red1"].vni):
            wait_until("the kernel believes it", lambda: has_learnt(lab, host))
            wait_until("doved does",
                       lambda: host.status()["mtu"] == SMALLEST - overhead(lab), 20)
        wait_until("the kernel believes it no more", lambda: not has_learnt(lab, host))
    finally:
        netns.sysctl(host.netns, "ipv6.route.mtu_expires", before)

    def is_put_right():
        change_routes(host)
        return host.status()["mtu"] == fits
    wait_until("doved neither", is_put_right, 20, every=0.1)


def test_what_it_does_not_believe_is_tried_now_and_then(lab, forger):
    """Of packets that doved may have routed. The test before is the control of the MTU."""
    host, routed = lab.hosts["h1"], lab.guests["green2"]
    fits = MTU - overhead(lab)
    assert host.status()["mtu"] == fits and not host.has_device(f"dvx{routed.vni}")
    began = time.monotonic()
    with Capture.of_hosts([host], keep=is_probe) as probes:
        with flooded(lab, forger, routed.vni):
            wait_until("doved tries", lambda: probes.all("h1"))
            assert not has_learnt(lab, host)
    assert len(probes.all("h1")) <= (time.monotonic() - began) * PROBES_A_SECOND + 1
    assert host.status()["mtu"] == fits and not has_learnt(lab, host)
