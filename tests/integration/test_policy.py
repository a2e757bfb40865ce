"""What a policy denies stops within a second, in both directions and in the kernel, and goes on when
it is allowed again."""
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


@pytest.fixture
def guests(lab):
    """In the end everything is allowed, and everybody reaches everybody."""
    yield lab.guests
    if lab.show("policy", "show"):
        allow(lab)
    for a, b in (("red-a1", "red-b2"), ("red-a1", "red-b1"), ("red-a2", "red-b1")):
        for to in (lab.guests[b].ipv4, lab.guests[b].ipv6):
            wait_until(f"{a} reaches {b}",
                           lambda: traffic.ping(lab.guests[a], to, 1, 0.05, 0.3).lost == 0)


def flows(guests):
    """Endless pings between the networks, over hosts and on one, each with its own marks."""
    pairs = [("red-a1", "red-b2"), ("red-a1", "red-b1"), ("red-b2", "red-a2")]
    return [traffic.RunningPing(guests[a], to, 0.02) for a, b in pairs
            for to in (guests[b].ipv4, guests[b].ipv6)]


def is_between(frame):
    """IP from network a to b or back."""
    data = frame.data
    if data[12:14] == b"\x08\x00":
        return {data[26:29], data[30:33]} == {b"\x0a\x01\x00", b"\x0a\x02\x00"}
    return data[12:14] == b"\x86\xdd" and {data[22:26], data[38:42]} == {
        b"\xfd\x00\x00\x01", b"\xfd\x00\x00\x02"}


def test_running_flows_stop_within_a_second_and_go_on_when_allowed(lab, guests, figures):
    running = flows(guests)
    names = [name for name in guests if guests[name].network != "red-c"]
    with Capture.of_guests(guests.values(), keep=is_between, kernel_time=True) as seen:
        wait_until("all flow", lambda: all(seen.at(name) for name in names), 10)
        time.sleep(0.5)
        commanded = time.time()
        deny(lab)
        time.sleep(WITHIN + 0.8)
        allowed = time.time()
        allow(lab)
        wait_until("all flow again", lambda: all(
            any(frame.at > allowed for frame in seen.at(name)) for name in names), 20)
    for flow in running:
        flow.stop()
    came = {name: [frame.at for frame in seen.at(name)] for name in names}
    late = {name: [at - commanded for at in times if commanded + WITHIN < at < allowed]
            for name, times in came.items()}
    assert not any(late.values()), late
    for name, times in came.items():
        assert [at for at in times if at < commanded], f"{name}: nothing before the command"
    last = max(at for times in came.values() for at in times if at < allowed) - commanded
    figures(f"a denied flow is silent {last * 1000:.0f} ms after the command")


def test_nobody_begins_what_is_denied(lab, guests):
    deny_everywhere(lab)
    cold.forget_everything(lab)
    with Capture.of_guests(guests.values(), keep=is_between) as seen:
        for a, b in (("red-a1", "red-b2"), ("red-b2", "red-a1"), ("red-a1", "red-b1")):
            for to in (guests[b].ipv4, guests[b].ipv6):
                assert traffic.ping(guests[a], to, 2, 0.02, 0.3).lost == 2
    assert [g.name for g in guests.values() if seen.at(g.name)] == []
    for a, b in (("red-a1", "red-c2"), ("red-b1", "red-c1")):  # these are not denied
        wait_until(f"{a} reaches {b}",
                       lambda: traffic.ping(guests[a], guests[b].ipv4, 1, 0.05, 0.5).lost == 0)


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
    lab.dovectl("tenant", "set", "red", "routing", "deny")
    try:
        lab.dovectl("policy", "add", *between, "allow")
        lab.dovectl("-wait=30", "sync")
        for a, b in (("red-a1", "red-c2"), ("red-c1", "red-a1"), ("red-b2", "red-c1")):
            for to in (guests[b].ipv4, guests[b].ipv6):
                assert traffic.ping(guests[a], to, 2, 0.05, 0.3).lost == 2, f"{a} to {to}"
        for a, b in (("red-a1", "red-b2"), ("red-b1", "red-a1")):
            for to in (guests[b].ipv4, guests[b].ipv6):
                wait_until(f"{a} reaches {to}", lambda: traffic.ping(
                    guests[a], to, 1, 0.05, 0.5).lost == 0)
    finally:
        lab.dovectl("policy", "del", *between, check=False)
        lab.dovectl("tenant", "set", "red", "routing", "allow")
    for to in (guests["red-c2"].ipv4, guests["red-c2"].ipv6):
        wait_until("it is allowed again", lambda: traffic.ping(
            guests["red-a1"], to, 1, 0.05, 0.5).lost == 0)
