"""Networks small enough are on the hosts that have them: what is cold starts without asking, and
without any controller."""
import time

from dovelab import cold, traffic, wait_until

LIMIT = 4
LAB = {"hosts": ["h1", "h2", "h3"],
       "dove-controller": ["--replicate-limit", str(LIMIT)],
       "tenants": {"red": {
           "a-net": {"subnets": ["10.1.0.0/24", "fd00:1::/64"], "routed": True},
           "b-net": {"subnets": ["10.2.0.0/24", "fd00:2::/64"], "routed": True}}},
       "guests": {f"{net}{n}": {"network": f"{net}-net", "host": f"h{n}",
                                "ips": [f"10.{i}.0.1{n}", f"fd00:{i}::1{n}"]}
                  for i, net in ((1, "a"), (2, "b")) for n in (1, 2, 3) if (net, n) != ("b", 3)}}


def knows(host, networks):
    status = host.status() or {}
    return status.get("replicated") == networks and status.get("knowledge_age_ms") == 0


def wait_known(lab, networks=2, hosts=("h1", "h2")):
    for name in hosts:
        host = lab.hosts[name]
        wait_until(f"{name} knows {networks} networks", lambda h=host: knows(h, networks), 15)


def make_cold(a, b):
    """Also the entries that lead from the one's network into the other's."""
    if a.network == b.network:
        return cold.make_cold(a, b)
    for one, other in ((a, b), (b, a)):
        cold.remove_entries(one.host, one.vni, {other.mac}, set(other.addresses()))
    return None


def strangers_meet(a, b):
    """Milliseconds of the first ping; every one of both families is answered."""
    times = []
    for ip in (b.ipv4, b.ipv6):
        make_cold(a, b)
        result = traffic.ping(a, ip, 3, 0.02)
        assert result.lost == 0, f"{a.name} to {b.name}: {result}"
        times.append(result.first)
    return times


def asked(*hosts):
    return [host.counters()["keys_asked"] for host in hosts]


def pairs(lab):
    guests = lab.guests
    return [(guests["a1"], guests["a2"]), (guests["a1"], guests["b2"]), (guests["b1"], guests["b2"])]


def test_what_is_replicated_is_asked_of_nobody(lab, figures):
    wait_known(lab)
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    for pair in pairs(lab):
        strangers_meet(*pair)
    before, answers = asked(h1, h2), h1.counters()["answered_here"]
    times = [ms for pair in pairs(lab) for ms in strangers_meet(*pair)]
    assert asked(h1, h2) == before
    assert h1.counters()["answered_here"] > answers
    figures(f"cold first pings in replicated networks, ms: {sorted(times)}")


def test_a_network_that_a_host_does_not_have_is_asked_about(lab):
    """h3 has a-net only."""
    wait_known(lab, 1, ["h3"])
    before = asked(lab.hosts["h3"])
    strangers_meet(lab.guests["a3"], lab.guests["b2"])
    assert asked(lab.hosts["h3"]) != before


def test_what_changes_is_told(lab):
    """A guest moves: where it is now is known without asking."""
    guest, peer = lab.guests["b2"], lab.guests["a1"]
    strangers_meet(peer, guest)
    guest.move(lab.hosts["h3"])
    guest.wait_addresses()
    lab.hosts["h1"].wait_applied(lab.revision())
    before = asked(lab.hosts["h1"])
    try:
        strangers_meet(peer, guest)
        assert asked(lab.hosts["h1"]) == before
    finally:
        guest.move(lab.hosts["h2"])
        guest.wait_addresses()
    wait_known(lab)


def test_a_policy_is_kept_by_what_is_known_here(lab):
    a, b = lab.guests["a1"], lab.guests["b2"]
    words = ["tenant", "red", "between", "a-net", "and", "b-net"]
    lab.dovectl("policy", "add", *words, "deny")
    wait_until("it is denied", lambda: traffic.ping(a, b.ipv4, 1, 0.1, 1).lost == 1)
    make_cold(a, b)
    assert traffic.ping(a, b.ipv4, 2, 0.05, 1).lost == 2
    lab.dovectl("policy", "del", *words)
    wait_until("it is allowed", lambda: traffic.ping(a, b.ipv4, 1, 0.1, 1).lost == 0)
    strangers_meet(a, b)


def test_without_a_controller_what_is_cold_starts(lab, figures):
    wait_known(lab)
    lab.controller.kill()
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    for host in (h1, h2):
        wait_until("the session is lost", lambda h=host: not h.status()["connected"])
    times = [ms for pair in pairs(lab) for ms in strangers_meet(*pair)]
    figures(f"the same without a controller: {sorted(times)}")
    wait_until("the knowledge ages", lambda: h1.status()["knowledge_age_ms"] > 500)
    assert h1.status()["replicated"] == 2


def test_nor_does_a_restart_need_one(lab):
    """What was learned before the controller died was saved."""
    h1 = lab.hosts["h1"]
    lost = time.time() - h1.status()["knowledge_age_ms"] / 1000
    replicas = [h1.state_dir / f"replica-{network['vni']}" for name, network in lab.networks.items()
                if name in ("a-net", "b-net")]
    wait_until("all of it is saved", lambda: all(
        replica.exists() and replica.stat().st_mtime > lost for replica in replicas), 15)
    h1.kill_doved()
    h1.start(wait=False)
    h1.doved.wait_ready(lambda: h1.status())
    assert h1.status()["replicated"] == 2
    assert h1.status()["knowledge_age_ms"] > 0
    for pair in pairs(lab):
        strangers_meet(*pair)
    # However long ago the last change was: it is as old as the controller is away.
    before = h1.status()["knowledge_age_ms"]
    stopped = time.monotonic()
    h1.doved.end()
    h1.start(wait=False)
    h1.doved.wait_ready(lambda: h1.status())
    passed = 1000 * (time.monotonic() - stopped)
    assert before <= h1.status()["knowledge_age_ms"] < before + passed + 2000
    lab.start_controller()
    for host in lab.hosts.values():
        host.wait_connected()
    wait_known(lab)


def test_growing_and_shrinking_lose_nothing(lab):
    """Up over the limit and back, under traffic, with strangers that meet all the time."""
    guests = lab.guests
    running = [traffic.RunningPing(a, b.ipv4, 0.01) for a, b in pairs(lab)]
    for n in (4, 5):
        lab.add_guest(f"a{n}", network="a-net", host="h3", ips=[f"10.1.0.2{n}"])
    wait_known(lab, 1)
    before = asked(lab.hosts["h1"])
    strangers_meet(guests["b1"], guests["a2"])
    assert asked(lab.hosts["h1"]) != before, "control: now the controller is asked"
    for n in (4, 5):
        lab.remove_guest(f"a{n}")
    time.sleep(0.3)
    assert lab.hosts["h1"].status()["replicated"] == 1, "it came back too early"
    strangers_meet(guests["b1"], guests["a2"])
    lab.remove_guest("a3")
    wait_known(lab)
    before = asked(lab.hosts["h1"])
    strangers_meet(guests["b1"], guests["a2"])
    assert asked(lab.hosts["h1"]) == before
    results = [ping.stop() for ping in running]
    assert all(result.sent > 50 for result in results), "control: pings ran"
    assert [result.lost for result in results] == [0, 0, 0]
