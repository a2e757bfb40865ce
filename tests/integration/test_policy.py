"""What a policy denies, or a tenant that routes nothing, stops within a second, in both directions and
in the kernel, and goes on when it is allowed again."""
import concurrent.futures
import time

import pytest
from dovelab import cold, traffic
from dovelab.capture import Capture
from dovelab.run import run, wait_until

_NETS = {f"red-{n}": {"subnets": [f"10.{i}.0.0/24", f"fd00:{i}::/64"], "routed": True}
         for i, n in enumerate("abc", start=1)}
LAB = {"hosts": ["h1", "h2"], "tenants": {"red": _NETS},
       "guests": {f"red-{n}{host}": {
           "network": f"red-{n}", "host": f"h{host}", "mac": f"02:00:00:00:0{i}:0{host}",
           "ips": [f"10.{i}.0.1{host}", f"fd00:{i}::1{host}"]}
           for i, n in enumerate("abc", start=1) for host in (1, 2)}}
pytestmark = pytest.mark.usefixtures("br_netfilter")
LABS = {"punt": LAB, "notify": {**LAB, "miss_mode": "notify"}}


def within():
    """One second, and more only where to run a program takes a quarter of that, as under emulation:
    the policy itself comes by one, and is carried out by another."""
    started = time.monotonic()
    run("nft", "--version")
    return max(1.0, 20 * (time.monotonic() - started))


WITHIN = within()  # s


def deny(lab):
    lab.dovectl("policy", "add", "tenant", "red", "between", "red-a", "and", "red-b", "deny")


def deny_everywhere(lab):
    """In force in the walls of every host."""
    deny(lab)
    lab.dovectl("-wait=30", "sync")


def allow(lab):
    lab.dovectl("policy", "del", "tenant", "red", "between", "red-a", "and", "red-b")


def deny_by_default(lab):
    lab.dovectl("tenant", "set", "red", "routing", "deny")


def allow_by_default(lab):
    lab.dovectl("tenant", "set", "red", "routing", "allow")


def side_by_side(guests, pairs, call):
    """call(the one, an address of the other) for each pair and family, all at once."""
    ways = [(guests[a], to) for a, b in pairs for to in (guests[b].ipv4, guests[b].ipv6)]
    with concurrent.futures.ThreadPoolExecutor(len(ways)) as pool:
        list(pool.map(lambda way: call(*way), ways))


def all_reach(guests, pairs):
    """First packets may be lost."""
    side_by_side(guests, pairs, lambda a, to: wait_until(
        f"{a.name} reaches {to}", lambda: traffic.ping(a, to, 1, 0.05, 0.5).lost == 0))


def none_reaches(guests, pairs):
    def lost(a, to):
        assert traffic.ping(a, to, 2, 0.02, 0.3).lost == 2, f"{a.name} to {to}"
    side_by_side(guests, pairs, lost)


@pytest.fixture
def guests(lab):
    """In the end everything is allowed, and everybody reaches everybody."""
    yield lab.guests
    if lab.show("policy", "show"):
        allow(lab)
    allow_by_default(lab)
    all_reach(lab.guests, (("red-a1", "red-b2"), ("red-a1", "red-b1"), ("red-a2", "red-b1")))


# Between the networks, over hosts and on one.
FLOWS = [("red-a1", "red-b2"), ("red-a1", "red-b1"), ("red-b2", "red-a2"), ("red-a2", "red-c1"),
         ("red-c2", "red-b2")]


def flows(guests):
    """Endless pings, each with its own marks."""
    return [traffic.RunningPing(guests[a], to, 0.02) for a, b in FLOWS
            for to in (guests[b].ipv4, guests[b].ipv6)]


_NETWORKS = {prefix: f"red-{n}" for i, n in enumerate("abc", start=1)
             for prefix in (bytes([10, i, 0]), bytes([0xfd, 0, 0, i]))}


def ends(frame):
    """The networks that an IP packet is from and for."""
    data = frame.data
    if data[12:14] == b"\x08\x00":
        return {_NETWORKS.get(data[26:29]), _NETWORKS.get(data[30:33])}
    if data[12:14] == b"\x86\xdd":
        return {_NETWORKS.get(data[22:26]), _NETWORKS.get(data[38:42])}
    return set()


def a_and_b(networks):
    return networks == {"red-a", "red-b"}


def every_two(networks):
    return len(networks - {None}) == 2


def is_between(frame):
    return a_and_b(ends(frame))


def is_routed(frame):
    return every_two(ends(frame))


def came(seen, chosen, after):
    """Guest -> when something came between networks that `chosen` names."""
    times = {name: [frame.at for frame in seen.at(name) if frame.at > after and chosen(ends(frame))]
             for name in {name for pair in FLOWS for name in pair}}
    return {name: its for name, its in times.items() if its}


@pytest.mark.parametrize("forbid, permit, concerns", [
    pytest.param(deny, allow, a_and_b, id="two networks"),
    pytest.param(deny_by_default, allow_by_default, every_two, id="the tenant")])
def test_running_flows_stop_within_a_second_and_go_on_when_allowed(lab, guests, figures, forbid,
                                                                   permit, concerns):
    """In the best of three tries: on a machine that stands still everybody is late."""
    denied = {name for a, b in FLOWS for name in (a, b)
              if concerns({guests[a].network, guests[b].network})}
    others = {name for a, b in FLOWS for name in (a, b)
              if not concerns({guests[a].network, guests[b].network})}
    running = flows(guests)
    try:
        with Capture.of_guests(guests.values(), keep=is_routed, kernel_time=True) as seen:
            for _ in range(3):
                began = time.time()
                wait_until("all flow", lambda: came(seen, concerns, began).keys() == denied, 20)
                time.sleep(0.3)
                commanded = time.time()
                forbid(lab)
                time.sleep(WITHIN + 0.8)
                wait_until("the others flow on", lambda: came(
                    seen, lambda n: not concerns(n), commanded + WITHIN).keys() == others)
                allowed = time.time()
                permit(lab)
                wait_until("all flow again",
                           lambda: came(seen, concerns, allowed).keys() == denied, 20)
                heard = [at - commanded for times in came(seen, concerns, commanded).values()
                         for at in times if at < allowed]
                if max(heard, default=0) <= WITHIN:
                    break
    finally:
        for flow in running:
            flow.stop()
    assert max(heard, default=0) <= WITHIN, heard
    figures(f"a denied flow is silent {max(heard, default=0) * 1000:.0f} ms after the command")


def test_nobody_begins_what_is_denied(lab, guests):
    deny_everywhere(lab)
    cold.forget_everything(lab)
    with Capture.of_guests(guests.values(), keep=is_between) as seen:
        none_reaches(guests, (("red-a1", "red-b2"), ("red-b2", "red-a1"), ("red-a1", "red-b1")))
    assert [g.name for g in guests.values() if seen.at(g.name)] == []
    all_reach(guests, (("red-a1", "red-c2"), ("red-b1", "red-c1")))  # these are not denied


def test_denied_packets_are_dropped_at_the_port_and_never_punted(lab, guests):
    a, b = guests["red-a1"], guests["red-b2"]
    deny_everywhere(lab)
    before = a.host.counters()
    assert traffic.ping(a, b.ipv4, 20, 0.002, 0.2).lost == 20
    after = a.host.counters()
    assert after["wall_denied_sent"] - before["wall_denied_sent"] == 20
    assert after["routed_frames"] == before["routed_frames"]


def test_a_host_that_kept_its_entries_delivers_nothing(lab, guests):
    """The doved of the sender is dead and told nothing; its kernel routes as before."""
    a, b = guests["red-a1"], guests["red-b2"]
    assert traffic.ping(a, b.ipv4, 2).lost == 0
    a.host.kill_doved()
    try:
        deny(lab)
        b.host.wait_applied(lab.revision(), 30)
        before = b.host.counters()["wall_denied_received"]
        with Capture.of_guests([b], keep=is_between) as seen:
            assert traffic.ping(a, b.ipv4, 5, 0.01, 0.2).lost == 5
        assert seen.at(b.name) == []
        assert b.host.counters()["wall_denied_received"] - before == 5
    finally:
        a.host.start()


def test_a_policy_holds_while_doved_is_down(lab, guests):
    a, b = guests["red-a1"], guests["red-b1"]
    deny_everywhere(lab)
    a.host.kill_doved()
    try:
        denied = run("nft", "list", "chain", "bridge", "dove", f"denied-{a.vni}-to",
                         netns=a.host.netns)
        assert "@denied4" in denied.out
        assert traffic.ping(a, b.ipv4, 3, 0.01, 0.2).lost == 3
    finally:
        a.host.start()
    assert traffic.ping(a, b.ipv4, 3, 0.01, 0.2).lost == 3


def test_a_tenant_that_routes_nothing_by_default(lab, guests):
    """But for two networks of which it is said that they route."""
    between = ("tenant", "red", "between", "red-a", "and", "red-b")
    deny_by_default(lab)
    try:
        lab.dovectl("policy", "add", *between, "allow")
        lab.dovectl("-wait=30", "sync")
        none_reaches(guests, (("red-a1", "red-c2"), ("red-c1", "red-a1"), ("red-b2", "red-c1")))
        all_reach(guests, (("red-a1", "red-b2"), ("red-b1", "red-a1")))
    finally:
        lab.dovectl("policy", "del", *between, check=False)
        allow_by_default(lab)
    all_reach(guests, (("red-a1", "red-c2"),))  # it is allowed again
