"""A guest that sends what no stack sends: doved lives, others are served meanwhile, what is dropped is
counted, and nothing of it is seen by another tenant, in clear on the wire, or by the host itself."""
import pytest
from dovelab import crafted, wait_until
from dovelab.capture import Capture
from dovelab.frames import BROADCAST, inside_vxlan, outer_ipv4, tagged

SUBNETS = ["10.1.0.0/24", "fd00:1::/64"]
LAB = {"hosts": ["h1", "h2"],
       "tenants": {"red": {"red-net": {"vni": 100, "subnets": SUBNETS}},
                   "blue": {"blue-net": {"vni": 200, "subnets": SUBNETS}}},
       "guests": {"red1": {"network": "red-net", "host": "h1", "ips": ["10.1.0.11", "fd00:1::11"]},
                  "free": {"network": "red-net", "host": "h1", "ips": ["10.1.0.13", "fd00:1::13"],
                           "security": "off"},
                  "red2": {"network": "red-net", "host": "h2", "ips": ["10.1.0.12", "fd00:1::12"]},
                  "blue1": {"network": "blue-net", "host": "h1", "ips": ["10.1.0.11", "fd00:1::11"]},
                  "blue2": {"network": "blue-net", "host": "h2",
                            "ips": ["10.1.0.12", "fd00:1::12"]}}}
TAG, CONTROL = b"CRAFTED-", b"CONTROL-"
ROUNDS = 10
# At least one of each kind in every round. At an open port only what no parser takes is dropped.
COUNTED = {True: ["log_malformed", *(f"wall_port_{kind}_dropped" for kind in (
    "announcements", "dhcp_server", "foreign_ip", "forged_arp", "forged_nd", "reserved", "router",
    "tagged"))],
           False: ["log_malformed", "dropped_waiters_limit", "wall_host_frame"]}


def in_clear(frame, vteps):
    """A tagged frame on the wire that is in no tunnel of its own network. (The rest of a tunnel's
    packet that had to be cut shows no network.)"""
    if TAG not in frame.data:
        return False
    inside, outer = inside_vxlan(frame.data), outer_ipv4(frame.data)
    if inside is None and outer is not None and outer[2] is None:
        return not {outer[0], outer[1]} <= vteps
    return inside is None or inside[2] != 100


@pytest.mark.parametrize("name", ["red1", "free"])
def test_whatever_a_guest_sends(lab, figures, name):
    guest, hosts = lab.guests[name], lab.hosts
    vteps = {host.vtep for host in hosts.values()}
    red2, blue1, blue2 = (lab.guests[n] for n in ("red2", "blue1", "blue2"))
    frames = crafted.all_of(guest, red2, sorted(vteps),
                            [hosts["h1"].mac_of("dvbr100"), hosts["h1"].router_mac(100),
                             hosts["h1"].mac_of("eth0")], 200, TAG)
    guest.ip("link", "set", "eth0", "mtu", "9000")
    before = {h: host.counters() for h, host in hosts.items()}
    where = {"blue1": (blue1.netns, "eth0"), "blue2": (blue2.netns, "eth0"),
             "red2": (red2.netns, "eth0"), "wire": (hosts["h1"].netns, "eth0")}
    with Capture(where, snap=9100) as seen:
        for _ in range(ROUNDS):
            guest.send_frames(frames)
            for size in (200, 1000):  # more than the port takes
                with pytest.raises(OSError):
                    guest.send_frames([tagged(BROADCAST, guest.mac, TAG * size)])
            blue1.flush_neighbours()
            blue1.run("ping", "-c1", "-W5", blue2.ipv4)
            blue1.run("ping", "-c1", "-W5", blue2.ipv6)
        guest.send_frames([tagged(red2.mac, guest.mac, CONTROL)])
        blue1.send_frames([tagged(blue2.mac, blue1.mac, CONTROL)])
        blue2.send_frames([tagged(blue1.mac, blue2.mac, CONTROL)])
        wait_until("the controls are heard", lambda: all(
            seen.count(label, CONTROL) for label in ("red2", "blue1", "blue2")), 10)
    assert seen.counts(TAG)["blue1"] == 0 and seen.counts(TAG)["blue2"] == 0
    assert seen.count("red2", TAG) > 0, "what its own network may see arrives"
    clear = [frame.data[:80].hex() for frame in seen.all("wire")
             if in_clear(frame, vteps)]
    assert not clear, (len(clear), clear[:3])
    assert any(CONTROL in frame.data for frame in seen.all("wire"))
    guest.ip("link", "set", "eth0", "mtu", "1450")
    guest.run("ping", "-c1", "-W5", red2.ipv4)
    changed = {n: v - before["h1"].get(n, 0) for n, v in hosts["h1"].counters().items()
               if v != before["h1"].get(n, 0)}
    figures(f"{len(frames) * ROUNDS} crafted frames from {name}: "
            + " ".join(f"{n}+{v}" for n, v in sorted(changed.items())))
    secured = name == "red1"
    for counter in COUNTED[secured]:
        assert changed.get(counter, 0) >= ROUNDS, f"{counter}: {changed}"
    assert not lab.problems()
    for host in hosts.values():
        assert host.status()["connected"]
