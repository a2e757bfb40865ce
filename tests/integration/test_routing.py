"""Networks of a tenant route to each other: three networks on each of three hosts, all pairs, from
cold, without a packet lost. A second tenant has the same networks, hosts and addresses."""
import concurrent.futures
import itertools
import time

import pytest
from dovelab import cold, frames, traffic
from dovelab.capture import Capture
from dovelab.run import run, wait_until

HOSTS = ("h1", "h2", "h3")
NETWORKS = ("a", "b", "c")


def networks(tenant):
    return {f"{tenant}-{n}": {"subnets": [f"10.{i}.0.0/24", f"fd00:{i}::/64"], "routed": True}
            for i, n in enumerate(NETWORKS, start=1)}


def guests(tenant, hosts):
    """One guest of each network on each host."""
    return {f"{tenant}-{n}{host}": {
        "network": f"{tenant}-{n}", "host": f"h{host}", "mac": f"02:00:00:00:0{i}:0{host}",
        "ips": [f"10.{i}.0.1{host}", f"fd00:{i}::1{host}"]}
        for i, n in enumerate(NETWORKS, start=1) for host in hosts}


ROUTER = "02:00:5e:12:34:56"  # not what it is unasked
LAB = {"hosts": list(HOSTS), "dove-controller": ["--router-mac", ROUTER],
       "tenants": {"red": networks("red"), "blue": networks("blue")},
       "guests": {**guests("red", (1, 2, 3)), **guests("blue", (1, 2, 3)),
                  # Nobody of the other tenant has its addresses.
                  "single": {"network": "red-b", "host": "h3", "mac": "02:00:00:00:02:04",
                             "ips": ["10.2.0.14", "fd00:2::14"]}}}


def of(lab, tenant):
    return [guest for name, guest in lab.guests.items() if name.startswith(tenant)]


def rounds(lab):
    """All pairs of guests in different networks, in rounds in which every guest is at most once."""
    left = [pair for pair in itertools.combinations(of(lab, "red"), 2)
            if pair[0].network != pair[1].network]
    while left:
        busy, this = set(), []
        for pair in left:
            if not busy & {guest.name for guest in pair}:
                busy |= {guest.name for guest in pair}
                this.append(pair)
        left = [pair for pair in left if pair not in this]
        yield this


def address(guest, family):
    return guest.ipv4 if family == "ipv4" else guest.ipv6


def all_at_once(calls):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return [future.result() for future in [pool.submit(*call) for call in calls]]


def assert_nothing_installed(lab):
    nothing = {network["vni"]: ([], []) for network in lab.networks.values()}
    for host in lab.hosts.values():
        assert cold.installed(host) == nothing, host.name


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_every_pair_of_networks_routes_from_cold_without_loss(lab, figures, family):
    lost, first, pairs = [], [], 0
    for turn, this in enumerate(rounds(lab)):
        cold.forget_everything(lab)
        assert_nothing_installed(lab)
        ways = [pair[::-1] if turn % 2 else pair for pair in this]
        results = all_at_once([(traffic.ping, a, address(b, family), 3, 0.05, 5) for a, b in ways])
        pairs += len(ways)
        for (a, b), result in zip(ways, results):
            if result.lost or result.sent != 3:
                lost.append(f"{a.name} ({a.host.name}) to {b.name} ({b.host.name}): {result}")
            else:
                first.append(result.first)
    assert pairs == 27
    assert not lost, "\n".join(lost)
    figures(f"cold routed ping, {family}: worst {max(first):.1f} ms of {len(first)} pairs")
    assert sorted(first)[len(first) // 2] < 500  # a guest that asks again needs 1000


def test_the_kernel_routes_what_is_known(lab):
    a, b, here = lab.guests["red-a1"], lab.guests["red-b2"], lab.guests["red-b1"]
    for to in (b, here):
        assert traffic.ping(a, to.ipv4, 2).lost == 0
    rows = {row["mac"]: row for row in a.host.fdb(a.vni)}
    assert (rows[b.mac]["dst"], rows[b.mac]["vni"]) == (b.host.vtep, b.vni)
    assert (rows[here.mac]["dst"], rows[here.mac]["vni"]) == (a.host.vtep, here.vni)
    before = a.host.counters()
    for to in (b, here):
        assert traffic.ping(a, to.ipv4, 20).lost == 0
    after = a.host.counters()
    assert after["routed_frames"] == before["routed_frames"]
    assert after["delivered"] == before["delivered"]


def test_dovectl_shows_router_gateways_and_where_they_lead(lab):
    a, b = lab.guests["red-a1"], lab.guests["red-b2"]
    assert traffic.ping(a, b.ipv4, 1).lost == 0
    fdb = a.host.show("fdb", "show", "network", a.network)
    router = [row["mac"] for row in fdb if row["kind"] == "router"]
    assert router == [a.host.router_mac(a.vni)]
    assert [row["target_vni"] for row in fdb if row["mac"] == b.mac] == [b.vni]
    neighbours = a.host.show("neighbour", "show", "network", a.network)
    shown = {row["ip"]: row["mac"] for row in neighbours if row["kind"] == "gateway"}
    assert shown == {gateway: router[0] for gateway in a.gateways}
    assert [row["target_vni"] for row in neighbours if row["ip"] == b.ipv4] == [b.vni]


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("family", [0, 1])
def test_the_gateway_answers_pings_at_once(lab, family):
    results = []
    for guest in of(lab, "red")[:4]:
        guest.flush_neighbours()
        result = traffic.ping(guest, guest.gateways[family], 3, 0.05, 5)
        assert result.lost == 0, f"{guest.name}: {result}"
        results.append(result.first)
    assert min(results) < 50  # nobody was asked, nothing was waited for
    assert traffic.ping(lab.guests["red-a1"], lab.guests["red-b1"].gateways[family], 1, 0.05,
                        0.3).lost == 1, "another network's gateway is not on this one"


def test_the_gateway_has_one_mac_everywhere(lab):
    macs = {host.router_mac(network["vni"]) for host in lab.hosts.values()
            for name, network in lab.networks.items() if name.startswith("red")}
    assert macs == {ROUTER}


@pytest.mark.usefixtures("br_netfilter")
def test_a_long_first_packet_is_routed_in_its_fragments(lab):
    for there in ("red-b2", "red-b1"):
        cold.forget_everything(lab)
        a, b = lab.guests["red-a1"], lab.guests[there]
        assert traffic.ping(a, b.ipv4, 2, 0.05, 2, "-s", 4000, "-M", "dont").lost == 0


@pytest.mark.usefixtures("br_netfilter")
def test_first_datagrams_and_connections(lab):
    a, took = lab.guests["red-a1"], []
    for b, family in itertools.product((lab.guests["red-b2"], lab.guests["red-c1"]),
                                       ("ipv4", "ipv6")):
        cold.forget_everything(lab)
        assert traffic.udp_exchange(a, b, address(b, family), timeout=5) is not None, b.name
        cold.forget_everything(lab)
        connected, _ = traffic.tcp_exchange(a, b, address(b, family))
        took.append(connected)
    assert sorted(took)[1] < 500, took  # a SYN that is lost is sent again after 1000


OVER_AND_BACK = [("a1", "b2"), ("a1", "c3"), ("a1", "b1"), ("b2", "a3"), ("c3", "b3"), ("b2", "c2")]


@pytest.mark.usefixtures("br_netfilter")
@pytest.mark.parametrize("ours, theirs", [("red", "blue"), ("blue", "red")])
def test_the_other_tenant_hears_none_of_it(lab, ours, theirs):
    """Over hosts and on each one, at the other tenant's guests everywhere."""
    tag = f"{ours}'s own word".encode()
    cold.forget_everything(lab)
    with Capture.of_guests([*of(lab, ours), *of(lab, theirs)], keep=lambda f: tag in f.data) as seen:
        for a, b in OVER_AND_BACK:
            for family in ("ipv4", "ipv6"):
                to = address(lab.guests[f"{ours}-{b}"], family)
                assert traffic.ping(lab.guests[f"{ours}-{a}"], to, 2, 0.02, 2, "-p",
                                    tag.hex()).lost == 0
        time.sleep(0.2)
    counts = seen.counts(tag)
    for name in itertools.chain(*OVER_AND_BACK):
        assert counts[f"{ours}-{name}"] > 0, name
    others = {guest.name: counts[guest.name] for guest in of(lab, theirs)}
    assert len(others) == 9 and set(others.values()) == {0}, others


def test_nobody_reaches_the_other_tenants_guests(lab):
    single = lab.guests["single"]
    for to in (single.ipv4, single.ipv6):
        assert traffic.ping(lab.guests["red-a1"], to, 2).lost == 0
        for name in ("blue-a1", "blue-c3", "blue-b3"):
            assert traffic.ping(lab.guests[name], to, 1, 0.05, 0.3).lost == 1, name


def test_what_cannot_be_routed_is_counted_and_goes_nowhere(lab):
    a = lab.guests["red-a1"]
    router = a.host.router_mac(a.vni)
    before = a.host.counters()["dropped_unroutable"]
    with Capture.of_hosts(lab.hosts.values()) as seen:
        a.send_frames([frames.tagged(router, a.mac, b"for no address")])
        wait_until("it is counted",
                       lambda: a.host.counters()["dropped_unroutable"] == before + 1)
    assert set(seen.counts(b"for no address").values()) == {0}


def test_doved_restarts_and_routed_flows_lose_nothing(lab):
    a = lab.guests["red-a1"]
    flows = [traffic.RunningPing(a, lab.guests[b].ipv4) for b in ("red-b2", "red-c1")]
    time.sleep(0.3)
    a.host.kill_doved()
    time.sleep(0.2)
    a.host.start()
    time.sleep(0.3)
    for flow in flows:
        result = flow.stop()
        assert result.lost == 0 and result.sent > 5, result
    assert a.host.router_mac(a.vni) is not None
    cold.forget_everything(lab)
    assert traffic.ping(a, lab.guests["red-b3"].ipv4, 3).lost == 0


def test_a_router_that_somebody_takes_away_comes_back(lab):
    a = lab.guests["red-a1"]
    router = a.host.router_mac(a.vni)
    run("bridge", "-n", a.host.netns, "fdb", "del", router, "dev", f"dvx{a.vni}")
    wait_until("the router is back", lambda: a.host.router_mac(a.vni) == router, 20)
    assert traffic.ping(a, lab.guests["red-b2"].ipv4, 2).lost == 0
