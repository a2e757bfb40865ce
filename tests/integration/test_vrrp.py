"""keepalived in two guests on two hosts, its VRRP through the overlay: a third guest on a third host
follows a failover as soon as on one plain bridge."""
import ipaddress
import time

import pytest
from dovelab import frames, keepalived, netns, run, traffic, wait_until
from dovelab.capture import Capture

pytestmark = [pytest.mark.alone,
              pytest.mark.skipif(not keepalived.is_there(), reason="there is no keepalived")]

VIPS = ["10.1.0.100", "fd00:1::100"]


def _guest(number, shared):
    return {"network": "red-net", "host": f"h{number}", "mac": f"02:00:00:00:00:{number:02x}",
            "ips": [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"],
            "shared_ips": VIPS if shared else []}


LAB = {"hosts": ["h1", "h2", "h3"],
       "tenants": {"red": {"red-net": {"subnets": ["10.1.0.0/24", "fd00:1::/64"]}}},
       "guests": {"red1": _guest(1, True), "red2": _guest(2, True), "red3": _guest(3, False)}}


class PlainGuest:
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


class Cluster:
    """Two that speak for the addresses, and one that wants to reach them."""

    def __init__(self, name, guests):
        self.name = name
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
            assert traffic.ping(self.client, vip, 3).lost == 0

    def stop(self):
        for daemon in self.daemons:
            daemon.stop()

    def speaker(self, vip):
        for guest in (self.master, self.backup):
            if vip in guest.ip("address", "show", "dev", "eth0", "up").out:
                return guest
        return None

    def fail_over(self, fail):
        """Of each address the milliseconds from the new speaker's first word to the first answer
        that is its own. The client asks every 2 ms."""
        where = {"backup": (self.backup.netns, "eth0"), "client": (self.client.netns, "eth0")}
        pings = [traffic.RunningPing(self.client, vip, interval=0.002) for vip in VIPS]
        try:
            with Capture(where, snap=128, kernel_time=True) as seen:
                time.sleep(0.2)
                fail()
                times = [self._taken_over(vip, seen) for vip in VIPS]
                for vip in VIPS:
                    wait_until(f"{vip} goes on answering",
                               lambda v=vip: len(self._answers(v, seen)) >= 100)
        finally:
            results = [ping.stop() for ping in pings]
        for result in results:
            last = max(result.times)
            assert set(range(last - 50, last + 1)) <= set(result.times), f"not stable: {result}"
        return times

    def _taken_over(self, vip, seen):
        word = _is_arp_for(vip) if "." in vip else _is_advertisement_of(vip)
        spoken = wait_until(f"the backup speaks for {vip}", lambda: [
            f.at for f in seen.all("backup") if f.outgoing and word(f.data)], 10)
        answered = wait_until(f"{vip} answers from the backup",
                              lambda: self._answers(vip, seen), 10)
        return (answered[0] - spoken[0]) * 1000

    def _answers(self, vip, seen):
        """When the client got those of the backup."""
        answer = _is_reply_from(vip) if "." in vip else _is_reply6_from(vip)
        mac = frames.mac_bytes(self.backup.mac)
        return [f.at for f in seen.at("client") if answer(f.data) and f.data[6:12] == mac]


def _packed(ip):
    return ipaddress.ip_address(ip).packed


def _is_arp_for(ip):
    return lambda f: f[12:14] == b"\x08\x06" and f[28:32] == _packed(ip)


def _is_reply_from(ip):
    return lambda f: f[12:14] == b"\x08\x00" and f[26:30] == _packed(ip) and f[23] == 1


def _is_advertisement_of(ip):
    return lambda f: f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 136 and (
        f[62:78] == _packed(ip))


def _is_reply6_from(ip):
    return lambda f: f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 129 and (
        f[22:38] == _packed(ip))


@pytest.fixture(scope="module")
def clusters(lab):
    dove = Cluster("overlay", [lab.guests[name] for name in ("red1", "red2", "red3")])
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
    if not cluster.daemons[0].daemon.running():
        cluster.daemons[0].start()
    for vip in VIPS:
        wait_until(f"{vip} is at the master again",
                   lambda: cluster.speaker(vip) is cluster.master
                   and vip not in cluster.backup.ip("address", "show", "dev", "eth0").out, 15, 0.1)
        assert traffic.ping(cluster.client, vip, 5).lost == 0, f"{vip} after the way back"


@pytest.mark.parametrize("fail", [link_down, killed])
def test_failover(clusters, figures, fail):
    times = {}
    for cluster in clusters:
        times[cluster.name] = cluster.fail_over(lambda c=cluster: fail(c))
        recover(cluster)
    figures(f"VRRP, {fail.__name__}: from the backup's first word to its first answer at the third "
            "guest, " + ", ".join(f"{name} {four:.1f} (IPv4) and {six:.1f} ms (IPv6)"
                                  for name, (four, six) in times.items()))
