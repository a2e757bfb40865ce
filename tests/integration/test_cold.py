"""Strangers meet: nothing lost, nothing late, in punt mode."""
import itertools
import statistics

import pytest
from dovelab import cold, traffic
from dovelab.spec import three_hosts

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("br_netfilter")]
LAB = three_hosts()
FAR_LESS_THAN_A_SECOND = 500  # ms; a plain miss responder needs 2,040


def guests_of(lab, network):
    return [guest for guest in lab.guests.values() if guest.network == network]


def pairs(lab, network):
    return list(itertools.permutations(guests_of(lab, network), 2))


def address(guest, family):
    return {"ipv4": guest.ipv4, "ipv6": guest.ipv6, "link-local": guest.link_local}[family]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def in_time(times):
    """But for one: the machine may stand still once."""
    return sorted(times)[-2] < FAR_LESS_THAN_A_SECOND


def summary(name, times):
    return (f"{name:<32} n {len(times):>4}  p50 {statistics.median(times):8.3f} ms  "
            f"p99 {percentile(times, 0.99):8.3f} ms  max {max(times):8.3f} ms")


@pytest.mark.parametrize("network", ["red-net", "blue-net"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6", "link-local"])
def test_every_pair_pings_from_cold_without_loss(lab, figures, network, family):
    first, warm, lost = [], [], []
    for a, b in pairs(lab, network):
        cold.make_cold(a, b)
        result = traffic.ping(a, address(b, family), 3)
        if result.lost or result.sent != 3:
            lost.append(f"{a.name} ({a.host.name}) to {b.name} ({b.host.name}): {result}")
            continue
        if a.host is not b.host:
            first.append(result.first)
            warm.append(result.times[3])
    assert not lost, "\n".join(lost)
    figures(summary(f"cold ping, {family}, {network}", first))
    figures(summary(f"warm ping, {family}, {network}", warm))
    assert in_time(first)


def test_the_check_for_cold_sees_what_a_ping_leaves(lab):
    a, b = lab.guests["red1"], lab.guests["red2"]
    traffic.ping(a, b.ipv4, 1)
    with pytest.raises(AssertionError):
        cold.assert_cold(a, b)


def test_a_lost_packet_is_counted(lab):
    assert traffic.ping(lab.guests["red1"], "10.1.0.99", 2, 0.01, 1).lost == 2


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_first_tcp_connection(lab, figures, family):
    times = []
    for a, b in pairs(lab, "red-net"):
        cold.make_cold(a, b)
        connected, _ = traffic.tcp_exchange(a, b, address(b, family))
        if a.host is not b.host:
            times.append(connected)
    figures(summary(f"cold TCP connect, {family}", times))
    assert in_time(times)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_single_udp_request(lab, figures, family):
    times, lost = [], []
    for a, b in pairs(lab, "red-net"):
        cold.make_cold(a, b)
        took = traffic.udp_exchange(a, b, address(b, family), timeout=5)
        if took is None:
            lost.append(f"{a.name} to {b.name}")
        elif a.host is not b.host:
            times.append(took)
    assert not lost
    figures(summary(f"cold UDP request, {family}", times))
    assert in_time(times)


def test_a_first_packet_longer_than_one_outer_packet(lab):
    """Without DF it is fragmented on its way: both fragments of a punted packet arrive."""
    a, b = lab.guests["red1"], lab.guests["red3"]
    cold.make_cold(a, b)
    result = traffic.ping(a, b.ipv4, 3, 0.01, 2, "-s", 4000, "-M", "dont")
    assert result.lost == 0, result


def test_a_guest_behind_a_tap(lab):
    guest = lab.add_guest("redtap", network="red-net", host="h2", kind="tap")
    try:
        for a, b in ((lab.guests["red1"], guest), (guest, lab.guests["red3"])):
            cold.make_cold(a, b)
            result = traffic.ping(a, b.link_local, 3)
            assert result.lost == 0, f"{a.name} to {b.name}: {result}"
    finally:
        lab.remove_guest("redtap")
