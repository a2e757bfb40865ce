"""Frames that no stack sends by mistake, each with a tag that tells where it arrives."""
import ipaddress
import struct

from .frames import (BROADCAST, ETH_ARP, ETH_IPV4, ETH_IPV6, checksum, ethernet, icmpv6, mac_bytes,
                     udp_packet, vxlan)

ALL_NODES_MAC, ALL_NODES = "33:33:00:00:00:01", "ff02::1"


def _arp(mac, hlen=6, plen=4, operation=1, hardware=1, kind=ETH_IPV4, cut=None):
    body = struct.pack("!HHBBH", hardware, kind, hlen, plen, operation) + mac_bytes(mac)
    return (body + bytes([10, 1, 0, 11]) + bytes(6) + bytes([10, 1, 0, 12]))[:cut]


def arps(mac, tag):
    wrong = [{"hlen": 0}, {"hlen": 255}, {"plen": 0}, {"plen": 16}, {"plen": 255}, {"operation": 0},
             {"operation": 9}, {"operation": 65535}, {"hardware": 6}, {"kind": ETH_IPV6}]
    bodies = [_arp(mac, **one) + tag for one in wrong] + [_arp(mac, cut=n) for n in range(0, 28, 3)]
    return [ethernet(BROADCAST, mac, ETH_ARP, body) for body in bodies]


def discoveries(mac, source, tag):
    """Neighbour discovery with wrong options, lengths, hop limits and hidden in headers."""
    target = ipaddress.ip_address("fd00:1::12").packed
    options = [b"", b"\x01\x00" + tag, b"\x01\xff" + tag, b"\x01\x01\x02", b"\x01\x02" + tag * 2,
               b"\x0e\x01" + bytes(6), b"\x05\x01" + bytes(6), b"\xff\xff\xff\xff"]
    frames = []
    for kind in (133, 134, 135, 136, 137, 130, 131, 132, 143):
        for option in options:
            body = struct.pack("!BBHI", kind, 0, 0, 0xFFFFFFFF) + target + option
            frames.append(icmpv6(ALL_NODES_MAC, mac, source, ALL_NODES, body))
            frames.append(icmpv6(ALL_NODES_MAC, mac, source, ALL_NODES, body[:len(option) + 4]))
    solicitation = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + mac_bytes(mac)
    whole = icmpv6(ALL_NODES_MAC, mac, source, ALL_NODES, solicitation)
    frames.append(whole[:21] + b"\x40" + whole[22:])  # its hop limit is 64
    frames.append(whole[:18] + b"\xff\xff" + whole[20:])  # it says that it is longer
    frames.append(whole[:56] + b"\0\0" + whole[58:])  # a wrong checksum
    return frames + [_behind(whole, chain + tag) for chain in _chains()] + _fragments(whole, tag)


def _chains():
    """Extension headers: (first kind, headers, the last leads to 58)."""
    def header(following, length=0, body=bytes(6)):
        return bytes([following, length]) + body
    return [header(58), header(0) * 7 + header(58), header(60) * 7 + header(58), header(43) + header(58),
            header(58, 255), header(59), header(255), header(58, 4), header(51) + header(58)]


def _behind(whole, chain):
    payload = chain + whole[54:]
    return (whole[:18] + struct.pack("!H", len(payload)) + b"\0" + whole[21:54] + payload)


def _fragments(whole, tag):
    """Of one solicitation: in halves, overlapping, of no length, and one that never ends."""
    icmp = whole[54:]
    frames = []
    for offset, more, part in ((0, 1, icmp[:16]), (2, 0, icmp[16:]), (1, 1, icmp[:16]), (0, 0, b""),
                               (0, 0, icmp), (8191, 1, tag), (0, 1, icmp[:8] + tag)):
        payload = struct.pack("!BBHI", 58, 0, offset << 3 | more, 7) + part
        frames.append(whole[:18] + struct.pack("!H", len(payload)) + b"\x2c" + whole[21:54] + payload)
    return frames


def memberships(mac, source4, source6, tag):
    """IGMP and MLD that say more than they hold."""
    frames = []
    for kind in (0x11, 0x12, 0x16, 0x17, 0x22):
        for body in (b"", struct.pack("!HH", 0, 65535), struct.pack("!HHBBH4s", 0, 2, 4, 255, 65535,
                                                                    b"\xef\1\2\3") + tag):
            igmp = struct.pack("!BBH", kind, 0, 0) + body
            igmp = igmp[:2] + struct.pack("!H", checksum(igmp)) + igmp[4:]
            frames.append(_ipv4("01:00:5e:00:00:16", mac, source4, "224.0.0.22", 2, igmp))
    for count, body in ((65535, b""), (1, b"\x04\xff\xff\xff" + tag), (2, b"\x03\x00\x00\x00" * 3)):
        report = struct.pack("!BBHHH", 143, 0, 0, 0, count) + body
        frames.append(icmpv6("33:33:00:00:00:16", mac, source6, "ff02::16", report))
    return frames


def _ipv4(destination_mac, mac, source, destination, protocol, payload, length=None, header=0x45,
          fragment=0):
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    total = 20 + len(payload) if length is None else length
    front = struct.pack("!BBHHHBBH", header, 0, total, 7, fragment, 64, protocol, 0) + addresses
    front = front[:10] + struct.pack("!H", checksum(front)) + front[12:]
    return ethernet(destination_mac, mac, ETH_IPV4, front + payload)


def packets(mac, other_mac, source, destination, tag):
    """IPv4 with wrong lengths, checksums, and fragments that overlap, to a MAC known or not."""
    frames = []
    for to in (other_mac, "02:00:00:00:77:01", BROADCAST):
        for options in ({"length": 0}, {"length": 65535}, {"length": 19}, {"header": 0x40},
                        {"header": 0x4F}, {"header": 0x65}, {"fragment": 0x2000}, {"fragment": 1},
                        {"fragment": 0x3FFF}, {"fragment": 0x8000}):
            frames.append(_ipv4(to, mac, source, destination, 17, tag * 4, **options))
        good = _ipv4(to, mac, source, destination, 17, tag * 4)
        frames.append(good[:24] + b"\xff\xff" + good[26:])
        frames.append(_ipv4(to, mac, source, destination, 17, tag * 180))  # in two outer packets
        dhcp = udp_packet(source, "255.255.255.255", 67, 68, b"\2\1\xff\0" + bytes(232)
                          + b"\x63\x82\x53\x63\x35\xff" + tag)
        frames.append(ethernet(to, mac, ETH_IPV4, dhcp))
    return frames


def links(mac, tag):
    """What bridges and switches say to each other, and frames with tags of VLANs."""
    bpdu = b"\x42\x42\x03" + bytes(35) + tag
    frames = [mac_bytes("01:80:c2:00:00:00") + mac_bytes(mac) + struct.pack("!H", len(bpdu)) + bpdu]
    for to, kind in (("01:80:c2:00:00:0e", 0x88CC), ("01:80:c2:00:00:01", 0x8808),
                     ("01:80:c2:00:00:02", 0x8809), ("01:80:c2:00:00:03", 0x888E),
                     ("01:00:0c:cc:cc:cc", 0x2000), (BROADCAST, 0x0000), (BROADCAST, 0xFFFF)):
        frames.append(ethernet(to, mac, kind, tag.ljust(46, b"\xff")))
    inner = struct.pack("!H", ETH_ARP) + _arp(mac) + tag
    for tags in (b"\x81\0\0\1", b"\x81\0\x0f\xfe", b"\x88\xa8\0\1\x81\0\0\2", b"\x81\0\0\1" * 4,
                 b"\x91\0\0\1"):
        frames.append(mac_bytes(BROADCAST) + mac_bytes(mac) + tags + inner)
    return frames


def sources(tag):
    """From MACs that nobody can have."""
    return [ethernet(BROADCAST, source, 0x88B5, tag.ljust(46, b"\0"))
            for source in ("00:00:00:00:00:00", BROADCAST, "01:00:5e:00:00:01", ALL_NODES_MAC)]


def tunnels(mac, to_macs, source, vteps, vni, inner):
    """VXLAN of a guest's own, for another network, towards hosts."""
    return [ethernet(to, mac, ETH_IPV4, udp_packet(source, vtep, 12345, 4789, vxlan(vni, inner)))
            for to in to_macs for vtep in vteps]


def all_of(guest, other, vteps, host_macs, foreign_vni, tag):
    """Everything, from one guest; with a tag that is in nearly all of it."""
    mac, ip4, ip6 = guest.mac, guest.ipv4, guest.ipv6
    inner = ethernet(BROADCAST, mac, 0x88B5, tag.ljust(46, b"\0"))
    return (arps(mac, tag) + discoveries(mac, ip6, tag) + discoveries(mac, "::", tag)
            + memberships(mac, ip4, ip6, tag) + packets(mac, other.mac, ip4, other.ipv4, tag)
            + links(mac, tag) + sources(tag) + tunnels(mac, [other.mac, *host_macs], ip4, vteps,
                                                       foreign_vni, inner)
            + [mac_bytes(BROADCAST) + mac_bytes(mac) + b"\x08\x06"])
