"""VXLAN from whom no controller knows: nothing of it reaches a guest. The same packet from a known
host's address does, so what is tried is a packet that would be taken. Nobody else who uses the port
is touched, and no packet of the tunnels is tracked.
"""
import contextlib
import json
import os
import shutil
import socket
import time

import pytest
from dovelab import cold, frames, give_time, netns, run, traffic, wait_until
from dovelab.capture import Capture
from dovelab.run import start as start_program

LABS = {underlay: {
    "underlay": underlay, "hosts": ["h1", "h2"],
    "tenants": {"red": {"red-net": {"vni": 100, "subnets": ["10.1.0.0/24", "fd00:1::/64"]}}},
    "guests": {"red1": {"network": "red-net", "host": "h1", "mac": "02:00:00:00:00:01",
                        "ips": ["10.1.0.11", "fd00:1::11"]},
               "red2": {"network": "red-net", "host": "h2", "mac": "02:00:00:00:00:02",
                        "ips": ["10.1.0.12", "fd00:1::12"]}}} for underlay in ("ipv4", "ipv6")}


def beside(host, last):
    """An address of the underlay, of the family of the hosts' VTEPs."""
    return f"fd99::{last}" if ":" in host.vtep else f"10.99.0.{last}"


@pytest.fixture(scope="module")
def stranger(lab):
    """A machine on the underlay that no controller knows, until its doved is started."""
    host = lab.hosts["h1"]
    more = ["/128", "nodad"] if ":" in host.vtep else ["/32"]
    host.ip("address", "add", beside(host, 67) + more[0], "dev", "eth0", *more[1:])
    yield lab.add_host("h9", beside(host, 66))
    lab.remove_host("h9")


def send(where, source, destination, payload, port=frames.VXLAN_PORT):
    """As from `source`, whoever has that address; three times."""
    packet = frames.udp_packet(source, destination, 55555, port, payload)
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with netns.inside(where.netns):
        raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        index = socket.if_nametoindex("eth0")
    scoped = (0, index) if destination.startswith("fe80:") else ()
    with raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        for _ in range(3):
            raw.sendto(packet, (destination, 0, *scoped))
    time.sleep(0.2)


def vxlan_to(guest, tag):
    return frames.vxlan(guest.vni, frames.tagged(guest.mac, "02:00:00:00:00:02", tag))


def strangers_dropped(host):
    return host.counters()["wall_strangers_dropped"]


def set_of(host):
    return "vteps6" if ":" in host.vtep else "vteps"


def known(host):
    shown = json.loads(run("nft", "-j", "list", "set", "inet", "dove", set_of(host),
                           netns=host.netns).out)
    return set(next(item["set"] for item in shown["nftables"] if "set" in item).get("elem", []))


def came_through(lab, where, source, expected=0):
    """How many of three frames; `expected` ones are waited for."""
    guest = lab.guests["red1"]
    with Capture.of_guests([guest]) as seen:
        send(where, source, guest.host.vtep, vxlan_to(guest, b"<by vxlan>"))
        give_time(lambda: seen.count(guest.name, b"<by vxlan>") >= expected)
    return seen.count(guest.name, b"<by vxlan>")


@pytest.mark.usefixtures("br_netfilter")
def test_a_stranger_reaches_no_guest_and_a_known_host_does(lab, stranger):
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    before = strangers_dropped(h1)
    assert came_through(lab, stranger, stranger.vtep) == 0
    wait_until("they are counted", lambda: strangers_dropped(h1) == before + 3, 5)
    assert came_through(lab, stranger, h2.vtep, 3) == 3, "control"
    assert strangers_dropped(h1) == before + 3
    # Nor by our own address.
    assert came_through(lab, stranger, h1.vtep) == 0


def test_it_holds_while_doved_is_down_and_after_its_return(lab, stranger):
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    h1.kill_doved()
    try:
        assert came_through(lab, stranger, stranger.vtep) == 0
        assert came_through(lab, stranger, h2.vtep, 3) == 3
    finally:
        h1.start()
    assert came_through(lab, stranger, stranger.vtep) == 0
    assert came_through(lab, stranger, h2.vtep, 3) == 3


def counted_packets(host, table, counter):
    """By nft itself: no doved is needed."""
    shown = json.loads(run("nft", "-j", "list", "counter", "inet", table, counter,
                           netns=host.netns).out)
    return next(item["counter"]["packets"] for item in shown["nftables"] if "counter" in item)


@contextlib.contextmanager
def let_in(host):
    """Yields a function: how many packets with the tag have passed the walls of its input."""
    run("nft", "-f", "-", netns=host.netns, stdin=(
        "add table inet watch\nadd counter inet watch let_in\n"
        "add chain inet watch input { type filter hook input priority 300; }\n"
        "add rule inet watch input "
        "meta l4proto udp @th,64,48 0x3c6d696e653e counter name let_in\n"))

    try:
        yield lambda: counted_packets(host, "watch", "let_in")
    finally:
        run("nft", "delete", "table", "inet", "watch", netns=host.netns)


def test_other_users_of_the_port_are_not_touched(lab, stranger):
    """The VXLAN port on another address of the host, another port on the VTEP."""
    h1 = lab.hosts["h1"]
    with let_in(h1) as packets:
        send(stranger, stranger.vtep, beside(h1, 67), b"<mine>")
        wait_until("they are let in", lambda: packets() == 3, 5)
        send(stranger, stranger.vtep, h1.vtep, b"<mine>", frames.VXLAN_PORT + 1)
        wait_until("they are let in", lambda: packets() == 6, 5)
        send(stranger, stranger.vtep, h1.vtep, b"<mine>")
        assert packets() == 6, "control: to the VTEP's own port it is dropped"


def other_addresses(host):
    """Of a host or a group that it is in, but for its VTEP."""
    if ":" not in host.vtep:
        return [beside(host, 67), "10.99.0.255", "255.255.255.255", "224.0.0.1"]
    rows = json.loads(host.ip("-j", "-6", "address", "show", "dev", "eth0", "scope", "link").out)
    return [beside(host, 67), *(one["local"] for row in rows for one in row.get("addr_info", [])
                                if "local" in one)]


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("wall", ["wall", "control"])
def test_no_other_address_of_the_host_is_a_way_in(lab, stranger, wall):
    """Its kernel takes VXLAN at each of them. That of other networks is not ours to judge."""
    h1, guest = lab.hosts["h1"], lab.guests["red1"]
    if wall == "control":
        h1.kill_doved()
        h1.flush_walls("chain", "inet", "dove", "input")
    try:
        with Capture.of_guests([guest]) as seen:
            for address in other_addresses(h1):
                before = seen.count(guest.name, b"<other way>")
                dropped = counted_packets(h1, "dove", "strangers_dropped")
                send(stranger, stranger.vtep, address, vxlan_to(guest, b"<other way>"))
                if wall == "wall":
                    wait_until(f"those for {address} are counted", lambda d=dropped:
                               counted_packets(h1, "dove", "strangers_dropped") == d + 3, 5)
                else:
                    give_time(lambda b=before: seen.count(guest.name, b"<other way>") >= b + 3)
                came = seen.count(guest.name, b"<other way>") - before
                assert came == (0 if wall == "wall" else 3), address
    finally:
        if wall == "control":
            h1.start()


def test_another_network_at_another_address_is_not_touched(lab, stranger):
    h1 = lab.hosts["h1"]
    inner = frames.tagged(lab.guests["red1"].mac, "02:00:00:00:00:02", b"<theirs>")
    before = counted_packets(h1, "dove", "strangers_dropped")
    send(stranger, stranger.vtep, beside(h1, 67), frames.vxlan(4711, inner))
    assert counted_packets(h1, "dove", "strangers_dropped") == before


def test_a_new_host_is_known_at_once_and_a_deleted_one_no_more(lab, stranger):
    h1 = lab.hosts["h1"]
    assert known(h1) == {lab.hosts["h2"].vtep}
    stranger.start()
    wait_until("h1 knows the new host", lambda: stranger.vtep in known(h1), 5)
    wait_until("it is saved", lambda: stranger.vtep in saved_vteps(h1), 10)
    assert came_through(lab, stranger, stranger.vtep, 3) == 3
    stranger.kill_doved()
    time.sleep(0.5)
    assert stranger.vtep in known(h1), "a host that is away is a host all the same"
    wait_until("it can be deleted",
               lambda: lab.dovectl("host", "del", "h9", check=False).code == 0, 15)
    wait_until("h1 knows it no more", lambda: known(h1) == {lab.hosts["h2"].vtep}, 5)
    assert came_through(lab, stranger, stranger.vtep) == 0


def saved_vteps(host):
    return json.loads((host.state_dir / "state.json").read_text())["vteps"]


@contextlib.contextmanager
def nft_of(host, before):
    """Its doved works with an nft that does something first. `text` is a file with its input."""
    program = host.dir / "other" / "nft"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\ntext=$(mktemp); cat >$text\n{before}\n"
                       f"exec 3<$text; rm $text; exec {shutil.which('nft')} \"$@\" <&3\n")
    program.chmod(0o755)

    def start():
        host.start(environment={"PATH": f"{program.parent}:{os.environ['PATH']}"})
    host.kill_doved()
    try:
        yield start
    finally:
        host.kill_doved()
        host.start()


def test_the_first_port_of_a_new_host_waits_until_the_others_let_it_in(lab, stranger):
    """However slow they are, for a second."""
    h1 = lab.hosts["h1"]
    lab.dovectl("endpoint", "add", "first", "network", "red-net")
    closed = h1.dir / "closed"
    with nft_of(h1, f"while [ -e {closed} ]; do sleep 0.02; done") as start:
        start()
        lab.dovectl("-wait=30", "sync")  # it has said what it had to say about those it knows
        closed.touch()
        try:
            stranger.start()
            stranger.ip("link", "add", "p-first", "type", "veth", "peer", "name", "q-first")
            assert stranger.vtep not in known(h1), "control: it cannot yet"
            began = time.monotonic()
            adding = start_program([lab.program("dovectl"), "-Socket", stranger.socket, "port", "add",
                                    "p-first", "endpoint", "first"], stranger.netns)
            time.sleep(0.3)
            assert adding.poll() is None or time.monotonic() - began >= 1, "it did not wait"
        finally:
            closed.unlink()
        assert adding.wait(20) == 0
        waited = time.monotonic() - began
        assert stranger.vtep in known(h1) or waited >= 1
    stranger.dovectl("port", "del", "p-first")
    stranger.kill_doved()
    lab.dovectl("endpoint", "del", "first")
    wait_until("it is deleted", lambda: lab.dovectl("host", "del", "h9", check=False).code == 0, 15)
    wait_until("h1 has forgotten it", lambda: stranger.vtep not in saved_vteps(h1), 5)


def test_a_port_that_is_lost_while_nft_fails_leaves_nothing_in_the_way(lab):
    """Its walls cannot be taken away; the guests of the host find the endpoint where it is now."""
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    moved = lab.add_guest("moved", network="red-net", host="h1", mac="02:00:00:00:00:4d",
                          ips=["10.1.0.77"])
    broken = h1.dir / "broken"
    with nft_of(h1, f"[ -e {broken} ] && {{ rm $text; exit 1; }}") as start:
        start()
        wait_until("its ports are confirmed", lambda: {
            row["state"] for row in h1.show("port", "show")} == {"active"})
        assert traffic.ping(lab.guests["red1"], moved.ipv4, 2).lost == 0
        broken.touch()
        try:
            h2.ip("link", "add", "p-there", "type", "veth", "peer", "name", "q-there")
            h2.dovectl("port", "add", "p-there", "endpoint", "moved")
            wait_until("the port is lost", lambda: "lost" in {
                row["state"] for row in h1.show("port", "show")})
            def leads():
                red1 = lab.guests["red1"]
                red1.send_frames([frames.tagged(moved.mac, red1.mac, b"who asks")])
                return {row["dst"] for row in h1.fdb(moved.vni) if row["mac"] == moved.mac}
            wait_until("it is where it is", lambda: leads() == {h2.vtep})
        finally:
            broken.unlink()
    h2.dovectl("port", "del", "p-there")
    h2.ip("link", "del", "p-there")
    moved.drop_device()
    lab.remove_guest("moved")


def test_a_reboot_without_a_controller_knows_the_hosts_of_before(lab, stranger):
    """The kernel has forgotten everything; the state file has not."""
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    h1.kill_doved()
    h1.flush_walls("ruleset")
    lab.controller.kill()
    h1.start(wait=False)
    try:
        wait_until("doved is there", h1.status, 10)
        assert not h1.status()["connected"]
        assert known(h1) == {h2.vtep}
        h1.wait_ports()
        assert came_through(lab, stranger, stranger.vtep) == 0
        assert came_through(lab, stranger, h2.vtep, 3) == 3
    finally:
        lab.start_controller()
        h1.wait_connected()


def test_what_somebody_else_took_away_is_there_again(lab, stranger):
    h1 = lab.hosts["h1"]
    run("nft", "flush", "set", "inet", "dove", set_of(h1), netns=h1.netns)
    wait_until("the hosts are known again", lambda: known(h1) == {lab.hosts["h2"].vtep}, 5)
    assert came_through(lab, stranger, lab.hosts["h2"].vtep, 3) == 3


# --- connection tracking

@pytest.mark.parametrize("wall", ["wall", "control"])
def test_no_packet_of_the_tunnels_is_tracked(lab, tracking, wall):
    a, b = lab.guests["red1"], lab.guests["red2"]
    hosts = [a.host, b.host]
    if wall == "control":
        assert traffic.ping(a, b.ipv4, 2, wait=5).lost == 0
        for host in hosts:
            host.kill_doved()
            for chain in ("raw_prerouting", "raw_output"):
                host.flush_walls("chain", "inet", "dove", chain)
    else:
        cold.make_cold(a, b)
    try:
        assert traffic.ping(a, b.ipv4, 3).lost == 0
        for host in hosts:
            tracked = host.tracked(f"dport={frames.VXLAN_PORT} ")
            assert bool(tracked) == (wall == "control"), tracked
    finally:
        if wall == "control":
            for host in hosts:
                host.start()


def test_a_kernel_that_tracks_nothing_has_its_walls_all_the_same(lab, stranger):
    """Its nft refuses `notrack`, as on a kernel without connection tracking."""
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    refuse = "grep -q notrack $text && { rm $text; echo 'Error: no such thing' >&2; exit 1; }"
    with nft_of(h1, refuse) as start:
        run("nft", "flush", "ruleset", netns=h1.netns)
        start()
        assert h1.status()["problem"] is None
        assert "notrack" not in run("nft", "list", "ruleset", netns=h1.netns).out
        wait_until("the port has its walls", lambda: came_through(lab, stranger, h2.vtep) == 3)
        assert came_through(lab, stranger, stranger.vtep) == 0
        # And what renews them does not fail either.
        run("nft", "flush", "ruleset", netns=h1.netns)
        wait_until("the walls are there again",
                   lambda: "dove" in run("nft", "list", "tables", netns=h1.netns).out, 5)
        assert came_through(lab, stranger, stranger.vtep) == 0
    assert "notrack" in run("nft", "list", "ruleset", netns=h1.netns).out, "control"


def test_nobody_ended(lab):
    assert not lab.problems()
