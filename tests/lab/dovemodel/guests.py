"""Guests without a namespace each: the far ends of their ports are in one namespace, without any
address, and what a guest would say is made and read here, frame by frame. So a guest costs nothing,
keeps no cache that would hide a cold start, and whatever reaches it is seen.

A guest is the endpoint that the model says is behind a port. Its probes, each told from all others
by a number:
    an echo request, behind a question for the next hop's MAC if nobody answered it before; who gets
    it asks the same way back before he answers. Nothing is sent twice: what is lost stays lost
    a frame to all, or to a group that must reach all
"""
import dataclasses
import ipaddress
import selectors
import socket
import struct
import time

from dovelab import frames, netns, run

ETH_P_ALL = 3
GROUP = "01:00:5e:00:00:05"  # heard everywhere without being joined
JOINED = "01:00:5e:01:02:03"  # that of 239.1.2.3, heard where somebody has joined it
_RECEIVE_BUFFER = 4 << 20


@dataclasses.dataclass(frozen=True)
class Place:
    """The device that is, or might become, a guest's port."""
    guest: str
    host: str

    @property
    def device(self):
        return self.guest

    @property
    def far_end(self):
        return f"{self.guest}.{self.host}"


@dataclasses.dataclass
class Speaker:
    """Who speaks at a place now."""
    place: Place
    mac: str
    ips: list
    gateways: dict  # the guest's address -> (its subnet, the gateway)
    endpoint: object = None

    def next_hop(self, source, target):
        subnet, gateway = self.gateways[source]
        return target if ipaddress.ip_address(target) in ipaddress.ip_network(subnet) else gateway


@dataclasses.dataclass
class Echo:
    number: int
    source: Speaker
    source_ip: str
    target_ip: str
    target: object = None      # the Place that has to get it; None: nobody may
    answered: bool = False
    got: list = dataclasses.field(default_factory=list)  # places that got the request
    heard: list = dataclasses.field(default_factory=list)  # what happened, for a report


@dataclasses.dataclass
class Shout:
    number: int
    source: Speaker
    destination: str
    targets: set
    perhaps: set  # who may get it, or not
    got: list = dataclasses.field(default_factory=list)


def _echo_packet(kind, source, target, number):
    body = struct.pack("!HH", 0xD0, number & 0xFFFF) + struct.pack("!I", number) + b"dove model  "
    if ":" in source:
        addresses = b"".join(ipaddress.ip_address(ip).packed for ip in (source, target))
        message = struct.pack("!BBH", {8: 128, 0: 129}[kind], 0, 0) + body
        total = frames.checksum(addresses + struct.pack("!II", len(message), 58) + message)
        message = message[:2] + struct.pack("!H", total) + message[4:]
        header = struct.pack("!IHBB", 6 << 28, len(message), 58, 64) + addresses
        return frames.ETH_IPV6, header + message
    message = struct.pack("!BBH", kind, 0, 0) + body
    message = message[:2] + struct.pack("!H", frames.checksum(message)) + message[4:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 0, 0x4000, 64, 1, 0,
                         socket.inet_aton(source), socket.inet_aton(target))
    header = header[:10] + struct.pack("!H", frames.checksum(header)) + header[12:]
    return frames.ETH_IPV4, header + message


def _read_echo(frame):
    """(request?, source, target, number), or None."""
    kind = frames.ether_type(frame)
    if kind == frames.ETH_IPV4 and len(frame) >= 46 and frame[23] == 1 and frame[34] in (0, 8):
        source, target = (socket.inet_ntoa(frame[at:at + 4]) for at in (26, 30))
        return frame[34] == 8, source, target, struct.unpack_from("!I", frame, 42)[0]
    if kind == frames.ETH_IPV6 and len(frame) >= 66 and frame[20] == 58 and frame[54] in (128, 129):
        source, target = (str(ipaddress.IPv6Address(frame[at:at + 16])) for at in (22, 38))
        return frame[54] == 128, source, target, struct.unpack_from("!I", frame, 62)[0]
    return None


def _question(speaker, source, target):
    if ":" not in target:
        return frames.arp_request(speaker.mac, source, target)
    packed = ipaddress.ip_address(target).packed
    group = bytes.fromhex("ff0200000000000000000001ff") + packed[13:]
    body = struct.pack("!BBHI", 135, 0, 0, 0) + packed + b"\x01\x01" + frames.mac_bytes(speaker.mac)
    return frames.icmpv6("33:33:" + frames.mac_text(group[12:]), speaker.mac, source,
                         str(ipaddress.IPv6Address(group)), body)


def _read_question(frame):
    """(who asks, target) of an ARP request or a solicitation."""
    arp = frames.read_arp(frame)
    if arp and arp[0] == 1:
        return (arp[1], arp[2]), arp[3]
    if frames.ether_type(frame) == frames.ETH_IPV6 and len(frame) >= 78 and frame[20] == 58 \
            and frame[54] == 135:
        source = str(ipaddress.IPv6Address(frame[22:38]))
        return (frames.mac_text(frame[6:12]), source), str(ipaddress.IPv6Address(frame[62:78]))
    return None


def _answer(speaker, ip, asker):
    mac, source = asker
    if ":" not in ip:
        return frames.arp(2, speaker.mac, ip, mac, source, mac)
    body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + ipaddress.ip_address(ip).packed
    body += b"\x02\x01" + frames.mac_bytes(speaker.mac)
    return frames.icmpv6(mac, speaker.mac, ip, source, body)


def _read_answer(frame):
    """(ip, mac)"""
    arp = frames.read_arp(frame)
    if arp and arp[0] == 2:
        return arp[2], arp[1]
    told = frames.read_advertisement(frame)
    if told and len(frame) >= 86 and frame[78] == 2:
        return told[0], frames.mac_text(frame[80:86])
    return None


class Guests:
    """All places of a lab. Belongs to one thread."""

    def __init__(self, lab, names):
        self._lab = lab
        self.netns = f"{lab.name}-guests"
        self.places = [Place(name, host) for name in names for host in lab.hosts]
        self._sockets = {}
        self._selector = selectors.DefaultSelector()
        self._speakers = {}   # place -> Speaker
        self._caches = {}     # (place, ip) -> MAC
        self._waiting = {}    # (place, ip) -> packets that wait for it
        self._echoes, self._shouts = {}, {}
        self._number = 0
        self.stray = []       # what reached whom it must not

    def make(self):
        self._lab._make_netns(self.netns)  # in the lab's journal
        self._make_devices(self.places)

    def make_device(self, place):
        self._make_devices([place])

    def _make_devices(self, places):
        pairs = [f"link add {p.device} netns {self._lab.hosts[p.host].netns} type veth peer name "
                 f"{p.far_end} netns {self.netns}\n" for p in places]
        run("ip", "-batch", "-", stdin="".join(pairs))
        run("ip", "-n", self.netns, "-batch", "-", stdin="".join(
            f"link set {p.far_end} addrgenmode none up\n" for p in places))
        for place in places:
            self._open(place)

    def remove_device(self, place):
        self._close(place)
        run("ip", "-n", self.netns, "link", "del", place.far_end)

    def place(self, host, device):
        return next(p for p in self.places if (p.host, p.guest) == (host, device))

    def _open(self, place):
        with netns.inside(self.netns):
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            raw.bind((place.far_end, ETH_P_ALL))
        raw.setblocking(False)
        self._sockets[place] = raw
        self._selector.register(raw, selectors.EVENT_READ, place)

    def _close(self, place):
        raw = self._sockets.pop(place)
        self._selector.unregister(raw)
        raw.close()

    def close(self):
        for place in list(self._sockets):
            self._close(place)

    # --- saying something
    def begin(self, speakers):
        """From now on these are there; nobody remembers anything."""
        self._speakers = {speaker.place: speaker for speaker in speakers}
        self._caches, self._waiting = {}, {}
        self._echoes, self._shouts, self.stray = {}, {}, []
        self._drain()

    def _drain(self):
        for raw in self._sockets.values():
            try:
                while True:
                    raw.recv(2048)
            except BlockingIOError:
                pass

    def echo(self, source, source_ip, target_ip, target):
        self._number += 1
        echo = Echo(self._number, source, source_ip, target_ip, target)
        self._echoes[echo.number] = echo
        self._send_packet(source, source_ip, target_ip, _echo_packet(8, source_ip, target_ip,
                                                                     echo.number))
        return echo

    def shout(self, source, destination, targets, perhaps=()):
        self._number += 1
        shout = Shout(self._number, source, destination, set(targets), set(perhaps))
        self._shouts[shout.number] = shout
        self.send(source.place, frames.tagged(destination, source.mac,
                                              b"dove" + struct.pack("!I", shout.number)))
        return shout

    def whisper(self, source, mac):
        """A frame for one MAC that nobody may get."""
        return self.shout(source, mac, [])

    def join(self, speaker):
        """It says that it has joined 239.1.2.3; nobody answers that."""
        source = next(ip for ip in speaker.ips if ":" not in ip)
        group = socket.inet_aton("239.1.2.3")
        report = struct.pack("!BBH", 0x16, 0, 0) + group
        report = report[:2] + struct.pack("!H", frames.checksum(report)) + report[4:]
        header = struct.pack("!BBHHHBBH4s4sI", 0x46, 0xC0, 24 + len(report), 0, 0, 1, 2, 0,
                             socket.inet_aton(source), group, 0x94040000)
        header = header[:10] + struct.pack("!H", frames.checksum(header)) + header[12:]
        self.send(speaker.place, frames.ethernet(JOINED, speaker.mac, frames.ETH_IPV4,
                                                 header + report))

    def send(self, place, frame):
        self._sockets[place].send(frame)

    def _send_packet(self, speaker, source, target, packet):
        hop = speaker.next_hop(source, target)
        known = self._caches.get((speaker.place, hop))
        if known:
            return self.send(speaker.place, frames.ethernet(known, speaker.mac, *packet))
        waiting = self._waiting.setdefault((speaker.place, hop), [])
        waiting.append(packet)
        if len(waiting) == 1:
            self.send(speaker.place, _question(speaker, source, hop))
        return None

    # --- hearing
    def run(self, patience, grace):
        """Until everything expected has come, and `grace` seconds more, for what must not come."""
        deadline = time.monotonic() + patience
        while not self._complete() and time.monotonic() < deadline:
            self._turn(deadline)
        end = time.monotonic() + grace
        while time.monotonic() < end:
            self._turn(end)

    def _complete(self):
        return all(e.answered for e in self._echoes.values() if e.target) and \
            all(set(s.got) >= s.targets for s in self._shouts.values())

    def _turn(self, deadline):
        for key, _ in self._selector.select(max(0, deadline - time.monotonic())):
            for _ in range(256):
                try:
                    frame, address = key.fileobj.recvfrom(2048)
                except BlockingIOError:
                    break
                except OSError:  # the device has gone
                    break
                if address[2] != socket.PACKET_OUTGOING:
                    self._hear(key.data, frame)

    def _hear(self, place, frame):
        speaker = self._speakers.get(place)
        if frames.ether_type(frame) == frames.ETH_TEST and frame[14:18] == b"dove":
            return self._hear_shout(place, struct.unpack_from("!I", frame, 18)[0])
        echo = _read_echo(frame)
        if echo:
            return self._hear_echo(place, speaker, frame, *echo)
        if speaker is None:
            return None
        question = _read_question(frame)
        if question:
            asker, target = question
            if target in speaker.ips and asker[0] != speaker.mac:
                self.send(place, _answer(speaker, target, asker))
            return None
        answer = _read_answer(frame)
        if answer and frames.mac_text(frame[:6]) == speaker.mac:
            self._learn(speaker, *answer)
        return None

    def _learn(self, speaker, ip, mac):
        waiting = self._waiting.pop((speaker.place, ip), None)
        if waiting is None:
            return
        self._caches[speaker.place, ip] = mac
        for packet in waiting:
            self.send(speaker.place, frames.ethernet(mac, speaker.mac, *packet))

    def _hear_shout(self, place, number):
        shout = self._shouts.get(number)
        if shout is None:
            return
        shout.got.append(place)

    def _hear_echo(self, place, speaker, frame, request, source, target, number):
        echo = self._echoes.get(number)
        if echo is None:
            return
        where = f"{'request' if request else 'answer'} {source} to {target} at {place.far_end}"
        echo.heard.append(where)
        mine = speaker is not None and frames.mac_text(frame[:6]) == speaker.mac \
            and target in speaker.ips
        if not mine:
            self.stray.append(f"echo {where}, for {frames.mac_text(frame[:6])}")
        elif request:
            echo.got.append(place)
            self._send_packet(speaker, target, source, _echo_packet(0, target, source, number))
        elif place == echo.source.place:
            echo.answered = True
        else:
            self.stray.append(f"echo {where}")

    def waits_for(self):
        """(place, ip) that nobody has answered for."""
        return sorted((place.far_end, ip) for place, ip in self._waiting)

    # --- what went wrong
    def problems(self):
        found = list(self.stray)
        for echo in self._echoes.values():
            found += _echo_problems(echo)
        for shout in self._shouts.values():
            found += _shout_problems(shout)
        if found:
            found.append(f"nobody answered for: {self.waits_for()}")
        return found


def _echo_problems(echo):
    name = f"echo {echo.number}: {echo.source.place.far_end} {echo.source_ip} to {echo.target_ip}"
    if echo.target is None:
        return [f"{name} came to {place.far_end}" for place in echo.got]
    found = []
    if echo.got != [echo.target]:
        found.append(f"{name} came to {[p.far_end for p in echo.got]}, not once to "
                     f"{echo.target.far_end}")
    if not echo.answered:
        found.append(f"{name}: no answer; heard: {echo.heard}")
    return found


def _shout_problems(shout):
    name = f"frame {shout.number} of {shout.source.place.far_end} to {shout.destination}"
    found = []
    for place in sorted(set(shout.got) | shout.targets, key=lambda p: p.far_end):
        times = shout.got.count(place)
        wanted = 1 if place in shout.targets else 0
        if times != wanted and not (place in shout.perhaps and times == 1):
            found.append(f"{name} came {times} times, not {wanted}, to {place.far_end}")
    return found
