"""A group's frames go to the hosts where a guest listens, and nowhere else; listeners are followed,
and stay as long as they listen."""
import contextlib
import os
import socket
import struct
import subprocess
import time

import pytest
from dovelab import frames, run, wait_until
from dovelab.capture import Capture

QUERY_INTERVAL = 1
MEMBERSHIP = 3  # seconds: two intervals and the time to answer

GROUPS = {"IPv4": ("239.1.2.3", "01:00:5e:01:02:03"), "IPv6": ("ff05::1:23:45", "33:33:00:23:00:45")}
LINK_LOCAL = {"IPv4": ("224.0.0.251", "01:00:5e:00:00:fb"), "IPv6": ("ff02::fb", "33:33:00:00:00:fb")}


def _guest(number, host):
    return {"network": "red-net", "host": host, "mac": f"02:00:00:00:00:{number:02x}",
            "ips": [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"]}


LAB = {"hosts": ["h1", "h2", "h3"], "doved": ["--query-interval", str(QUERY_INTERVAL)],
       "tenants": {"red": {"red-net": {"subnets": ["10.1.0.0/24", "fd00:1::/64"]}}},
       "guests": {"red1": _guest(1, "h1"), "red2": {**_guest(2, "h2"), "kind": "tap"},
                  "red3": _guest(3, "h3"), "red4": _guest(4, "h2")}}


class Listener:
    """A guest's process that has joined a group."""

    def __init__(self, guest, group):
        self._socket = guest.socket(socket.AF_INET6 if ":" in group else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        address = socket.inet_pton(self._socket.family, group)
        if ":" in group:
            option = (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                      address + struct.pack("I", guest.ifindex()))
        else:
            option = (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                      address + socket.inet_aton(guest.ipv4))
        self._socket.setsockopt(*option)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


def send(guest, group, tag):
    """A datagram from the guest's own stack."""
    family = socket.AF_INET6 if ":" in group else socket.AF_INET
    with guest.socket(family, socket.SOCK_DGRAM) as sender:
        if ":" in group:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, guest.ifindex())
        else:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                              socket.inet_aton(guest.ipv4))
        sender.sendto(tag, (group, 5000))


def destinations(host, vni, mac):
    return {row["dst"] for row in host.fdb(vni) if row["mac"] == mac}


def arrivals(lab, sender, group, tag, awaited=()):
    """Sends, and tells at which guests and by which hosts' wires it came in. `awaited`: the guests
    at which it should; for what should not there is a moment more."""
    with Capture.of_guests(lab.guests.values()) as guests, \
            Capture.of_hosts(lab.hosts.values()) as wires:
        send(sender, group, tag)
        deadline = time.monotonic() + 5
        while not all(guests.count(name, tag) for name in awaited) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
    return ({name for name in lab.guests if guests.count(name, tag)},
            {name for name in lab.hosts if wires.count(name, tag)})


def leads_to(lab, group_mac, *names, timeout=15):
    """The sender's host has the group's list, and it is these hosts'."""
    sender = lab.guests["red1"]
    wanted = {lab.hosts[name].vtep for name in names} or {"0.0.0.0"}
    wait_until(f"{group_mac} goes to {names}",
               lambda: destinations(sender.host, sender.vni, group_mac) == wanted, timeout)


@contextlib.contextmanager
def heard_at_h2(lab, group, mac):
    """red2 listens meanwhile, and the host of red1, which sends, knows."""
    red1, red2 = lab.guests["red1"], lab.guests["red2"]
    with Listener(red2, group):
        send(red1, group, b"<first>")
        leads_to(lab, mac, "h2")
        yield red1, red2


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("family", GROUPS)
def test_only_where_somebody_listens(lab, family):
    group, mac = GROUPS[family]
    red1, red2, red3 = (lab.guests[name] for name in ("red1", "red2", "red3"))
    tags = iter(f"<{family} {number}>".encode() for number in range(100))

    guests, wires = arrivals(lab, red1, group, next(tags))
    assert (guests, wires) == (set(), set()), "nobody listens"
    leads_to(lab, mac)
    with Listener(red2, group):
        leads_to(lab, mac, "h2")
        guests, wires = arrivals(lab, red1, group, next(tags), ["red2"])
        assert "red2" in guests and "red3" not in guests and wires == {"h2"}
        with Listener(red3, group):
            leads_to(lab, mac, "h2", "h3")
            guests, wires = arrivals(lab, red1, group, next(tags), ["red2", "red3"])
            assert {"red2", "red3"} <= guests and wires == {"h2", "h3"}
        leads_to(lab, mac, "h2")
    leads_to(lab, mac)
    assert arrivals(lab, red1, group, next(tags)) == (set(), set()), "nobody listens any more"


def test_listeners_stay_for_several_membership_intervals(lab):
    """As the bridges forget who has not reported, and only who is asked reports."""
    red1, red2 = lab.guests["red1"], lab.guests["red2"]
    (four, _), (six, _) = GROUPS.values()
    with Listener(red2, four), Listener(red2, six):
        for group, mac in GROUPS.values():
            send(red1, group, b"<first>")
            leads_to(lab, mac, "h2")
        time.sleep(2 * MEMBERSHIP + QUERY_INTERVAL)
        for group, _ in GROUPS.values():
            guests, wires = arrivals(lab, red1, group, f"<late {group}>".encode(),
                                     ["red2"])
            assert "red2" in guests and "red3" not in guests and wires == {"h2"}


def test_listeners_of_an_older_kind_stay_too(lab):
    """They keep silent when they hear others report: those of another host, by the tunnel."""
    red1, red2, red3 = (lab.guests[name] for name in ("red1", "red2", "red3"))
    older = {"net.ipv4.conf.eth0.force_igmp_version": 2, "net.ipv6.conf.eth0.force_mld_version": 1}
    both = {lab.hosts[name].vtep for name in ("h2", "h3")}
    with contextlib.ExitStack() as stack:
        for guest in (red2, red3):
            for setting, version in older.items():
                guest.run("sysctl", "-qw", f"{setting}={version}")
                stack.callback(guest.run, "sysctl", "-qw", f"{setting}=0")
            for group, _ in GROUPS.values():
                stack.enter_context(Listener(guest, group))
        for group, _ in GROUPS.values():
            send(red1, group, b"<first>")

        def stay():
            for _, mac in GROUPS.values():
                leads_to(lab, mac, "h2", "h3")
            until = time.monotonic() + 8 * MEMBERSHIP
            while time.monotonic() < until:
                for _, mac in GROUPS.values():
                    if destinations(red1.host, red1.vni, mac) != both:
                        return False
                time.sleep(0.1)
            return True
        # A report is lost, or late, where a whole machine stands still.
        assert any(stay() for _ in range(3))


def test_control_without_queries_a_listener_is_forgotten(lab):
    group, mac = GROUPS["IPv4"]
    red2 = lab.guests["red2"]
    red2.run("nft", "add table netdev mute; add chain netdev mute in { type filter hook ingress "
             "device eth0 priority 0; }; add rule netdev mute in ether type ip "
             "ip daddr 224.0.0.1 drop")
    try:
        with heard_at_h2(lab, group, mac):
            leads_to(lab, mac, timeout=MEMBERSHIP + 15)
    finally:
        red2.run("nft", "delete table netdev mute")


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("family", GROUPS)
def test_a_local_listener_takes_nothing_from_remote_ones(lab, family):
    """Also behind a bridge that has heard a guest's queries, and so floods to members only."""
    group, mac = GROUPS[family]
    red2, red3, red4 = (lab.guests[name] for name in ("red2", "red3", "red4"))
    with Listener(red3, group), Listener(red4, group):
        wait_until("red2's host knows the listener on h3", lambda: arrivals(
            lab, red2, group, b"<before>")[0] >= {"red3", "red4"}, 15)
        red4.send_frames([igmp_query(red4)])
        guests, _ = arrivals(lab, red2, group, b"<mixed>", ["red3", "red4"])
        assert {"red3", "red4"} <= guests


def igmp_query(guest):
    """IGMPv2, of a guest that routes multicast."""
    igmp = struct.pack("!BBHI", 0x11, 100, 0, 0)
    igmp = igmp[:2] + struct.pack("!H", frames.checksum(igmp)) + igmp[4:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0xc0, 20 + len(igmp), 0, 0, 1, 2, 0,
                         socket.inet_aton(guest.ipv4), socket.inet_aton("224.0.0.1"))
    header = header[:10] + struct.pack("!H", frames.checksum(header)) + header[12:]
    return frames.ethernet("01:00:5e:00:00:01", guest.mac, frames.ETH_IPV4, header + igmp)


def igmp_joins(guest, count):
    """IGMPv3 reports of so many groups, 150 in each."""
    for first in range(0, count, 150):
        groups = [f"239.77.{n >> 8}.{n & 255}" for n in range(first, first + 150)]
        igmp = struct.pack("!BBHHH", 0x22, 0, 0, 0, len(groups)) + b"".join(
            struct.pack("!BBH4s", 4, 0, 0, socket.inet_aton(group)) for group in groups)
        igmp = igmp[:2] + struct.pack("!H", frames.checksum(igmp)) + igmp[4:]
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0xc0, 20 + len(igmp), 0, 0, 1, 2, 0,
                             socket.inet_aton(guest.ipv4), socket.inet_aton("224.0.0.22"))
        header = header[:10] + struct.pack("!H", frames.checksum(header)) + header[12:]
        yield frames.ethernet("01:00:5e:00:00:16", guest.mac, frames.ETH_IPV4, header + igmp)


@pytest.mark.parametrize("family", GROUPS)
def test_who_joins_very_many_groups_takes_none_from_others(lab, family):
    """Beyond what it has room for, a bridge would stop to listen to anybody."""
    group, mac = GROUPS[family]
    red1, red2, greedy = (lab.guests[name] for name in ("red1", "red2", "red4"))
    greedy.send_frames(igmp_joins(greedy, 6000), interval=0.002)
    joined = run("bridge", "-n", greedy.host.netns, "mdb", "show").out.count("grp 239.77.")
    assert 0 < joined <= 256 or not has_port_limit()
    with Listener(red2, group):
        send(red1, group, b"<first>")
        leads_to(lab, mac, "h2")
        guests, wires = arrivals(lab, red1, group, f"<beside very many {family}>".encode(),
                                 ["red2"])
        assert "red2" in guests and wires == {"h2"}
    leads_to(lab, mac)
    wait_until("they are forgotten", lambda: "grp 239.77." not in run(
        "bridge", "-n", greedy.host.netns, "mdb", "show").out, 10)


def has_port_limit():
    """Of groups: Linux 6.3."""
    return tuple(int(n) for n in os.uname().release.split(".")[:2]) >= (6, 3)


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("family", LINK_LOCAL)
def test_link_local_groups_go_everywhere(lab, family):
    group, _ = LINK_LOCAL[family]
    guests, wires = arrivals(lab, lab.guests["red1"], group, f"<local {family}>".encode(),
                             ["red2", "red3", "red4"])
    assert guests == {"red2", "red3", "red4"} and wires == {"h2", "h3"}


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("family", GROUPS)
def test_no_group_stays_in_the_punt(lab, family):
    """Of many frames only the first ones come out of the punt, listeners or not."""
    group, mac = GROUPS[family]
    red1 = lab.guests["red1"]
    send(red1, group, b"<first>")
    leads_to(lab, mac)
    before = red1.host.counters()["punted_frames"]
    for number in range(50):
        send(red1, group, f"<more {number}>".encode())
    time.sleep(0.2)
    assert red1.host.counters()["punted_frames"] == before


def lose_carrier(host, guest):
    host.ip("link", "set", guest.port, "carrier", "off")
    host.ip("link", "set", guest.port, "carrier", "on")


@contextlib.contextmanager
def mdb_changes(guest, group):
    """What the bridge of the guest's host says of the group at the guest's port, as a function: who
    only looks at it now and then misses what lasts for less."""
    host, path = guest.host, guest.host.dir / "mdb.out"
    with open(path, "wb") as out:
        monitor = subprocess.Popen(host.lab.journal.recorded("monitor", [
            "stdbuf", "-oL", "bridge", "-n", host.netns, "monitor", "mdb"]), stdout=out)
    try:
        wait_until("it listens", lambda: hears_mdb(monitor.pid), 10)
        yield lambda: [line for line in path.read_text().splitlines()
                       if f"grp {group} " in line and f"port {guest.port} " in line]
    finally:
        monitor.terminate()
        monitor.wait(5)


def hears_mdb(pid):
    """Whether a netlink socket of the process is in RTNLGRP_MDB, the 26th group of rtnetlink."""
    with open(f"/proc/{pid}/net/netlink") as table:
        rows = [line.split() for line in table][1:]
    return any(row[1:3] == ["0", str(pid)] and int(row[3], 16) & 1 << 25 for row in rows)


def forgotten_and_back(changes):
    gone = [line.startswith("Deleted") for line in changes]
    return True in gone and False in gone[gone.index(True):]


FAULTS = {
    "bridge down": lambda host, guest: host.ip("link", "set", f"dvbr{guest.vni}", "down"),
    "port off the bridge": lambda host, guest: host.ip("link", "set", guest.port, "nomaster"),
    "no carrier": lose_carrier,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_who_listens_is_asked_anew_after(lab, fault):
    """The bridge has forgotten it then, and the next query by the clock is far."""
    group, mac = GROUPS["IPv4"]
    red2 = lab.guests["red2"]
    interval = red2.host.doved.argv.index("--query-interval") + 1
    red2.host.kill_doved()
    red2.host.doved.argv[interval] = "1000"
    red2.host.start()
    try:
        with heard_at_h2(lab, group, mac) as (red1, _):
            with mdb_changes(red2, group) as changes:
                FAULTS[fault](red2.host, red2)
                wait_until("its bridge forgets and learns it", lambda: forgotten_and_back(changes()),
                           15)
            leads_to(lab, mac, "h2")
            assert "red2" in arrivals(lab, red1, group, f"<{fault}>".encode(), ["red2"])[0]
    finally:
        red2.host.kill_doved()
        red2.host.doved.argv[interval] = str(QUERY_INTERVAL)
        red2.host.start()


def test_listeners_outlive_a_restart_of_doved(lab):
    group, mac = GROUPS["IPv4"]
    with heard_at_h2(lab, group, mac) as (red1, red2):
        for host in (red1.host, red2.host):
            host.kill_doved()
            host.start()
        for number in range(5):
            guests, wires = arrivals(lab, red1, group, f"<after {number}>".encode(), ["red2"])
            assert "red2" in guests and wires == {"h2"}
    leads_to(lab, mac)


def test_listeners_outlive_a_restart_of_the_controller(lab):
    """Nobody is told that there are none before all hosts have been heard again."""
    group, mac = GROUPS["IPv4"]
    with heard_at_h2(lab, group, mac) as (red1, red2):
        lab.controller.kill()
        lab.start_controller()
        seen = set()
        wait_until("both hosts are connected again", lambda: seen.add(
            frozenset(destinations(red1.host, red1.vni, mac))) or all(
                guest.host.status()["connected"] for guest in (red1, red2)), 15)
        time.sleep(0.3)
        seen.add(frozenset(destinations(red1.host, red1.vni, mac)))
        assert seen == {frozenset({red2.host.vtep})}


def test_sync_after_a_restart_of_the_controller_covers_who_listens(lab):
    """Before the hosts have spoken nobody is told that one listens no more."""
    group, mac = GROUPS["IPv4"]
    with heard_at_h2(lab, group, mac) as (red1, red2):
        red2.host.kill_doved()
        lab.controller.kill()
    lab.start_controller()
    done = lab.dovectl("-wait=1", "sync", check=False)
    assert done.code == 2 and 'host "h2": it is not connected' in done.err
    red2.host.start()
    lab.dovectl("-wait=30", "sync")
    assert destinations(red1.host, red1.vni, mac) == {"0.0.0.0"}
