"""A guest that scans at full speed is limited, not its neighbours: they lose nothing, the host's
memory stays bounded, and the controller is asked no more than it is to be."""
import time

import pytest
from dovelab import cold, scan, traffic, wait_until

pytestmark = pytest.mark.alone
RATE = 300  # questions a second and guest
MEMORY = 64  # MiB
SUBNETS = {"red-net": ["10.16.0.0/12", "fd00:1::/64"], "other-net": ["10.32.0.0/12", "fd00:2::/64"]}
TARGETS = {"ask": {4: "10.17.0.0", 6: "fd00:1::1:0"}, "routed": {4: "10.33.0.0", 6: "fd00:2::1:0"}}


def _guest(number, host):
    return {"network": "red-net", "host": host, "mac": f"02:00:00:00:00:{number:02x}",
            "ips": [f"10.16.0.{10 + number}", f"fd00:1::{10 + number}"]}


LAB = {"hosts": ["h1", "h2"], "doved": ["--ask-limit", str(RATE)],
       "dove-controller": ["--replicate-limit", "0"],  # all is asked for
       "tenants": {"red": {name: {"subnets": subnets} for name, subnets in SUBNETS.items()}},
       "guests": {"evil": _guest(1, "h1"), "good": _guest(2, "h1"), "far": _guest(3, "h2")}}


def questions(host):
    return host.counters()["keys_asked"]


def most(seconds):
    """What may be asked because of the one guest: its queries, its packets, and what the kernel
    tells of its network without naming anybody."""
    return 3 * (RATE * seconds + RATE / 4)


@pytest.mark.parametrize("kinds", [["ARP"], ["ND"], ["routed IPv4"], ["routed IPv6"], list(scan.KINDS)],
                         ids=lambda kinds: "all" if len(kinds) > 1 else kinds[0])
def test_others_lose_nothing_and_all_is_bounded(lab, figures, kinds):
    evil, good, far = lab.guests["evil"], lab.guests["good"], lab.guests["far"]
    host = evil.host
    router = host.router_mac(evil.vni)
    memory, dropped = scan.rss(host), host.counters()["dropped_ask_limit"]
    with scan.scanning(evil, kinds, TARGETS, router) as sent:
        wait_until("it is limited", lambda: host.counters()["dropped_ask_limit"] > dropped, 20)
        began, before, results = time.monotonic(), questions(host), []
        for _ in range(4):
            for address in (far.ipv4, far.ipv6):
                cold.make_cold(good, far)
                results.append(traffic.ping(good, address, 1, 1, 5))
        took, asked = time.monotonic() - began, questions(host) - before
    grown = scan.rss(host) - memory
    times = sorted(result.first for result in results if result.first is not None)
    figures(f"scan by {', '.join(kinds)}, {sum(sent)} frames: cold pings of another guest, ms: {times}; "
            f"{asked / took:.0f} questions a second; doved has grown by {grown:.1f} MiB")
    assert sum(sent) > 5000, f"control: no scan: {sent}"
    assert all(result.lost == 0 for result in results)
    assert asked <= most(took) + 10 * len(results)
    assert grown < MEMORY
