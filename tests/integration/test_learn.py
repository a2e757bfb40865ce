"""Guests that nobody registered: who is behind a port of a network that learns becomes an endpoint by
speaking, is reached from everywhere like one that was registered, leaves when it is silent, and
takes nothing from anybody. `silent` and `red` are the controls: a registered guest and a second tenant
with the same everything, which does not learn.
"""
import itertools
import json
import signal
import time

import pytest
from dovelab import cold, frames, traffic, wait_until
from dovelab.capture import Capture
from dovelab.run import run

MAC = "02:00:00:00:00:{:02x}"
AGEING = 3


def guest(number, host, network="net", prefix=1, **more):
    return {"network": network, "host": host, "mac": MAC.format(number),
            "ips": [f"10.{prefix}.0.{10 + number}", f"fd00:{prefix}::{10 + number}"], **more}


def heard(number, host, **more):
    return guest(number, host, registered=False, **more)


def subnets(prefix):
    return {"subnets": [f"10.{prefix}.0.0/24", f"fd00:{prefix}::/64"], "routed": True}


LAB = {"hosts": ["h1", "h2", "h3"], "doved": ["--learn-ageing", str(AGEING)],
       "tenants": {"blue": {"net": {"vni": 100, "learn": True, **subnets(1)},
                            "other": {"vni": 101, **subnets(2)}},
                   "red": {"red-net": {"vni": 200, **subnets(1)}}},
       "guests": {"a": heard(1, "h1"), "b": heard(2, "h2"), "c": heard(3, "h1"),
                  "known": guest(4, "h3"), "nest": guest(5, "h2", security="off"),
                  "far": guest(6, "h3", "other", 2), "away": {**guest(7, None)},
                  "red1": guest(1, "h2", "red-net")}}
FAMILIES = ("ipv4", "ipv6")


def endpoints(lab):
    """MAC -> dynamic endpoint."""
    return {row["mac"]: row for row in lab.show("endpoint", "show", "network", "net")
            if row["dynamic"]}


def wait_learned(lab, mac, ips):
    """Until it is an endpoint that has these addresses; returns that."""
    wait_until(f"{mac} is learned with {ips}", lambda: set(ips) <= set(
        endpoints(lab).get(mac, {}).get("ips", [])), 5)
    return endpoints(lab)[mac]


def counted(guest, device=None):
    port = guest.host.show("-s", "port", "show", device or guest.port)[0]
    return port["counters"]


def answers(lab, one, other, families=FAMILIES, wait=5):
    for family in families:
        result = traffic.ping(lab.guests[one], getattr(lab.guests[other], family), 3, wait=wait)
        assert result.lost == 0, f"{one} to {other}: {result}"


def test_nobody_is_an_endpoint_by_its_port_alone(lab):
    host = lab.hosts["h1"]
    port = host.show("port", "show", "p-a")[0]
    assert (port["endpoint"], port["mac"], port["network"]) == (None, None, "net")
    refused = lab.hosts["h2"].dovectl("port", "add", "p-red1", "network", "red-net", check=False)
    assert refused.code == 2 and "endpoint" in refused.err
    host.ip("link", "add", "spare", "type", "veth", "peer", "name", "spare2")
    try:
        refused = host.dovectl("port", "add", "spare", "network", "red-net", check=False)
        assert refused.code == 2 and "red-net" in refused.err and "learn on" in refused.err
        assert host.dovectl("port", "add", "spare", "network", "net", "endpoint", "known",
                            check=False).code == 1
    finally:
        host.ip("link", "del", "spare")


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("one,other", [("a", "b"), ("c", "a"), ("b", "known"), ("known", "c"),
                                       ("nest", "a")])
def test_whoever_speaks_is_reached_from_everywhere(lab, one, other):
    """The first time neither has said a word of IPv4."""
    answers(lab, one, other)
    for name in (one, other):
        if not lab.guests[name].registered:
            row = wait_learned(lab, lab.guests[name].mac, lab.guests[name].ips)
            assert sorted(row["ips"]) == sorted(lab.guests[name].ips)
            assert (row["host"], row["state"]) == (lab.guests[name].host.name, "active")


def test_it_is_shown_as_dynamic(lab):
    answers(lab, "a", "b")
    text = lab.dovectl("endpoint", "show", "network", "net").out
    line = next(line for line in text.splitlines() if lab.guests["a"].mac in line)
    assert " dynamic on" in line and "dyn-100-020000000001" in line
    assert lab.hosts["h1"].show("port", "show", "p-a")[0]["learned"] == 1
    assert counted(lab.guests["a"])["learned"] >= 1
    known = next(line for line in text.splitlines() if lab.guests["known"].mac in line)
    assert "dynamic" not in known


def test_nothing_is_lost_once_it_is_learned(lab):
    answers(lab, "a", "b")
    for family in FAMILIES:
        result = traffic.ping(lab.guests["a"], getattr(lab.guests["b"], family), 100, 0.005)
        assert result.lost == 0, result


@pytest.mark.usefixtures("br_netfilter")
def test_networks_route_to_it_and_another_tenant_does_not(lab):
    answers(lab, "a", "known")
    answers(lab, "far", "a")
    answers(lab, "a", "far")
    red = lab.guests["red1"]
    for address in (lab.guests["b"].ipv4, lab.guests["b"].ipv6):
        assert traffic.ping(red, address, 1, wait=1).times == {}
    with Capture.of_guests([red]) as seen:
        lab.guests["a"].send_frames([frames.gratuitous_arp(lab.guests["a"].mac,
                                                           lab.guests["a"].ipv4)])
        answers(lab, "a", "b")
    assert not [f for f in seen.at("red1") if frames.mac_bytes(lab.guests["a"].mac) in f.data]


NESTED = itertools.count(0x30)  # others each time: who left a port is not learned there at once


class Nested:
    """A guest behind a guest: a MAC and addresses of its own by the same wire."""

    def __init__(self, outer, number):
        self.outer, self.number, self.name = outer, number, f"n{number}"
        self.mac, self.ips = MAC.format(number), [f"10.1.0.{10 + number}", f"fd00:1::{10 + number:x}"]
        self.netns = f"{outer.netns}-{self.name}"

    def __enter__(self):
        run("ip", "netns", "add", self.netns)
        run("ip", "-n", self.outer.netns, "link", "add", self.name, "link", "eth0", "address",
            self.mac, "type", "macvlan", "mode", "bridge")
        run("ip", "-n", self.outer.netns, "link", "set", self.name, "netns", self.netns)
        for ip in self.ips:
            run("ip", "-n", self.netns, "address", "add", f"{ip}/{'64' if ':' in ip else '24'}",
                "dev", self.name, *(["nodad"] if ":" in ip else []))
        run("ip", "-n", self.netns, "link", "set", self.name, "up")
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.netns)

    def run(self, *words, **options):
        return run(*words, netns=self.netns, **options)

    def ping(self, address):
        return traffic.ping(self, address, 3, 0.05, 5)


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("outer", ["a", "nest"])
def test_several_guests_behind_one_port(lab, outer):
    """Behind one that nobody registered, and behind a registered one without port security."""
    outside = lab.guests[outer]
    with Nested(outside, next(NESTED)) as one, Nested(outside, next(NESTED)) as two:
        for nested in (one, two):
            for ip in (lab.guests["known"].ipv4, lab.guests["known"].ipv6, lab.guests["b"].ipv4):
                result = nested.ping(ip)
                assert result.lost == 0, result
            row = wait_learned(lab, nested.mac, nested.ips[:1])
            assert row["host"] == outside.host.name
        answered = traffic.ping(lab.guests["known"], one.ips[0], 3)
        assert answered.lost == 0, answered
        assert outside.host.show("port", "show", outside.port)[0]["learned"] >= 2


def test_a_dhcp_client_loses_not_even_its_first_word(lab):
    """From a MAC that nobody has heard, to servers on its own and on other hosts; and the answer."""
    a, c, known = (lab.guests[name] for name in ("a", "c", "known"))
    client = MAC.format(0x41)
    discover, offer = (b"<discover>".ljust(300, b"\0"), b"<offer>".ljust(300, b"\0"))
    packet = frames.udp_packet("0.0.0.0", "255.255.255.255", 68, 67, discover)
    rarp = frames.ethernet(frames.BROADCAST, MAC.format(0x42), frames.ETH_RARP,
                           b"<rarp>".ljust(46, b"\0"))
    asking = frames.ethernet(frames.BROADCAST, client, frames.ETH_IPV4, packet)
    with Capture.of_guests([c, known]) as seen:
        a.send_frames([asking, rarp])
        for tag in (b"<discover>", b"<rarp>"):
            wait_until(f"{tag} is there", lambda: seen.count("c", tag) and seen.count("known", tag), 5)
        time.sleep(0.3)
        assert [seen.count(name, tag) for name in ("c", "known")
                for tag in (b"<discover>", b"<rarp>")] == [1, 1, 1, 1]
    answer = frames.ethernet(client, known.mac, frames.ETH_IPV4,
                             frames.udp_packet(known.ipv4, "10.1.0.90", 7, 7, offer))
    with Capture.of_guests([a]) as seen:
        a.send_frames([asking])  # it may have been silent for too long
        wait_until("it is learned", lambda: client in endpoints(lab), 5)
        known.send_frames([answer])
        wait_until("the answer is there", lambda: seen.count("a", b"<offer>"), 5)


def first_word(lab, number, to, tag):
    """Of one behind a's port whom nobody has heard, to a guest's own MAC; as an Ethernet frame."""
    packet = frames.udp_packet(f"10.1.0.{number}", to.ipv4, 7, 7, tag)
    mac = MAC.format(number)
    lab.guests["a"].send_frames([frames.ethernet(to.mac, mac, frames.ETH_IPV4, packet)])
    wait_until("it is learned", lambda: mac in endpoints(lab), 5)


def test_a_first_word_passes_no_entry_for_the_router(lab):
    """What is kept back and said again comes from its guest: the kernel's entry for a MAC in
    another network is not for it. The control is one by an entry in its own."""
    host, known, far = lab.hosts["h1"], lab.guests["known"], lab.guests["far"]
    answers(lab, "a", "known")
    wait_until("there is an entry", lambda: host.remote_fdb(100, known.mac))
    cold.remove_entries(host, 100, {far.mac}, {far.ipv4, far.ipv6})
    run("bridge", "-n", host.netns, "fdb", "replace", far.mac, "dev", "dvx100", "dst",
        far.host.vtep, "vni", far.vni, "self", "dynamic")

    def leads_there():
        return [row.get("vni") for row in host.remote_fdb(100, far.mac)] == [far.vni]
    assert leads_there()
    before = host.counters()["wall_unrouted_sent"]
    with Capture.of_guests([known, far]) as seen:
        first_word(lab, 0x90, far, b"<into the other network>")
        wait_until("it is dropped, or there", lambda: seen.count("far", b"<into the other network>")
                   or host.counters()["wall_unrouted_sent"] > before)
        assert leads_there()
        first_word(lab, 0x91, known, b"<within its own>")
        wait_until("the control is there", lambda: seen.count("known", b"<within its own>"))
        time.sleep(0.2)  # for what must not come
    assert seen.count("far", b"<into the other network>") == 0
    assert seen.count("known", b"<within its own>") == 1
    assert host.counters()["wall_unrouted_sent"] == before + 1


def test_the_silent_leave_and_the_quiet_stay(lab):
    """a and b say nothing, but answer when they are asked; one that is no more does not."""
    answers(lab, "a", "b")
    gone = MAC.format(0x40)
    a = lab.guests["a"]
    guests = {guest.mac for guest in lab.guests.values()}
    wait_until("whom the tests before made has gone", lambda: set(endpoints(lab)) <= guests,
               AGEING + 12)
    a.send_frames([frames.gratuitous_arp(gone, "10.1.0.80")])
    wait_until("it is learned", lambda: gone in endpoints(lab), 5)
    before = counted(a)["learned_aged"]
    wait_until("it has gone", lambda: gone not in endpoints(lab), AGEING + 12)
    assert counted(a)["learned_aged"] == before + 1
    left = endpoints(lab)
    for name in ("a", "b"):
        assert sorted(left[lab.guests[name].mac]["ips"]) == sorted(lab.guests[name].ips)
    assert not lab.hosts["h1"].remote_fdb(100, gone)
    assert gone not in {row["mac"] for row in lab.hosts["h1"].fdb(100)}


def test_what_is_registered_is_nobody_elses(lab):
    """Its MAC and its addresses, a gateway's, the router's: nothing of it passes the port, and all
    of it goes on to be reached where it is. The control is the same from the forger's own."""
    a, known, c = (lab.guests[n] for n in ("a", "known", "c"))
    answers(lab, "a", "known")
    answers(lab, "c", "known")
    router = lab.hosts["h1"].router_mac(100)
    before = counted(a)["learn_refused"]
    forged = {
        "MAC": frames.tagged(c.mac, known.mac, b"<forged mac>"),
        "detached MAC": frames.gratuitous_arp(lab.guests["away"].mac, lab.guests["away"].ipv4),
        "router": frames.tagged(c.mac, router, b"<forged router>"),
        "IP": frames.gratuitous_arp(a.mac, known.ipv4),
        "IPv6": frames.unsolicited_advertisement(a.mac, known.ipv6),
        "gateway": frames.gratuitous_arp(a.mac, "10.1.0.1"),
        "foreign": frames.gratuitous_arp(a.mac, "10.9.0.1"),
        "packet": frames.ethernet(c.mac, a.mac, frames.ETH_IPV4, frames.udp_packet(
            known.ipv4, c.ipv4, 5, 9, b"forged"))}
    own = frames.gratuitous_arp(a.mac, a.ipv4)
    with Capture.of_guests([c, known]) as seen:
        for _ in range(3):
            a.send_frames([*forged.values(), own], interval=0.01)
            time.sleep(0.1)
    for name, frame in forged.items():
        for other in ("c", "known"):
            came = [f for f in seen.at(other) if f.data[:len(frame)] == frame]
            assert not came, f"{name} reached {other}"
    assert [f for f in seen.at("c") if f.data[:len(own)] == own], "control"
    wait_until("they are counted", lambda: counted(a)["learn_refused"] - before >= 5, 5)
    assert counted(a)["unknown_dropped"] > 0
    row = lab.show("endpoint", "show", "known")[0]
    assert (row["host"], sorted(row["ips"]), row["dynamic"]) == ("h3", sorted(known.ips), False)
    away = lab.show("endpoint", "show", "away")[0]
    assert away["state"] == "detached" and known.mac not in endpoints(lab)
    answers(lab, "c", "known")


def test_a_guest_that_moves_is_found_at_its_new_host(lab):
    answers(lab, "known", "b")
    b = lab.guests["b"]
    before = endpoints(lab)[b.mac]
    # The old port stays where it is: the new one is another host's word.
    old = b.host
    run("ip", "link", "add", "p-b2", "netns", lab.hosts["h3"].netns, "type", "veth", "peer", "name",
        "eth1", "netns", b.netns, "address", b.mac)
    lab.hosts["h3"].dovectl("port", "add", "p-b2", "network", "net")
    try:
        b.ip("link", "set", "eth0", "down")
        b.ip("link", "set", "eth1", "up", "mtu", 1450)
        b.ip("address", "add", f"{b.ipv4}/24", "dev", "eth1")
        with_socket = ["ping", "-n", "-I", "eth1", "-c", 1, "-W", 2, lab.guests["known"].ipv4]
        wait_until("it is answered", lambda: b.run(*with_socket, check=False).code == 0, 10)
        row = endpoints(lab)[b.mac]
        assert row["host"] == "h3" and row["generation"] == before["generation"] + 1
        wait_until("the old host has let go",
                   lambda: old.show("port", "show", b.port)[0]["learned"] == 0, 5)
        for name in ("known", "a"):
            assert traffic.ping(lab.guests[name], b.ipv4, 3).lost == 0
    finally:
        lab.hosts["h3"].dovectl("port", "del", "p-b2")
        lab.hosts["h3"].ip("link", "del", "p-b2")
        b.ip("link", "set", "eth0", "up")
        b.ip("address", "add", f"{b.ipv6}/64", "dev", "eth0", check=False)
        b.wait_addresses()
    wait_until("it is back", lambda: traffic.ping(b, lab.guests["known"].ipv4, 1).lost == 0, 10)
    assert endpoints(lab)[b.mac]["host"] == "h2"


def test_what_is_registered_later_wins(lab):
    a, c = lab.guests["a"], lab.guests["c"]
    mac, ip = MAC.format(0x50), "10.1.0.90"
    a.send_frames([frames.gratuitous_arp(mac, ip)])
    wait_until("it is learned", lambda: endpoints(lab).get(mac, {}).get("ips") == [ip], 5)
    lab.dovectl("endpoint", "add", "wins", "network", "net", "mac", mac, "ip", ip)
    try:
        assert mac not in endpoints(lab)
        row = lab.show("endpoint", "show", "wins")[0]
        assert (row["mac"], row["ips"], row["state"]) == (mac, [ip], "detached")
        wait_until("the port has let go", lambda: not lab.hosts["h1"].dovectl(
            "fdb", "show", "network", "net").out.count(mac), 5)
        frame = frames.tagged(c.mac, mac, b"<lost>")
        with Capture.of_guests([c]) as seen:
            a.send_frames([frame] * 3, interval=0.05)
        assert seen.count("c", b"<lost>") == 0
    finally:
        lab.dovectl("endpoint", "del", "wins")


def test_restarts_lose_nothing(lab):
    """Of doved, killed, and of the controller: flows of a guest that was learned go on."""
    answers(lab, "a", "b")
    answers(lab, "a", "known")
    running = [traffic.RunningPing(lab.guests["a"], lab.guests[name].ipv4, 0.02)
               for name in ("b", "known")]
    before = endpoints(lab)[lab.guests["a"].mac]
    lab.hosts["h1"].kill_doved()
    time.sleep(0.3)
    lab.hosts["h1"].start()
    lab.controller.kill()
    lab.start_controller()
    for host in lab.hosts.values():
        host.wait_connected()
    time.sleep(1)
    for ping in running:
        result = ping.stop()
        assert result.lost == 0 and result.sent > 50, result
    after = endpoints(lab)[lab.guests["a"].mac]
    assert (after["generation"], after["host"]) == (before["generation"], "h1")
    assert lab.hosts["h1"].show("port", "show", "p-a")[0]["learned"] == 1


def test_who_goes_with_doved_down_is_gone(lab):
    """Its port's device: what the controller still has of it is taken back at the next start."""
    host, c = lab.hosts["h1"], lab.guests["c"]
    answers(lab, "c", "known")
    host.kill_doved()
    host.ip("link", "del", c.port)
    host.start()
    wait_until("it is unlearned", lambda: c.mac not in endpoints(lab), 5)
    c._make_device(host)
    c._configure()
    c.wait_addresses()
    wait_until("its port is back", lambda: traffic.ping(c, lab.guests["known"].ipv4, 1).lost == 0, 10)


@pytest.mark.parametrize("number, first, then, left_behind", [(0x58, "nest", "a", "b"),
                                                              (0x59, "a", "nest", "c")])
def test_a_nested_guest_that_moves_is_reached_from_its_former_host(lab, number, first, then,
                                                                   left_behind):
    """From behind an open port, and to behind one."""
    guests = lab.guests
    for outer in (first, then):
        with Nested(guests[outer], number) as nested:
            wait_until(f"it is behind {outer}", lambda: nested.ping(guests["known"].ipv4).times)
            wait_until("the controller knows", lambda: endpoints(lab).get(nested.mac, {}).get(
                "host") == guests[outer].host.name, 5)
            wait_until(f"{left_behind} reaches it there", lambda: traffic.ping(
                guests[left_behind], nested.ips[0], 1, wait=1).lost == 0)


ADDRESSES = 16  # of one guest at most


@pytest.mark.parametrize("outer", ["a", "nest"])
def test_addresses_of_one_guest_are_bounded(lab, outer):
    """Behind a port of nobody's no other passes either, behind an open one each does. Who is behind
    another port of the host does not notice."""
    outside, aside = lab.guests[outer], lab.guests["c" if outer == "a" else "b"]
    mac, spoken = MAC.format(0x60), [f"10.1.0.{n}" for n in range(50, 250)]
    before = counted(outside)["learn_over_bound"]
    answers(lab, aside.name, "known")
    running = traffic.RunningPing(aside, lab.guests["known"].ipv4, 0.02)

    def known_after_another_round():
        outside.send_frames([frames.gratuitous_arp(mac, ip) for ip in spoken], interval=0.002)
        known = endpoints(lab).get(mac, {}).get("ips", [])
        assert len(known) <= ADDRESSES
        return known

    wait_until("there is no more room", lambda: len(known_after_another_round()) == ADDRESSES
               and counted(outside)["learn_over_bound"] >= before + 50, 15)
    known = known_after_another_round()
    time.sleep(0.5)  # for what must not come
    assert endpoints(lab)[mac]["ips"] == known
    assert outside.host.show("port", "show", outside.port)[0]["learned"] >= 1
    expected = set(known if outer == "a" else spoken)
    assert passing(outside, aside, mac, spoken, expected) == expected
    asker, unknown = lab.guests["known"], next(ip for ip in spoken if ip not in known)
    assert traffic.ping(asker, unknown, 1, wait=0.5).lost == 1

    def led():
        """By an answer: what is announced changes only what is there."""
        asker.ip("neigh", "del", known[0], "dev", "eth0", check=False)
        outside.send_frames([frames.gratuitous_arp(mac, known[0])])  # or it leaves by silence
        traffic.ping(asker, known[0], 1, wait=0.5)
        return asker.neighbours().get(known[0]) == mac
    wait_until("one that is known is led to it", led, 5)
    assert unknown not in asker.neighbours()
    result = running.stop()
    assert result.lost == 0 and result.sent > 50, result


def passing(sender, receiver, mac, sources, expected):
    """Those from which a packet of this MAC comes to a guest of the same host."""
    packets = {ip: frames.ethernet(receiver.mac, mac, frames.ETH_IPV4, frames.udp_packet(
        ip, "192.0.2.1", 5, 9, b"bounded")) for ip in sources}

    def arrived(seen):
        came = {frame.data for frame in seen.at(receiver.name)}
        return {ip for ip, packet in packets.items() if packet in came}

    with Capture.of_guests([receiver]) as seen:
        sender.send_frames(packets.values(), interval=0.001)
        wait_until("those that pass arrive", lambda: arrived(seen) >= expected)
        time.sleep(0.2)
    return arrived(seen)


def test_a_flood_of_strangers_is_bounded(lab):
    """Beyond the bound of its port nobody more is learned, and those who are stay; who is behind other
    ports does not notice."""
    a, c = lab.guests["a"], lab.guests["c"]
    answers(lab, "a", "b")
    answers(lab, "c", "b")
    running = traffic.RunningPing(c, lab.guests["b"].ipv4, 0.02)
    revision = lab.revision()
    for start in range(0, 20000, 1000):
        a.send_frames([frames.gratuitous_arp(f"02:aa:00:00:{i >> 8:02x}:{i & 255:02x}",
                                             f"10.1.0.{100 + i % 100}")
                       for i in range(start, start + 1000)])
    port = lab.hosts["h1"].show("port", "show", a.port)[0]
    assert 1 < port["learned"] <= 64
    counters = counted(a)
    assert counters["unheard_dropped"] > 10000
    assert lab.revision() - revision < 1000
    assert len(endpoints(lab)) < 64 + 8
    assert running.stop().lost == 0
    answers(lab, "a", "b")
    fdb = json.loads(run("bridge", "-n", lab.hosts["h1"].netns, "-j", "fdb", "show", "dev",
                         a.port).out)
    assert len(fdb) < 100


def test_learning_ends_by_command(lab):
    answers(lab, "a", "b")
    lab.dovectl("network", "set", "net", "learn", "off")
    assert not endpoints(lab)
    wait_until("the port has let go",
               lambda: lab.hosts["h1"].show("port", "show", "p-a")[0]["learned"] == 0, 5)
    assert traffic.ping(lab.guests["a"], lab.guests["known"].ipv4, 1, wait=1).times == {}
    lab.dovectl("network", "set", "net", "learn", "on")
    wait_until("it is learned again",
               lambda: traffic.ping(lab.guests["a"], lab.guests["known"].ipv4, 1).lost == 0, 10)
    for name in ("a", "b"):  # whom others know is not asked for, and is learned when it speaks
        lab.guests[name].flush_neighbours()
    answers(lab, "a", "b")


def test_a_port_that_goes_takes_its_guests_along(lab):
    c = lab.guests["c"]
    answers(lab, "c", "known")
    assert c.mac in endpoints(lab)
    c.unplug()
    wait_until("it is unlearned", lambda: c.mac not in endpoints(lab), 10)
    c.plug(lab.hosts["h2"])
    c.wait_addresses()
    answers(lab, "c", "known")
    assert endpoints(lab)[c.mac]["host"] == "h2"


def test_a_port_of_a_network_that_is_deleted_is_lost(lab):
    """With a controller that can tell, and at the next session of one that could not."""
    host = lab.hosts["h3"]
    for device, kill in (("brief0", False), ("brief1", True)):
        lab.dovectl("network", "add", "brief", "tenant", "red", "vni", 300, "learn", "on",
                    "subnet", "10.3.0.0/24")
        host.ip("link", "add", device, "type", "veth", "peer", "name", f"{device}-peer")
        try:
            host.dovectl("port", "add", device, "network", "brief")
            if kill:
                host.doved.end(signal.SIGKILL)
            lab.dovectl("network", "del", "brief")
            if kill:
                host.start()
            wait_until(f"{device} is lost",
                       lambda d=device: host.show("port", "show", d)[0]["state"] == "lost", 5)
            assert f'port "{device}" lost network "brief": its network was deleted' in \
                host.doved.log_text()
            assert host.dovectl("check").out == ""
            host.dovectl("port", "del", device)
        finally:
            host.ip("link", "del", device)


def test_nobody_ended(lab):
    assert not lab.problems()
