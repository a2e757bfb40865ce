"""What no guest and no local user may do. Each wall is tried twice: as it stands, where nothing may
come through, and taken away, where the same attempt must come through: else it proved nothing.
"""
import contextlib
import ipaddress
import json
import socket
import time

import pytest
from dovelab import cold, frames, give_time, netns, run, traffic, wait_until
from dovelab.capture import Capture
from dovelab.spec import both_underlays, three_hosts

LABS = both_underlays(three_hosts())
INSIDE, OTHER = "192.0.2.1", "2001:db8::1"  # addresses of the host that no guest should reach
NOBODY = 65534


@pytest.fixture(scope="module", autouse=True)
def host_addresses(lab):
    """The host under attack forwards, answers on addresses of its own and has a default route."""
    host = lab.hosts["h1"]
    for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        netns.sysctl(host.netns, key, 1)
    host.ip("address", "add", f"{INSIDE}/32", "dev", "lo")
    host.ip("address", "add", f"{OTHER}/128", "dev", "lo", "nodad")


@pytest.fixture(scope="module")
def ground(lab):
    return Ground(lab.hosts["h1"])


@pytest.fixture(autouse=True)
def as_wanted(request, ground):
    """With the walls as doved built them; for a control, without. Controls come last (conftest.py)."""
    wanted = getattr(request.node, "callspec", None)
    ground.make(wanted is None or stands(wanted.params.get("wall", "wall")))


class Ground:
    """The host under attack, and whether its walls stand."""

    def __init__(self, host):
        self.host, self.standing = host, True

    def make(self, standing):
        if standing != self.standing:
            self._restore() if standing else self._take_away()
        if not standing:
            for bridge in bridges(self.host):
                netns.sysctl(self.host.netns, f"ipv6.conf.{bridge}.disable_ipv6", 0)

    def _take_away(self):
        self.before = wall_state(self.host)
        assert all(self.before.values()), f"doved has built no walls: {self.before}"
        self.host.restart_without_walls()
        self.standing = False

    def _restore(self):
        self.host.kill_doved()
        self.host.start()
        self.host.wait_ports()
        wait_until("the walls stand again", lambda: wall_state(self.host) == self.before)
        self.standing = True


def bridges(host):
    return [link["ifname"] for link in host.links() if link["ifname"].startswith("dvbr")]


def wall_state(host):
    """Part -> whether it stands."""
    state = {f"{bridge} has no IPv6": netns.read_sysctl(
        host.netns, f"ipv6.conf.{bridge}.disable_ipv6") == "1" for bridge in bridges(host)}
    tables = json.loads(run("nft", "-j", "list", "tables", netns=host.netns).out)["nftables"]
    return state | {f"table {family}": any(t.get("table", {}).get("family") == family for t in tables)
                    for family in ("inet", "bridge", "arp")}


def stands(wall):
    return wall == "wall"


def settle(wall="wall", came=lambda: True):
    """A moment for what must not come; without the wall until it came."""
    if stands(wall):
        time.sleep(0.3)
    else:
        give_time(came)


WALL_OR_CONTROL = pytest.mark.parametrize("wall", ["wall", "control"])


def check(wall, came):
    """`came`: how often the attempt came through."""
    if stands(wall):
        assert came == 0, f"came through: {came}"
    else:
        assert came > 0, "control: it does not come through without the wall either"


# --- and yet

@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("family", ["ipv4", "ipv6", "link_local"])
def test_guests_of_a_network_reach_each_other(lab, family):
    """Cold, on one bridge and between hosts, whatever br_netfilter makes of bridged frames."""
    for a, b in (("red1", "red4"), ("red1", "red2"), ("red3", "red1")):
        a, b = lab.guests[a], lab.guests[b]
        cold.make_cold(a, b)
        result = traffic.ping(a, getattr(b, family), 3)
        assert result.lost == 0, f"{a.name} to {b.name}: {result}"


# --- the host's own stack

@contextlib.contextmanager
def listener(host, family):
    """A service of the host on all its addresses; yields a function that counts what it got."""
    with netns.inside(host.netns):
        service = socket.socket(family, socket.SOCK_DGRAM)
    service.bind(("", 7777))
    service.setblocking(False)

    count = 0

    def received():
        nonlocal count
        with contextlib.suppress(BlockingIOError):
            while True:
                service.recv(4096)
                count += 1
        return count
    with service:
        yield received


def to_bridge_mac(lab, guest, destination, payload=b"<intruder>", port=7777, source=None):
    """A UDP packet in a frame to the MAC of the guest's own bridge, on its host."""
    bridge = guest.host.mac_of(f"dvbr{guest.vni}")
    source = source or (guest.ipv6 if ":" in destination else guest.ipv4)
    packet = frames.udp_packet(source, destination, 4321, port, payload)
    kind = frames.ETH_IPV6 if ":" in destination else frames.ETH_IPV4
    guest.send_frames([frames.ethernet(bridge, guest.mac, kind, packet)] * 3)


@pytest.mark.usefixtures("br_netfilter")
@WALL_OR_CONTROL
@pytest.mark.parametrize("target", ["vtep", INSIDE, OTHER])
def test_no_address_of_the_host_is_reached_by_the_bridges_mac(lab, wall, target):
    host, guest = lab.hosts["h1"], lab.guests["red1"]
    address = host.vtep if target == "vtep" else target
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with listener(host, family) as received:
        to_bridge_mac(lab, guest, address)
        settle(wall, received)
        check(wall, received())


@pytest.mark.usefixtures("br_netfilter")
@WALL_OR_CONTROL
def test_the_host_answers_no_arp_of_a_guest(lab, wall):
    host, guest = lab.hosts["h1"], lab.guests["red1"]

    def answers():
        read = [frames.read_arp(f.data) or (0,) for f in seen.at(guest.name)]
        return sum(arp[0] == 2 and arp[2] == INSIDE for arp in read)

    with Capture.of_guests([guest]) as seen:
        request = frames.arp_request(guest.mac, guest.ipv4, INSIDE)
        # To the bridge's MAC: a broadcast one may be answered for other reasons, or eaten.
        bridge = host.mac_of(f"dvbr{guest.vni}")
        guest.send_frames([request, frames.mac_bytes(bridge) + request[6:]], interval=0.01)
        settle(wall, answers)
    check(wall, answers())


@pytest.mark.usefixtures("br_netfilter")
def test_a_guest_pings_no_address_of_its_host(lab):
    """By its own stack, with a route to each of them; and everybody at once."""
    guest, peer = lab.guests["red1"], lab.guests["red4"]
    for address in (lab.hosts["h1"].vtep, INSIDE):
        guest.ip("route", "replace", address, "dev", "eth0")
        assert traffic.ping(guest, address, 2, 0.2, 1).lost == 2, address
    answering = answers_to_everybody(guest)
    assert peer.link_local in answering, f"control: guests do answer: {answering}"
    assert not answering & link_locals(lab.hosts["h1"])


def link_locals(host):
    shown = json.loads(host.ip("-j", "-6", "address", "show").out)
    return {row["local"] for link in shown for row in link.get("addr_info", []) if row}


def answers_to_everybody(guest):
    out = guest.run("ping", "-n", "-c", "2", "-i", "1", "-W", "1", "ff02::1%eth0", check=False).out
    return {line.split("from ")[1].split("%")[0].rstrip(":") for line in out.splitlines()
            if "bytes from" in line}


# --- VXLAN made by a guest

@pytest.mark.usefixtures("br_netfilter")
@WALL_OR_CONTROL
@pytest.mark.parametrize("victim", ["blue1", "blue2"])
def test_no_guest_injects_vxlan_by_the_bridges_mac(lab, wall, victim):
    """From VNI red into VNI blue: on its own host, and through its host's routing on another."""
    host, guest, victim = lab.hosts["h1"], lab.guests["red1"], lab.guests[victim]
    inner = frames.tagged(victim.mac, "02:00:00:00:00:66", b"<injected>")
    # A known host as the source gets by the filter of the receiver.
    source = lab.hosts["h3"].vtep
    with Capture.of_guests([victim]) as seen:
        to_bridge_mac(lab, guest, victim.host.vtep, frames.vxlan(victim.vni, inner),
                      frames.VXLAN_PORT, source)
        settle(wall, lambda: seen.count(victim.name, b"<injected>"))
    check(wall, seen.count(victim.name, b"<injected>"))


# --- local users

SENDER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sender = socket.socket(family, socket.SOCK_DGRAM)
sender.bind((sys.argv[3], 0))
try:
    for _ in range(3):
        sender.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 4789))
    print("sent")
except OSError as refused:
    print(refused.strerror)
"""


def send_as_nobody(host, address, payload):
    """From the VTEP, as the kernel's own packets."""
    return run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
               "/usr/bin/python3", "-c", SENDER, address, payload.hex(), host.vtep,
               netns=host.netns).out


def injected(lab, victim, tag):
    inner = frames.tagged(victim.mac, "02:00:00:00:00:66", tag)
    return frames.vxlan(victim.vni, inner)


@WALL_OR_CONTROL
@pytest.mark.parametrize("victim", ["red1", "red2"])
def test_no_local_user_injects_into_the_tunnel(lab, wall, victim):
    """To the VTEP of another host, and to that of its own."""
    host, victim = lab.hosts["h1"], lab.guests[victim]
    with Capture.of_guests([victim]) as seen:
        said = send_as_nobody(host, victim.host.vtep, injected(lab, victim, b"<by a user>"))
        settle(wall, lambda: seen.count(victim.name, b"<by a user>"))
    check(wall, seen.count(victim.name, b"<by a user>"))
    assert ("sent" in said) == (not stands(wall)), said


def family(host):
    """As ip(8) has it, of the underlay."""
    return "-6" if ":" in host.vtep else "-4"


def punt_address(host):
    """The other end of dvpunt's /31 or /127: what the kernel sends the unknown to."""
    rows = json.loads(host.ip("-j", family(host), "address", "show", "dev", "dvpunt").out)
    row = next(row for link in rows for row in link.get("addr_info", [])
               if row.get("scope") == "global")
    if "address" in row:
        return row["address"]
    return str(ipaddress.ip_address(int(ipaddress.ip_address(row["local"])) ^ 1))


@WALL_OR_CONTROL
def test_no_local_user_injects_into_the_punt(lab, wall):
    host, victim = lab.hosts["h1"], lab.guests["red2"]
    assert traffic.ping(lab.guests["red1"], victim.ipv4, 1).lost == 0
    with Capture.of_guests([victim]) as seen:
        said = send_as_nobody(host, punt_address(host), injected(lab, victim, b"<into the punt>"))
        settle(wall, lambda: seen.count(victim.name, b"<into the punt>"))
    check(wall, seen.count(victim.name, b"<into the punt>"))
    assert ("sent" in said) == (not stands(wall)), said


# --- the default route

def leaks(seen, host, lab):
    """Tagged frames, in any wrapping, that left by the underlay towards nobody's VTEP."""
    vteps = {other.vtep for other in lab.hosts.values()}
    count = 0
    for frame in seen.all(host.name):
        outer = frames.outer_ipv4(frame.data) or frames.outer_ipv6(frame.data)
        if frame.outgoing and b"<unknown>" in frame.data and (not outer or outer[1] not in vteps):
            count += 1
    return count


def send_unknown(guest):
    guest.send_frames([frames.tagged(f"02:00:00:00:77:{n:02x}", guest.mac, b"<unknown>")
                       for n in range(10)], interval=0.02)


def take_away(host, vni, guard):
    """One of the things that keep a punted frame on this host."""
    if guard == "nft":
        host.flush_walls("ruleset")
    elif guard == "unreachable":
        shown = json.loads(host.ip("-j", family(host), "route", "show", "type", "unreachable").out)
        assert shown, "no unreachable route behind the punt"
        for route in shown:
            host.ip(family(host), "route", "del", "unreachable", route["dst"], "metric",
                    route["metric"])
    else:
        entry = ["00:00:00:00:00:00", "dev", f"dvx{vni}", "dst", punt_address(host)]
        run("bridge", "-n", host.netns, "fdb", "del", *entry, "via", "dvpunt", "self")
        run("bridge", "-n", host.netns, "fdb", "append", *entry, "self", "permanent")


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("without,leaks_out", [
    ([], False), (["nft", "unreachable"], False), (["nft", "via"], False),
    (["unreachable", "via"], False), (["nft", "unreachable", "via"], True)],
    ids=["all", "via alone", "unreachable alone", "nft alone", "control"])
def test_no_guest_frame_leaves_by_the_default_route(lab, without, leaks_out):
    """dvpunt loses its address, as after a careless `ip address flush`, while nobody is there to
    repair it."""
    host, guest = lab.hosts["h3"], lab.guests["red3"]
    if without == ["nft", "unreachable"]:  # IPv6 takes a device with a way before the one named
        leaks_out = ":" in host.vtep
    elif without == ["unreachable", "via"]:  # and has a wall instead
        leaks_out = ":" not in host.vtep
    host.doved.kill()
    try:
        for guard in without:
            take_away(host, guest.vni, guard)
        host.ip("address", "flush", "dev", "dvpunt")
        with Capture.of_hosts([host]) as seen:
            send_unknown(guest)
            settle("control" if leaks_out else "wall", lambda: leaks(seen, host, lab))
        count = leaks(seen, host, lab)
        assert (count > 0) == leaks_out, f"{count} frames left"
    finally:
        host.start()
    assert_served(lab, guest)


def assert_served(lab, guest):
    """After a restart everything is as doved wants it, whatever was done to it."""
    peer = lab.guests["red1"]
    guest.host.wait_ports()
    guest.wait_forwarding()
    for a, b in ((peer, guest), (guest, peer)):
        cold.make_cold(a, b)
        result = traffic.ping(a, b.ipv4, 3)
        assert result.lost == 0, result


# --- foreign hands

FOREIGN = {
    "punt": lambda host, vni: host.ip("link", "del", "dvpunt"),
    "punt down": lambda host, vni: host.ip("link", "set", "dvpunt", "down"),
    "default entry": lambda host, vni: run(
        "bridge", "-n", host.netns, "fdb", "del", "00:00:00:00:00:00", "dev", f"dvx{vni}", "self"),
    "walls": lambda host, vni: run("nft", "flush", "ruleset", netns=host.netns),
    "one rule": lambda host, vni: run("nft", "flush", "chain", "inet", "dove", "input",
                                      netns=host.netns),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("doved", ["running", "down"])
def test_what_somebody_else_took_away_is_made_again(lab, what, doved):
    host, guest = lab.hosts["h3"], lab.guests["red3"]
    before, walls_before = kernel_state(host, guest.vni), wall_text(host)
    if doved == "down":
        host.doved.kill()
    FOREIGN[what](host, guest.vni)
    if doved == "down":
        host.start()
    wait_until(f"{what} is there again", lambda: kernel_state(host, guest.vni) == before
               and wall_text(host) == walls_before, 10)
    assert_served(lab, guest)
    assert host.status()["problem"] is None


def kernel_state(host, vni):
    """Of the punt: whether it is up, has its address, and unknown frames go there and nowhere else."""
    punt = [(link["ifname"], "UP" in link["flags"]) for link in host.links()
            if link["ifname"] == "dvpunt"]
    addresses = json.loads(host.ip("-j", "address", "show", "dev", "dvpunt", check=False).out or "[]")
    default = [(row["dst"], row.get("via")) for row in host.fdb(vni)
               if row["mac"] == "00:00:00:00:00:00"]
    return punt, [a["local"] for link in addresses for a in link.get("addr_info", [])], default


def wall_text(host):
    """The walls, less what packets change in them: of each chain its rules in their order; in what
    order chains, sets and counters were made does not matter."""
    listing = json.loads(run("nft", "-j", "list", "ruleset", netns=host.netns).out)["nftables"]
    others, rules = set(), {}
    for kind, item in (next(iter(entry.items())) for entry in listing):
        if kind == "rule":
            rules.setdefault((item["family"], item["table"], item["chain"]), []).append(item["expr"])
            continue
        lasting = {key: value for key, value in item.items()
                   if key not in ("handle", "packets", "bytes")}
        if "size" in item:  # filled by packets
            lasting.pop("elem", None)
        lasting["elem"] = sorted(map(json.dumps, lasting.get("elem", [])))
        others.add(f"{kind} {json.dumps(lasting, sort_keys=True)}")
    return others, rules


def test_a_port_can_be_added_when_the_walls_have_just_gone(lab):
    host, guest = lab.hosts["h3"], lab.guests["red3"]
    host.dovectl("port", "del", guest.port)
    run("nft", "flush", "ruleset", netns=host.netns)
    host.dovectl("port", "add", guest.port, "endpoint", guest.name)
    assert_served(lab, guest)
