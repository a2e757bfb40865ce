"""What a guest may say in another's name: nothing, unless its port has no security. Each forgery is
sent by both kinds of guest: from behind a secured port it must not arrive and be counted, from
behind an open one it must arrive, else the test proved nothing. What a guest says in its own name
always arrives.
"""
import ipaddress
import json
import struct
import time

import pytest
from dovelab import frames, netns, traffic, wait_until
from dovelab.capture import Capture
from dovelab.spec import both_underlays

MAC = "02:00:00:00:00:0{}"
STRANGER = "02:00:00:00:00:66"


def guest(number, host, **more):
    return {"network": "red-net", "host": host, "mac": MAC.format(number),
            "ips": [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"], **more}


LABS = both_underlays({"hosts": ["h1", "h2"],
       "tenants": {"red": {"red-net": {"vni": 100, "subnets": ["10.1.0.0/24", "fd00:1::/64"]}}},
       "guests": {"secured": guest(1, "h1"), "open": guest(2, "h1", security="off"),
                  "target": guest(3, "h1"), "far": guest(4, "h2")}})


# --- frames

def ipv6(source, destination, next_header, payload):
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return struct.pack("!IHBB", 6 << 28, len(payload), next_header, 255) + addresses + payload


def icmpv6(source, destination, kind, body, extension=b""):
    """Behind an extension header, when one is given, whose first byte is the next header."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = (ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
              + struct.pack("!II", len(message), 58))
    message = message[:2] + struct.pack("!H", frames.checksum(pseudo + message)) + message[4:]
    return ipv6(source, destination, 0 if extension else 58, extension + message)


def fragments(packet, behind, size):
    """An IPv6 packet in two fragments, split `size` bytes behind its header, which `behind` follows."""
    def one(offset, more, part):
        return struct.pack("!BBHI", behind, 0, offset | more, 7) + part
    header, inside = packet[:40], packet[40:]
    return [header[:4] + struct.pack("!HB", 8 + len(part), 44) + header[7:] + one(offset, more, part)
            for offset, more, part in ((0, 1, inside[:size]), (size, 0, inside[size:]))]


def link_option(kind, mac):
    return bytes([kind, 1]) + frames.mac_bytes(mac)


def igmp_report(group):
    """IGMPv3, as a host sends it that has no address yet (RFC 3376 4.2.13)."""
    record = bytes([4, 0, 0, 0]) + ipaddress.ip_address(group).packed
    message = struct.pack("!BBHHH", 0x22, 0, 0, 0, 1) + record
    message = message[:2] + struct.pack("!H", frames.checksum(message)) + message[4:]
    header = struct.pack("!BBHHHBBH", 0x46, 0xC0, 24 + len(message), 0, 0, 1, 2, 0) + bytes(
        4) + ipaddress.ip_address("224.0.0.22").packed + bytes([148, 4, 0, 0])
    return header[:10] + struct.pack("!H", frames.checksum(header)) + header[12:] + message


NONCE = bytes([14, 1]) + b"nonce!"
PADDING = bytes([58, 0, 1, 4, 0, 0, 0, 0])  # hop-by-hop options without any


def packed(address):
    return ipaddress.ip_address(address).packed


class Frames:
    """What `me` sends to `to`; in the name of `other`, where it forges."""

    def __init__(self, me, to, other):
        self.me, self.to, self.other = me, to, other

    def _ethernet(self, kind, payload, source=None):
        return frames.ethernet(self.to.mac, source or self.me.mac, kind, payload)

    def _udp(self, source, port=4321, to_port=9, mac=None):
        destination = self.to.ipv6 if ":" in source else self.to.ipv4
        if ipaddress.ip_address(source).is_link_local:
            destination = self.to.link_local
        kind = frames.ETH_IPV6 if ":" in source else frames.ETH_IPV4
        packet = frames.udp_packet(source, destination, port, to_port, b"x" * 20)
        return self._ethernet(kind, packet, mac)

    def _arp(self, operation, sender_mac, sender_ip, target_ip=None):
        frame = frames.arp(operation, sender_mac, sender_ip, self.to.mac, target_ip or self.to.ipv4)
        return self._ethernet(frames.ETH_ARP, frame[14:])

    def _nd(self, kind, body, source=None, **more):
        packet = icmpv6(source or self.me.ipv6, self.to.ipv6, kind, body, **more)
        return self._ethernet(frames.ETH_IPV6, packet)

    def _solicit(self, options=b"", source=None, target=None, **more):
        return self._nd(135, bytes(4) + packed(target or self.to.ipv6) + options, source, **more)

    def _advertise(self, target, options=b"", **more):
        return self._nd(136, b"\x60\0\0\0" + packed(target) + options, **more)

    def _hidden(self, next_header, inside):
        """Behind destination options that fill the first fragment."""
        options = bytes([next_header, 0, 1, 4, 0, 0, 0, 0])
        packet = ipv6(self.me.link_local, self.to.link_local, 60, options + inside)
        return [self._ethernet(frames.ETH_IPV6, part) for part in fragments(packet, 60, 8)]

    # --- forged, by the counter of what drops it
    def forged(self):
        me, other = self.me, self.other
        own, foreign = link_option(1, me.mac), link_option(1, other.mac)
        return {
            "foreign_mac": [
                frames.tagged(self.to.mac, STRANGER, b"<forged>"), self._udp(me.ipv4, mac=STRANGER),
                self._udp(me.ipv6, mac=STRANGER),
                self._ethernet(frames.ETH_ARP, frames.arp_request(
                    STRANGER, me.ipv4, self.to.ipv4)[14:], STRANGER),
                self._ethernet(frames.ETH_RARP, bytes(46), STRANGER)],
            "foreign_ip": [
                self._udp(other.ipv4), self._udp(other.ipv6), self._udp(other.link_local),
                self._udp("0.0.0.0"), self._udp("fe80::bad"),
                self._nd(128, bytes(4), other.ipv6), self._solicit(foreign, other.ipv6),
                self._solicit(own, other.link_local), self._nd(136, bytes(20), "::")],
            "forged_arp": [
                self._arp(2, me.mac, other.ipv4), self._arp(1, me.mac, other.ipv4),
                self._arp(2, other.mac, other.ipv4), self._arp(2, other.mac, me.ipv4),
                self._arp(1, me.mac, other.ipv4, other.ipv4), self._arp(2, me.mac, "0.0.0.0"),
                self._arp(1, other.mac, "0.0.0.0")],
            "forged_nd": [
                self._advertise(other.ipv6), self._advertise(other.link_local),
                self._advertise(other.ipv6, link_option(2, me.mac)),
                self._advertise(me.ipv6, link_option(2, other.mac)),
                self._advertise(other.ipv6, extension=PADDING),
                self._advertise(me.ipv6, NONCE + link_option(2, other.mac)),
                self._solicit(foreign), self._solicit(NONCE + foreign),
                self._solicit(own + foreign), self._solicit(own, extension=PADDING),
                self._nd(133, bytes(4) + foreign, me.link_local)],
            "dhcp_server": [self._udp(me.ipv4, 67, 68), self._udp(me.ipv6, 547, 546),
                            self._udp(me.link_local, 547, 546),
                            # A client does not look at the port that it comes from.
                            self._udp(me.ipv4, 4321, 68), self._udp(me.ipv6, 4321, 546)],
            "hidden": self._hidden(58, icmpv6(me.link_local, self.to.link_local, 134,
                                              bytes(12))[40:]) +
            self._hidden(17, frames.udp_packet(me.link_local, self.to.link_local, 547, 546,
                                               b"offer")[40:]),
            "router": [
                self._nd(134, bytes(12), me.link_local), self._nd(137, bytes(36), me.link_local),
                self._nd(134, bytes(12), me.link_local, extension=PADDING)]}

    # --- in its own name
    def own(self):
        me = self.me
        return {
            "IPv4": [self._udp(me.ipv4)],
            "IPv6": [self._udp(me.ipv6), self._udp(me.link_local)],
            "another ethertype": [frames.tagged(self.to.mac, me.mac, b"<own>")],
            "DHCP client": [self._udp("0.0.0.0", 68, 67), self._udp(me.ipv4, 68, 67),
                            self._udp(me.link_local, 546, 547)],
            "ARP": [self._arp(1, me.mac, me.ipv4), self._arp(2, me.mac, me.ipv4),
                    self._arp(1, me.mac, me.ipv4, me.ipv4)],
            "ARP probe": [self._arp(1, me.mac, "0.0.0.0", me.ipv4)],
            "RARP": [self._ethernet(frames.ETH_RARP, bytes(46))],
            "solicitation": [self._solicit(), self._solicit(link_option(1, me.mac)),
                             self._solicit(link_option(1, me.mac) + NONCE)],
            "duplicate address detection": [
                self._solicit(b"", "::", me.ipv6), self._solicit(NONCE, "::", me.ipv6)],
            "advertisement": [self._advertise(me.ipv6), self._advertise(me.link_local),
                              self._advertise(me.ipv6, link_option(2, me.mac))],
            "router solicitation": [
                self._nd(133, bytes(4), "::"),
                self._nd(133, bytes(4) + link_option(1, me.mac), me.link_local)],
            "listener report": [self._nd(143, bytes(4), "::", extension=PADDING),
                                self._nd(143, bytes(4), me.link_local, extension=PADDING)],
            "IGMP from no address": [self._ethernet(frames.ETH_IPV4, igmp_report("239.1.1.1"))],
            "echo": [self._nd(128, bytes(4))],
            "fragments": [self._ethernet(frames.ETH_IPV6, part) for part in fragments(
                icmpv6(me.ipv6, self.to.ipv6, 128, bytes(60)), 58, 32)]}


def arrived(sender, to, sent):
    """Which of the frames arrived: their places in the list. Behind them comes one that passes."""
    last = frames.tagged(to.mac, sender.mac, b"<the last>")
    with Capture.of_guests([to]) as seen:
        sender.send_frames([*sent, last], interval=0.002)
        wait_until("the last is there", lambda: seen.count(to.name, b"<the last>"))
        time.sleep(0.1)
    came = [frame.data for frame in seen.at(to.name)]
    return [i for i, frame in enumerate(sent) if any(data[:len(frame)] == frame for data in came)]


def dropped(guest):
    """Cause -> how many frames of the guest its port has dropped."""
    port = guest.host.show("-s", "port", "show", guest.port)[0]
    return {name.removesuffix("_dropped"): value for name, value in port["counters"].items()}


CAUSES = ["foreign_mac", "foreign_ip", "forged_arp", "forged_nd", "dhcp_server", "router", "hidden"]


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_forged_is_dropped_and_counted(lab, cause):
    secured, victim, target = (lab.guests[n] for n in ("secured", "far", "target"))
    sent = Frames(secured, target, victim).forged()[cause]
    before = dropped(secured)
    assert arrived(secured, target, sent) == []
    after = dropped(secured)
    assert after[cause] - before[cause] == len(sent)
    assert {name for name in CAUSES if after[name] != before[name]} == {cause}


@pytest.mark.parametrize("cause", CAUSES)
def test_control_without_security_it_arrives(lab, cause):
    sender, victim, target = (lab.guests[n] for n in ("open", "far", "target"))
    sent = Frames(sender, target, victim).forged()[cause]
    assert arrived(sender, target, sent) == list(range(len(sent)))


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("name", ["secured", "open"])
def test_what_is_its_own_arrives(lab, name):
    sender, victim, target = lab.guests[name], lab.guests["far"], lab.guests["target"]
    for what, sent in Frames(sender, target, victim).own().items():
        assert arrived(sender, target, sent) == list(range(len(sent))), what


@pytest.fixture
def sober(lab):
    """Nobody believes any more what the open guest has said in others' names."""
    for one in lab.guests.values():
        one.flush_neighbours()


@pytest.mark.usefixtures("br_netfilter")
def test_guests_talk_whatever_their_security(lab, sober):
    names = list(lab.guests)
    for a in names:
        for b in names:
            if a == b:
                continue
            for family in ("ipv4", "ipv6", "link_local"):
                result = traffic.ping(lab.guests[a], getattr(lab.guests[b], family), 2)
                assert result.lost == 0, f"{a} to {b}: {result}"


@pytest.mark.usefixtures("br_netfilter")
def test_nothing_forged_leaves_the_host(lab, sober):
    """The same to a guest of another host, in the guise of a third."""
    secured, sender, far = (lab.guests[n] for n in ("secured", "open", "far"))
    for who in (secured, sender):
        assert traffic.ping(far, who.ipv4, 1, wait=5).lost == 0
    for who, expected in ((secured, 0), (sender, 2)):
        forge = Frames(who, far, lab.guests["target"]).forged()
        sent = [forge["foreign_ip"][0], forge["foreign_ip"][1]]
        assert len(arrived(who, far, sent)) == expected, who.name


def test_a_link_local_address_of_another_kind_becomes_its_own(lab):
    """One that does not follow from the MAC: by its duplicate address detection. Nobody else's can
    be had that way."""
    secured, target = lab.guests["secured"], lab.guests["target"]
    for address, mine in (("fe80::1234", True), (target.link_local, False)):
        # One probe, and a second for its answer, is little where a whole machine may stand still.
        netns.sysctl(secured.netns, "ipv6.conf.eth0.dad_transmits", 1 if mine else 5)
        secured.ip("address", "add", f"{address}/64", "dev", "eth0")
        wait_until("detection is over", lambda: not secured._unfinished(), 15)
        sent = [Frames(secured, target, target)._udp(address)]
        assert (arrived(secured, target, sent) == [0]) == mine, address
        assert (address in secured.dad_failed()) == (not mine)
        secured.ip("address", "del", f"{address}/64", "dev", "eth0")
    netns.sysctl(secured.netns, "ipv6.conf.eth0.dad_transmits", 1)
    # Without detection the first question is dropped, and heard.
    ask = [Frames(secured, target, target)._solicit(source="fe80::5678")]
    assert arrived(secured, target, ask) == []
    wait_until("its address is its own", lambda: arrived(secured, target, ask) == [0], 15)


def test_new_addresses_are_its_own_within_a_second_and_old_ones_are_not(lab):
    secured, target = lab.guests["secured"], lab.guests["target"]
    old = secured.ipv4

    def passes(address):
        return arrived(secured, target, [Frames(secured, target, target)._udp(address)]) == [0]

    def set_addresses(*words):
        lab.dovectl("endpoint", "set", secured.name, *words, "ip", secured.ipv6)
        return time.monotonic()
    assert passes(old)
    took = []
    for new in ("10.1.0.77", "10.1.0.78", "10.1.0.79"):  # the machine may stand still once
        assert not passes(new)
        since = set_addresses("ip", new, "shared-ip", "10.1.0.99")
        wait_until("the new address passes", lambda: passes(new))
        took.append(time.monotonic() - since)
        if took[-1] < 1:
            break
    assert min(took) < 1, took
    assert passes("10.1.0.99") and not passes(old)
    assert new in secured.host.show("port", "show", secured.port)[0]["ips"]
    set_addresses("ip", old)
    wait_until("the old address passes again", lambda: passes(old))
    assert not passes(new)


def test_it_holds_while_doved_is_down_and_after_its_return(lab):
    host, secured, victim, target = (lab.hosts["h1"], *(lab.guests[n] for n in
                                                         ("secured", "far", "target")))
    forge = Frames(secured, target, victim)
    sent = [frame for all_of_a_cause in forge.forged().values() for frame in all_of_a_cause]
    own = [frame for all_of_a_kind in forge.own().values() for frame in all_of_a_kind]
    open_guest = lab.guests["open"]
    control = Frames(open_guest, target, victim).forged()["foreign_mac"]
    host.kill_doved()
    try:
        assert arrived(secured, target, sent) == []
        assert arrived(secured, target, own) == list(range(len(own)))
    finally:
        host.start()
    assert arrived(secured, target, sent) == []
    assert arrived(open_guest, target, control) == list(range(len(control)))


def test_what_the_bridge_itself_keeps_out(lab):
    """The kernel's second wall, and the kernel's first word on a guest that bridges others."""
    def slave(name):
        shown = json.loads(lab.hosts["h1"].ip("-j", "-d", "link", "show", "dev", f"p-{name}").out)
        data = shown[0]["linkinfo"]["info_slave_data"]
        return {key: data[key] for key in ("locked", "learning", "flood")}
    assert slave("secured") == {"locked": True, "learning": False, "flood": False}
    assert slave("open") == {"locked": False, "learning": True, "flood": False}


def test_a_guest_behind_an_open_port_cannot_draw_anothers_mac_there(lab, sober):
    """Its bridge learns, but not what stands fast."""
    sender, secured, target = (lab.guests[n] for n in ("open", "secured", "target"))
    sender.send_frames([frames.tagged(target.mac, secured.mac, b"<drawn>")] * 3)
    assert traffic.ping(target, secured.ipv4, 2).lost == 0
    nested = "02:00:00:00:00:77"
    sender.send_frames([frames.tagged(target.mac, nested, b"<nested>")] * 3)
    to_nested = [frames.tagged(nested, target.mac, b"<to nested>")]
    assert arrived(target, sender, to_nested) == [0], "control: it learns"


def test_security_is_part_of_what_the_port_is(lab):
    host = lab.hosts["h1"]
    shown = {port["dev"]: port["security"] for port in host.show("port", "show")}
    assert shown == {"p-secured": True, "p-open": False, "p-target": True}
    for dev, name, value in (("p-secured", "secured", "off"), ("p-open", "open", "on")):
        words = ["port", "add", dev, "endpoint", name]
        assert host.dovectl(*words).out == ""
        done = host.dovectl(*words, "security", value, check=False)
        assert done.code == 2 and "security" in done.err, done
        assert host.dovectl(*words, "security", "on" if value == "off" else "off").out == ""


def test_nobody_ended(lab):
    assert not lab.problems()
