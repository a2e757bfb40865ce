"""Frames as guests and intruders send them, built and read. Addresses are text, frames bytes."""
import ipaddress
import socket
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
ETH_IPV4, ETH_ARP, ETH_RARP, ETH_IPV6, ETH_TEST = 0x0800, 0x0806, 0x8035, 0x86DD, 0x88B5
VXLAN_PORT = 4789


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def mac_text(octets):
    return octets.hex(":")


def ethernet(destination, source, kind, payload):
    return mac_bytes(destination) + mac_bytes(source) + struct.pack("!H", kind) + payload


def tagged(destination, source, tag):
    """A frame of the ethertype for local experiments, which only its tag tells from others."""
    return ethernet(destination, source, ETH_TEST, tag.ljust(46, b"\0"))


def arp(operation, sender_mac, sender_ip, target_mac, target_ip, destination=BROADCAST):
    body = struct.pack("!HHBBH", 1, ETH_IPV4, 6, 4, operation)
    body += mac_bytes(sender_mac) + socket.inet_aton(sender_ip)
    body += mac_bytes(target_mac) + socket.inet_aton(target_ip)
    return ethernet(destination, sender_mac, ETH_ARP, body.ljust(46, b"\0"))


def arp_request(sender_mac, sender_ip, target_ip):
    return arp(1, sender_mac, sender_ip, "00:00:00:00:00:00", target_ip)


def gratuitous_arp(mac, ip):
    return arp_request(mac, ip, ip)


def gratuitous_reply(mac, ip):
    return arp(2, mac, ip, BROADCAST, ip)


def arp_probe(mac, ip):
    return arp_request(mac, "0.0.0.0", ip)


def icmpv6(destination_mac, mac, source, destination, body):
    """`body`: an ICMPv6 message whose checksum is 0."""
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    total = checksum(addresses + struct.pack("!II", len(body), 58) + body)
    message = body[:2] + struct.pack("!H", total) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + addresses
    return ethernet(destination_mac, mac, ETH_IPV6, header + message)


def unsolicited_advertisement(mac, ip, router=False):
    body = struct.pack("!BBHI", 136, 0, 0, 0xA0000000 if router else 0x20000000)
    body += ipaddress.ip_address(ip).packed + b"\x02\x01" + mac_bytes(mac)
    return icmpv6("33:33:00:00:00:01", mac, ip, "ff02::1", body)


def router_advertisement(mac, source):
    """Of a router that offers no default route: its lifetime is 0."""
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0) + b"\x01\x01" + mac_bytes(mac)
    return icmpv6("33:33:00:00:00:01", mac, source, "ff02::1", body)


def detection(mac, ip):
    """Duplicate address detection: a solicitation from ::."""
    target = ipaddress.ip_address(ip).packed
    group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
    return icmpv6("33:33:" + mac_text(group[12:]), mac, "::", str(ipaddress.IPv6Address(group)),
                  struct.pack("!BBHI", 135, 0, 0, 0) + target)


def read_advertisement(frame):
    """(target, whether its R flag is set) of a neighbour advertisement, or None."""
    if len(frame) < 78 or ether_type(frame) != ETH_IPV6 or frame[20] != 58 or frame[54] != 136:
        return None
    return str(ipaddress.IPv6Address(frame[62:78])), bool(frame[58] & 0x80)


def read_arp(frame):
    """(operation, sender MAC, sender IP, target IP) of an ARP frame, or None."""
    if len(frame) < 42 or ether_type(frame) != ETH_ARP:
        return None
    return (struct.unpack_from("!H", frame, 20)[0], mac_text(frame[22:28]),
            socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42]))


def ether_type(frame):
    return struct.unpack_from("!H", frame, 12)[0] if len(frame) >= 14 else None


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_packet(source, destination, source_port, destination_port, payload):
    """An IPv4 or IPv6 packet with UDP in it. IPv4 UDP goes without a checksum."""
    udp = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload
    if ":" in source:
        return _ipv6(source, destination, udp)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp


def ipv4_fragment(packet, begin, end):
    """What of an IPv4 packet's payload is from `begin` on (a multiple of 8) and before `end`."""
    payload = packet[20:]
    part = payload[begin:end]
    more = 0x2000 if end is not None else 0
    header = packet[:2] + struct.pack("!HHH", 20 + len(part), 0x4D4D, more | begin // 8)
    header += packet[8:10] + bytes(2) + packet[12:20]
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + part


def _ipv6(source, destination, udp):
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    pseudo = addresses + struct.pack("!II", len(udp), 17)
    total = checksum(pseudo + udp) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", total) + udp[8:]
    return struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + addresses + udp


def vxlan(vni, frame):
    """A VXLAN payload, to be sent by UDP."""
    return struct.pack("!BBHI", 8, 0, 0, vni << 8) + frame


def outer_ipv4(frame):
    """(source, destination, UDP destination port, UDP payload) of an Ethernet frame with IPv4 and
    UDP in it, or None. A fragment without a UDP header has the port None."""
    if ether_type(frame) != ETH_IPV4 or len(frame) < 34:
        return None
    header = (frame[14] & 15) * 4
    source, destination = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    if frame[23] != 17 or struct.unpack_from("!H", frame, 20)[0] & 0x1FFF:
        return source, destination, None, b""
    udp = 14 + header
    if len(frame) < udp + 8:
        return None
    return source, destination, struct.unpack_from("!H", frame, udp + 2)[0], frame[udp + 8:]


def outer_ipv6(frame):
    """The same of IPv6."""
    if ether_type(frame) != ETH_IPV6 or len(frame) < 62 or frame[20] != 17:
        return None
    source, destination = (socket.inet_ntop(socket.AF_INET6, frame[at:at + 16]) for at in (22, 38))
    return source, destination, struct.unpack_from("!H", frame, 56)[0], frame[62:]


def inside_vxlan(frame, port=VXLAN_PORT):
    """(outer source, outer destination, VNI, inner frame) of an encapsulated frame, or None."""
    outer = outer_ipv4(frame) or outer_ipv6(frame)
    if outer is None or outer[2] != port or len(outer[3]) < 8:
        return None
    vni = struct.unpack_from("!I", outer[3], 4)[0] >> 8
    return outer[0], outer[1], vni, outer[3][8:]
