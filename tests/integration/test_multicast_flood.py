"""One guest joins groups and leaves them again, thousands a second. Who listens beside it to one of
these groups goes on to hear it; nobody's first packet is lost; and doved does not grow.
"""
import ipaddress
import socket
import struct

import pytest
import test_multicast
from dovelab import again, cold, frames, scan
from test_multicast import GROUPS, Listener, arrivals, leads_to, send

pytestmark = pytest.mark.alone
LAB = test_multicast.LAB
RATE = 5000
COUNT = 200
GROWTH = 8  # MiB; some is what its buffers and caches take once


def mac_of(group):
    packed = ipaddress.ip_address(group).packed
    if len(packed) == 16:
        return "33:33:" + frames.mac_text(packed[12:])
    return "01:00:5e:" + frames.mac_text(bytes([packed[1] & 0x7f]) + packed[2:])


def igmp(guest, destination, body):
    """`body`: an IGMP message whose checksum is 0."""
    message = body[:2] + struct.pack("!H", frames.checksum(body)) + body[4:]
    header = struct.pack("!BBHHHBBH4s4s4s", 0x46, 0xc0, 24 + len(message), 0, 0, 1, 2, 0,
                         socket.inet_aton(guest.ipv4), socket.inet_aton(destination),
                         b"\x94\x04\0\0")  # router alert
    header = header[:10] + struct.pack("!H", frames.checksum(header)) + header[12:]
    return frames.ethernet(mac_of(destination), guest.mac, frames.ETH_IPV4, header + message)


def igmp2(guest, kind, group):
    to = group if kind == 0x16 else "224.0.0.2"
    return igmp(guest, to, struct.pack("!BBH4s", kind, 0, 0, socket.inet_aton(group)))


def igmp3(guest, kind, group):
    return igmp(guest, "224.0.0.22", struct.pack("!BBHHHBBH4s", 0x22, 0, 0, 0, 1, kind, 0, 0,
                                                 socket.inet_aton(group)))


def mld(guest, kind, group):
    to = group if kind == 131 else "ff02::2"
    body = struct.pack("!BBHHH", kind, 0, 0, 0, 0) + ipaddress.ip_address(group).packed
    whole = frames.icmpv6(mac_of(to), guest.mac, guest.link_local, to, body)
    payload = b"\x3a\0\x05\x02\0\0\x01\0" + whole[54:]  # hop by hop: router alert
    return whole[:18] + struct.pack("!HBB", len(payload), 0, 1) + whole[22:54] + payload


# name -> family, and how a group is joined and left
FLOODS = {"IGMPv2": ("IPv4", (igmp2, 0x16), (igmp2, 0x17)),
          "IGMPv3": ("IPv4", (igmp3, 4), (igmp3, 3)),
          "MLD": ("IPv6", (mld, 131), (mld, 132))}


def other_groups(family):
    prefix = "239.77.0." if family == "IPv4" else "ff05::77:"
    return [f"{prefix}{number}" for number in range(1, COUNT)]


def flood_of(guest, name):
    """Into all groups and out of them, among them the one that others listen to. Of MLD a port lets
    as few reports pass as announcements."""
    family, *ways = FLOODS[name]
    groups = [*other_groups(family), GROUPS[family][0]]
    return [make(guest, kind, group) for make, kind in ways for group in groups]


@pytest.mark.parametrize("name", FLOODS)
def test_others_listen_on_and_are_reached(lab, name):
    group, mac = GROUPS[FLOODS[name][0]]
    red1, red2, red3, greedy = (lab.guests[f"red{number}"] for number in (1, 2, 3, 4))
    hosts = [red1.host, red2.host]
    memory = [scan.rss(host) for host in hosts]
    other = other_groups(FLOODS[name][0])[0]
    with Listener(red2, group), Listener(red3, group):
        for one in (group, other):
            send(red1, one, b"<first>")
        leads_to(lab, mac, "h2", "h3")
        leads_to(lab, mac_of(other))
        with again.sending(lab, greedy.netns, flood_of(greedy, name), RATE) as sent:
            leads_to(lab, mac_of(other), "h2")
            for number in range(2):
                sent.wait(RATE // 4)
                heard, wires = arrivals(lab, red1, group, f"<{name} {number}>".encode(),
                                        ["red2", "red3"])
                assert {"red2", "red3"} <= heard and wires == {"h2", "h3"}
            lost = cold.lost_from_cold([(red1, red2), (red2, red3), (red3, red1)],
                                       "ipv4" if "." in group else "ipv6")
            assert not lost, "\n".join(lost)
            assert all(host.status()["connected"] for host in hosts)
        leads_to(lab, mac_of(other))
        leads_to(lab, mac, "h2", "h3")
        assert {"red2", "red3"} <= arrivals(lab, red1, group, f"<{name} after>".encode(),
                                            ["red2", "red3"])[0]
    grown = [scan.rss(host) - before for host, before in zip(hosts, memory)]
    assert max(grown) < GROWTH, grown
    leads_to(lab, mac)


def test_whoever_floods_is_heard_too(lab):
    """Afterwards it listens like everybody else."""
    group, mac = GROUPS["IPv4"]
    red1, greedy = lab.guests["red1"], lab.guests["red4"]
    with Listener(greedy, group):
        send(red1, group, b"<first>")
        leads_to(lab, mac, "h2")
        assert "red4" in arrivals(lab, red1, group, b"<to the greedy>", ["red4"])[0]
