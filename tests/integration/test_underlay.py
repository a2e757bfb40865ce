"""Tunnels over IPv4 and over IPv6, with guests of both, on another UDP port than the usual one."""
import itertools
import json
import time

import pytest
from dovelab import cold, frames, give_time, run, traffic, wait_until
from dovelab.capture import Capture
from dovelab.spec import three_hosts

PORT = 14789


def small(underlay):
    wanted = three_hosts()
    wanted["guests"] = {name: guest for name, guest in wanted["guests"].items()
                        if name in ("red1", "red2", "red3", "blue2")}
    return {**wanted, "underlay": underlay, "doved": ["--port", str(PORT)]}


LABS = {underlay: small(underlay) for underlay in ("ipv4", "ipv6")}
OVERLAY = pytest.mark.parametrize("overlay", ["ipv4", "ipv6", "link_local"])


def red(lab):
    return [guest for guest in lab.guests.values() if guest.network == "red-net"]


@OVERLAY
def test_every_pair_pings_from_cold_without_loss(lab, overlay):
    lost = cold.lost_from_cold(itertools.permutations(red(lab), 2), overlay)
    assert not lost, "\n".join(lost)
    assert not traffic.ping(red(lab)[0], "10.1.0.99", 1, 0.01, 0.5).times, "control"


def test_the_devices_are_as_configured(lab):
    for host in lab.hosts.values():
        data = json.loads(host.ip("-d", "-j", "link", "show", "dev",
                                  f"dvx{red(lab)[0].vni}").out)[0]["linkinfo"]["info_data"]
        assert data.get("local", data.get("local6")) == host.vtep
        assert data["port"] == PORT
        assert data["port_range"] == {"low": 0, "high": 0}  # the source port is the flow's hash


def outer_of(capture, label, tag):
    """Of each packet that carries the tag: (source, destination, source port, UDP checksum)."""
    found = []
    for frame in capture.all(label):
        outer = frames.outer_ipv4(frame.data) or frames.outer_ipv6(frame.data)
        if outer and outer[2] == PORT and tag in frame.data:
            udp = len(frame.data) - len(outer[3]) - 8
            found.append((outer[0], outer[1], int.from_bytes(frame.data[udp:udp + 2], "big"),
                          frame.data[udp + 6:udp + 8]))
    return found


def send_datagrams(a, b, count, tag, source_port=0):
    for number in range(count):
        with a.socket(traffic.family_of(b.ipv4), traffic.socket.SOCK_DGRAM) as sender:
            if source_port:
                sender.bind(("", source_port))
            sender.sendto(tag, (b.ipv4, 4000 + (0 if source_port else number)))


def test_flows_differ_in_the_outer_source_port_and_one_flow_keeps_its(lab):
    a, b = lab.guests["red1"], lab.guests["red2"]
    cold.make_cold(a, b)
    with Capture.of_hosts([a.host], device="eth0") as seen:
        send_datagrams(a, b, 16, b"<entropy>")
        send_datagrams(a, b, 8, b"<one flow>", source_port=5555)

        def own(tag):  # the ICMP answers, that nobody listens, carry the tags back
            return [row for row in outer_of(seen, a.host.name, tag) if row[0] == a.host.vtep]
        wait_until("all have left", lambda: len(own(b"<entropy>")) >= 16
                   and len(own(b"<one flow>")) >= 8)
    many, one = own(b"<entropy>"), own(b"<one flow>")
    assert len(many) >= 16 and {row[1] for row in many} == {b.host.vtep}
    assert len({row[2] for row in many}) > 4, many
    assert len({row[2] for row in one}) == 1, one
    if ":" in a.host.vtep:
        assert all(row[3] != b"\0\0" for row in many + one), "UDP over IPv6 without a checksum"


@pytest.mark.parametrize("destination", [frames.BROADCAST, "01:00:5e:00:00:fb", "33:33:00:00:00:fb"])
def test_exactly_one_copy_of_a_broadcast(lab, destination):
    sender = lab.guests["red1"]
    tags = [f"<{destination} {number}>".encode() for number in range(3)]
    with Capture.of_guests(lab.guests.values()) as seen:
        for tag in tags:
            sender.send_frames([frames.tagged(destination, sender.mac, tag)])
            time.sleep(0.02)
        give_time(lambda: all(seen.count(guest.name, tag) for tag in tags
                              for guest in red(lab) if guest is not sender))
        time.sleep(0.2)  # for copies that should not come
    for tag in tags:
        assert seen.counts(tag) == {
            name: int(guest.network == "red-net" and guest is not sender)
            for name, guest in lab.guests.items()}


@OVERLAY
def test_a_first_datagram_in_fragments(lab, overlay):
    """Fragments of the guest's own making: each is a packet of its own for the tunnel."""
    a, b = lab.guests["red1"], lab.guests["red3"]
    cold.make_cold(a, b)
    options = ["-s", 4000] + (["-M", "dont"] if overlay == "ipv4" else [])
    result = traffic.ping(a, getattr(b, overlay), 2, 0.01, 2, *options)
    assert result.lost == 0, result


def test_a_moved_endpoint_is_reached(lab):
    moved, friend = lab.guests["red2"], lab.guests["red1"]
    addresses = (moved.ipv4, moved.ipv6, moved.link_local)
    assert all(traffic.ping(friend, address, 1).lost == 0 for address in addresses)
    home = moved.host
    for host in (lab.hosts["h3"], home):
        moved.move(host)
        moved.wait_addresses()
        for address in addresses:
            assert traffic.ping(friend, address, 3, 0.05, 3).lost == 0


def test_a_restarted_doved_adopts_and_flows_go_on(lab):
    a, b = lab.guests["red1"], lab.guests["red2"]
    assert traffic.ping(a, b.ipv6, 2).lost == 0
    running = traffic.RunningPing(a, b.ipv6, 0.02)
    a.host.kill_doved()
    a.host.start()
    time.sleep(0.3)
    assert running.stop().lost == 0
    cold.make_cold(a, b)
    assert traffic.ping(a, b.ipv4, 2).lost == 0


def refusal(host):
    problem = (host.status() or {}).get("problem") or ""
    return problem if "family" in problem else None


def test_a_host_of_the_other_family_is_refused_naming_both(lab):
    present = [host.vtep for host in lab.hosts.values()]
    other = "10.99.0.99" if ":" in present[0] else "fd99::99"
    stranger = lab.add_host("stranger", other)
    try:
        stranger.start(wait=False)
        said = wait_until("it is refused", lambda: refusal(stranger), 10)
        assert not stranger.status()["connected"]
        assert other in said and any(vtep in said for vtep in present), said
    finally:
        lab.remove_host("stranger")
    assert "stranger" not in [row["name"] for row in lab.show("host", "show")]


def test_nothing_leaves_on_the_usual_port(lab):
    a, b = lab.guests["red1"], lab.guests["red2"]
    cold.make_cold(a, b)
    with Capture.of_hosts([a.host]) as seen:
        assert traffic.ping(a, b.ipv4, 3).lost == 0
        time.sleep(0.1)
    assert any(frames.inside_vxlan(f.data, PORT) for f in seen.all(a.host.name))
    assert not any(frames.inside_vxlan(f.data) for f in seen.all(a.host.name))
    rules = run("nft", "list", "ruleset", netns=a.host.netns).out
    assert f"udp dport {PORT}" in rules and "udp dport 4789" not in rules
