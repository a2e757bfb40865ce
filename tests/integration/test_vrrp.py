"""keepalived in two guests on two hosts, its VRRP through the overlay: a third guest on a third host
follows a failover as soon as on one plain bridge, and guests of another network by their gateways."""
import collections
import ipaddress
import itertools
import time

import pytest
from dovelab import frames, keepalived, netns, run, traffic, wait_until
from dovelab.capture import Capture

pytestmark = [pytest.mark.alone,
              pytest.mark.skipif(not keepalived.is_there(), reason="there is no keepalived")]

VIPS = ["10.1.0.100", "fd00:1::100"]
BESIDE_PLAIN = 100  # ms more than on a plain bridge
ROUTED = 500        # ms of silence more than what keepalived needs


def _guest(number, shared):
    return {"network": "red-net", "host": f"h{number}", "mac": f"02:00:00:00:00:{number:02x}",
            "ips": [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"],
            "shared_ips": VIPS if shared else []}


def _other(number):
    return {"network": "other", "host": f"h{number}", "mac": f"02:00:00:00:02:{number:02x}",
            "ips": [f"10.2.0.{10 + number}", f"fd00:2::{10 + number}"]}


# `routed1` is on the host of the master, `routed3` on neither one's.
LAB = {"hosts": ["h1", "h2", "h3"],
       "tenants": {"red": {
           "red-net": {"subnets": ["10.1.0.0/24", "fd00:1::/64"], "routed": True},
           "other": {"subnets": ["10.2.0.0/24", "fd00:2::/64"], "routed": True}}},
       "guests": {"red1": _guest(1, True), "red2": _guest(2, True), "red3": _guest(3, False),
                  "routed1": _other(1), "routed3": _other(3)}}


class PlainGuest:
    gateways = ()

    def __init__(self, lab, number):
        self.lab, self.name = lab, f"plain{number}"
        self.netns = f"{lab.name}-plain{number}"
        self.mac = f"02:00:00:00:01:{number:02x}"
        self.ips = [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"]

    def run(self, *words, **options):
        return run(*words, netns=self.netns, **options)

    def ip(self, *words):
        return run("ip", "-n", self.netns, *words)


def plain_bridge(lab):
    """The same three guests on one bridge."""
    middle = f"{lab.name}-plain"
    lab._make_netns(middle)
    run("ip", "-n", middle, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    run("ip", "-n", middle, "link", "set", "br0", "up")
    guests = [PlainGuest(lab, number) for number in (1, 2, 3)]
    for guest in guests:
        lab._make_netns(guest.netns)
        run("ip", "link", "add", guest.name, "netns", middle, "type", "veth", "peer", "name",
            "eth0", "netns", guest.netns, "address", guest.mac)
        run("ip", "-n", middle, "link", "set", guest.name, "master", "br0", "up")
        netns.sysctl(guest.netns, "ipv6.conf.eth0.accept_dad", 0)
        for ip in guest.ips:
            guest.ip("address", "add", f"{ip}/{64 if ':' in ip else 24}", "dev", "eth0")
        guest.ip("link", "set", "eth0", "up")
    return guests


# Of one address, in ms: from the failure to the backup's first word; from that to its first answer at
# the client; and the longest that a guest of another network heard nothing.
Takeover = collections.namedtuple("Takeover", "keepalived answered silence")


class Cluster:
    """Two that speak for the addresses, one that wants to reach them, and others of another network."""

    def __init__(self, name, guests, routed=()):
        self.name, self.routed = name, routed
        self.master, self.backup, self.client = guests
        journal = self.master.lab.journal
        self.daemons = [keepalived.Keepalived(journal, guest.netns, VIPS, priority)
                        for guest, priority in ((self.master, 150), (self.backup, 100))]

    def start(self):
        for daemon in self.daemons:
            daemon.start()
        for vip in VIPS:
            wait_until(f"{vip} is at the master alone", lambda: self.speaker(vip) is self.master
                       and vip not in self.backup.ip("address", "show", "dev", "eth0").out, 15, 0.1)
        self.wait_reached()

    def wait_reached(self):
        """Who spoke last when both did at once is told again only after five seconds."""
        for client, vip in itertools.product((self.client, *self.routed), VIPS):
            wait_until(f"{client.name} reaches {vip}",
                       lambda: traffic.ping(client, vip, 3, wait=0.5).lost == 0)

    def stop(self):
        for daemon in self.daemons:
            daemon.stop()

    def speaker(self, vip):
        for guest in (self.master, self.backup):
            if vip in guest.ip("address", "show", "dev", "eth0", "up").out:
                return guest
        return None

    def fail_over(self, fail):
        """Of each address its Takeover, or None where it was not stable in the end. The client asks
        every 2 ms, the others every 10."""
        where = {guest.name: (guest.netns, "eth0")
                 for guest in (self.backup, self.client, *self.routed)}
        pings = [traffic.RunningPing(guest, vip, 0.002 if guest is self.client else 0.01)
                 for guest in (self.client, *self.routed) for vip in VIPS]
        try:
            for ping in pings:
                ping.wait_answered()
            with Capture(where, snap=128, kernel_time=True) as seen:
                for guest, vip in itertools.product((self.client, *self.routed), VIPS):
                    wait_until(f"{guest.name} hears {vip}",
                               lambda g=guest, v=vip: _heard(v, seen, g))
                failed = time.time()
                fail()
                for vip in VIPS:
                    wait_until(f"the backup speaks for {vip}", lambda v=vip: self._words(v, seen))
                    wait_until(f"{vip} goes on answering",
                               lambda v=vip: len(self._answers(v, seen)) >= 100)
                    for guest in self.routed:
                        wait_until(f"the backup answers {guest.name} from {vip}",
                                   lambda v=vip, g=guest: len(self._replies_to(g, v, seen)) >= 60)
        finally:
            results = [ping.stop() for ping in pings]
        for result in results:
            last = max(result.times)
            if not set(range(last - 50, last + 1)) <= set(result.times):
                print(f"{self.name}: not stable: {result}")
                return None
        return [self._takeover(vip, seen, failed) for vip in VIPS]

    def _takeover(self, vip, seen, failed):
        spoken, answered = self._words(vip, seen)[0], self._answers(vip, seen)[0]
        silence = max((_longest_silence(vip, seen, guest, failed) for guest in self.routed), default=0)
        return Takeover((spoken - failed) * 1000, (answered - spoken) * 1000, silence * 1000)

    def _words(self, vip, seen):
        """When the backup said that it has the address."""
        word = _is_arp_for(vip) if "." in vip else _is_advertisement_of(vip)
        return [f.at for f in seen.all(self.backup.name) if f.outgoing and word(f.data)]

    def _answers(self, vip, seen):
        """When the client got those of the backup."""
        answer, mac = _is_reply_from(vip), frames.mac_bytes(self.backup.mac)
        return [f.at for f in seen.at(self.client.name) if answer(f.data) and f.data[6:12] == mac]

    def _replies_to(self, guest, vip, seen):
        """When the backup sent them. Who gets them sees the router's MAC, whoever sent them."""
        answer, to = _is_reply_from(vip), _packed(guest.ipv4 if "." in vip else guest.ipv6)
        return [f.at for f in seen.all(self.backup.name)
                if f.outgoing and answer(f.data) and to in (f.data[30:34], f.data[38:54])]


def _heard(vip, seen, guest):
    """When it got answers, whosever."""
    answer = _is_reply_from(vip)
    return [f.at for f in seen.at(guest.name) if answer(f.data)]


def _longest_silence(vip, seen, guest, failed):
    came = _heard(vip, seen, guest)
    assert came[0] < failed, f"{guest.name} did not reach {vip}"
    return max(later - before for before, later in zip(came, came[1:]))


def _packed(ip):
    return ipaddress.ip_address(ip).packed


def _is_arp_for(ip):
    return lambda f: f[12:14] == b"\x08\x06" and f[28:32] == _packed(ip)


def _is_advertisement_of(ip):
    return lambda f: f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 136 and (
        f[62:78] == _packed(ip))


def _is_reply_from(ip):
    if "." in ip:
        return lambda f: f[12:14] == b"\x08\x00" and f[26:30] == _packed(ip) and f[23] == 1
    return lambda f: f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 129 and (
        f[22:38] == _packed(ip))


@pytest.fixture(scope="module")
def clusters(lab):
    dove = Cluster("overlay", [lab.guests[name] for name in ("red1", "red2", "red3")],
                   [lab.guests[name] for name in ("routed1", "routed3")])
    plain = Cluster("plain bridge", plain_bridge(lab))
    for cluster in (dove, plain):
        cluster.start()
    yield dove, plain
    for cluster in (dove, plain):
        cluster.stop()


def link_down(cluster):
    cluster.master.ip("link", "set", "eth0", "down")


def killed(cluster):
    """Its addresses stay configured: from now on two guests have them."""
    cluster.daemons[0].kill()


def recover(cluster):
    cluster.master.ip("link", "set", "eth0", "up")
    for ip in cluster.master.ips:
        if ":" in ip:  # these went with the link
            cluster.master.ip("address", "replace", f"{ip}/64", "dev", "eth0", "nodad")
    for gateway in cluster.master.gateways:
        cluster.master.ip("route", "replace", "default", "via", gateway)
    if not cluster.daemons[0].daemon.running():
        cluster.daemons[0].start()
    for vip in VIPS:
        wait_until(f"{vip} is at the master again",
                   lambda: cluster.speaker(vip) is cluster.master
                   and vip not in cluster.backup.ip("address", "show", "dev", "eth0").out, 15, 0.1)
    cluster.wait_reached()


def in_time(overlay, plain):
    return None not in (overlay, plain) and all(
        ours.answered - theirs.answered < BESIDE_PLAIN
        and ours.silence - ours.keepalived < ROUTED for ours, theirs in zip(overlay, plain))


@pytest.mark.parametrize("fail", [link_down, killed])
def test_failover(clusters, figures, fail):
    """In the best of three: on a machine that stands still nothing is in time."""
    tries = []
    for _ in range(3):
        tries.append([])
        for cluster in clusters:
            tries[-1].append(cluster.fail_over(lambda c=cluster: fail(c)))
            recover(cluster)
        if in_time(*tries[-1]):
            break
    overlay, plain = tries[-1]
    assert None not in (overlay, plain), "not stable: " + "\n".join(map(str, tries))
    for ip, ours, theirs in zip(("IPv4", "IPv6"), overlay, plain):
        figures(f"VRRP, {fail.__name__}, {ip}: from the backup's first word to its first answer at "
                f"the third guest, overlay {ours.answered:.1f} ms, plain bridge "
                f"{theirs.answered:.1f} ms; keepalived needed {ours.keepalived:.0f} ms, another "
                f"network heard nothing for {ours.silence:.0f} ms")
    assert in_time(overlay, plain), "\n".join(map(str, tries))
