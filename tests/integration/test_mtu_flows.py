"""TCP and UDP at every length around the guests' MTU, bridged and routed, both ways, over both
underlays: a datagram arrives, or its sender is told the MTU that fits; a stream goes through, also
while the underlay's MTU changes. What is addressed to a group is answered by nobody: what arrives,
and what does not and is counted.

The guests have a larger MTU than they are told.
"""
import errno
import socket
import struct
import threading
import time

import pytest
from dovelab import cold, run, traffic, wait_until
from dovelab.capture import Capture
from mtu_lab import JUMBO, MTU, labs, large_guests, overhead  # noqa: F401

LABS = labs(["h1", "h2"], ["red1", "red2", "green2"])
WAYS = [("red1", "red2"), ("red2", "red1"), ("red1", "green2"), ("green2", "red1")]
EVERY_WAY = pytest.mark.parametrize("way", WAYS, ids="-".join)
OVERLAY = pytest.mark.parametrize("overlay", ["ipv4", "ipv6"])
# Linux: not all of these have names in Python.
IP_MTU_DISCOVER, IP_MTU, IPV6_MTU_DISCOVER, IPV6_MTU, DONT, DO = 10, 14, 23, 24, 0, 2


def pair(lab, way, overlay):
    a, b = (lab.guests[name] for name in way)
    cold.forget_paths(a)
    return a, b, getattr(b, overlay)


class Datagrams:
    """From one guest to another's address, each of which may be fragmented or not."""

    def __init__(self, a, b, address, may_be_fragmented):
        six = ":" in address
        family = socket.AF_INET6 if six else socket.AF_INET
        self._level, self._mtu = ((socket.IPPROTO_IPV6, IPV6_MTU) if six
                                  else (socket.IPPROTO_IP, IP_MTU))
        self._headers = 48 if six else 28
        self._receiver = b.socket(family, socket.SOCK_DGRAM)
        self._receiver.bind((address, 0))
        self._receiver.settimeout(0.15)
        self._sender = a.socket(family, socket.SOCK_DGRAM)
        self._sender.connect((address, self._receiver.getsockname()[1]))
        self._sender.setsockopt(self._level, IPV6_MTU_DISCOVER if six else IP_MTU_DISCOVER,
                                DONT if may_be_fragmented else DO)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sender.close()
        self._receiver.close()

    def send(self, length):
        """As an IP packet of this length, until something becomes of it: "arrived", or the MTU that
        the sender was told; None when it is lost each time."""
        payload = b"x" * (length - self._headers)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                self._sender.send(payload)
                if self._receiver.recv(65535) == payload:
                    return "arrived"
            except TimeoutError:
                continue
            except OSError as error:
                assert error.errno == errno.EMSGSIZE, error
                return self._sender.getsockopt(self._level, self._mtu)
        return None


def lengths(fits):
    return [fits - 1, fits, fits + 1, MTU, JUMBO]


@pytest.mark.usefixtures("br_netfilter")
@EVERY_WAY
@OVERLAY
def test_datagrams_at_each_edge(lab, way, overlay):
    a, b, address = pair(lab, way, overlay)
    fits = MTU - overhead(lab)
    outcome = {}
    for may_be_fragmented in (False, True):
        for length in lengths(fits):
            cold.forget_paths(a)
            with Datagrams(a, b, address, may_be_fragmented) as datagrams:
                outcome[may_be_fragmented, length] = datagrams.send(length)
    assert outcome == {(may, length): "arrived" if may or length <= fits else fits
                       for may in (False, True) for length in lengths(fits)}


class Stream:
    """TCP from one guest to another's address for as long as the block runs."""

    def __init__(self, a, b, address):
        self.received = 0
        self._stop = False
        self._listener = b.socket(traffic.family_of(address), socket.SOCK_STREAM)
        self._listener.bind((address, 0))
        self._listener.listen()
        self._sender = a.socket(traffic.family_of(address), socket.SOCK_STREAM)
        self._sender.settimeout(10)
        self._sender.connect((address, self._listener.getsockname()[1]))
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(0.2)
        self._threads = [threading.Thread(target=one, daemon=True)
                         for one in (self._send, self._receive)]

    def _send(self):
        while not self._stop:
            self._sender.sendall(bytes(20000))
            time.sleep(0.002)

    def _receive(self):
        while not self._stop:
            try:
                self.received += len(self._connection.recv(1 << 20))
            except TimeoutError:
                pass

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def goes_on(self, patience=20):
        """Waits for much more than what may be in some queue."""
        before = self.received
        wait_until("the stream goes on", lambda: self.received > before + 500000, patience)

    def __exit__(self, *_):
        self._stop = True
        for thread in self._threads:
            thread.join()
        for one in (self._sender, self._connection, self._listener):
            one.close()


@pytest.mark.usefixtures("br_netfilter")
@EVERY_WAY
@OVERLAY
def test_streams_with_segments_that_are_too_long(lab, way, overlay):
    with Stream(*pair(lab, way, overlay)) as stream:
        stream.goes_on()


def set_underlay_mtu(lab, mtu):
    for name in ("br0", *lab.hosts):
        run("ip", "-n", lab.underlay, "link", "set", name, "mtu", mtu)
    for host in lab.hosts.values():
        host.ip("link", "set", "eth0", "mtu", mtu)


def test_streams_and_datagrams_while_the_underlay_changes(lab):
    """Down, up and back, all ways at once: streams go on, and datagrams' edges are the new ones."""
    ways = [pair(lab, way, overlay) for way in WAYS for overlay in ("ipv4", "ipv6")]
    streams = [Stream(*way) for way in ways]
    with_all = [stream.__enter__() for stream in streams]
    try:
        for mtu in (1400, 4000, MTU):
            set_underlay_mtu(lab, mtu)
            fits = mtu - overhead(lab)
            for host in lab.hosts.values():
                wait_until("the guests' MTU follows", lambda h=host: h.status()["mtu"] == fits, 5)
            for stream in with_all:
                stream.goes_on()
            for a, b, address in ways:
                cold.forget_paths(a)
                with Datagrams(a, b, address, False) as datagrams:
                    assert datagrams.send(fits) == "arrived"
                    assert datagrams.send(fits + 1) == fits, (a.name, address, mtu)
    finally:
        for stream in streams:
            stream.__exit__()


def port_mtu(guest):
    return next(link["mtu"] for link in guest.host.links() if link["ifname"] == guest.port)


def test_a_port_keeps_what_it_was_given_unless_that_is_too_little(lab):
    guest = lab.guests["red2"]
    assert port_mtu(guest) == JUMBO
    before = guest.host.counters()["put_back"]
    guest.host.ip("link", "set", guest.port, "mtu", 1280)
    wait_until("it is put right", lambda: port_mtu(guest) == MTU, 5)
    assert guest.host.counters()["put_back"] == before + 1
    guest.host.ip("link", "set", guest.port, "mtu", JUMBO)
    time.sleep(0.1)
    assert port_mtu(guest) == JUMBO


# --- to groups

GROUPS = {"broadcast": "255.255.255.255", "directed broadcast": "10.1.0.255",
          "IPv4 multicast": "224.0.0.251", "IPv6 multicast": "ff02::fb"}


def send_to_group(guest, group, tag, length):
    six = ":" in group
    index = guest.ifindex()
    sender = guest.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        if six:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DO)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                              struct.pack("4s4si", b"\0" * 4, b"\0" * 4, index))
        sender.sendto(tag.ljust(length - (48 if six else 28), b"x"), (group, 5000))


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("kind", GROUPS)
def test_to_a_group(lab, kind):
    """Over IPv4 what is IPv4 arrives at any length, with DF too. The rest is lost, and counted."""
    a, b, group = lab.guests["red1"], lab.guests["red2"], GROUPS[kind]
    fits = MTU - overhead(lab)
    before = a.host.counters()["wall_group_too_long"]
    all_arrive = overhead(lab) == 50 and ":" not in group
    wanted = lengths(fits) if all_arrive else [fits - 1, fits]
    with Capture.of_guests([b], snap=128) as seen:
        for length in lengths(fits):
            send_to_group(a, group, f"<{length}>".encode(), length)
        wait_until("what fits arrives", lambda: all(
            seen.count("red2", f"<{length}>".encode()) for length in wanted), 10)
        time.sleep(0.3)
    came = [length for length in lengths(fits) if seen.count("red2", f"<{length}>".encode()) == 1]
    assert came == wanted
    counted = a.host.counters()["wall_group_too_long"] - before
    assert counted == (0 if all_arrive else 3)
