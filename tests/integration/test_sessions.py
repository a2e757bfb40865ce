"""Streams that die without a word, and controllers that come back as others: nothing that is in use
is lost, and what is known is true afterwards."""
import contextlib
import json
import shutil
import sqlite3
import time

from dovelab import cold, traffic, wait_until
from dovelab.cut import Cut

PAIRS = [("red1", "red2"), ("red2", "red3"), ("blue3", "blue1")]


def flows(lab):
    for a, b in PAIRS:
        assert traffic.ping(lab.guests[a], lab.guests[b].ipv4, 3).lost == 0
    return [traffic.RunningPing(lab.guests[a], lab.guests[b].ipv4, 0.02) for a, b in PAIRS]


def assert_nothing_lost(running):
    time.sleep(0.5)
    results = [ping.stop() for ping in running]
    assert all(result.sent > 10 for result in results), f"control: pings ran: {results}"
    assert [result.lost for result in results] == [0] * len(results)


def connected(lab, name):
    return next(row["state"] for row in lab.show("host", "show") if row["name"] == name) == "connected"


def test_a_stream_that_dies_silently_is_noticed_on_both_sides(lab):
    """No FIN, no RST. What changed meanwhile is known afterwards."""
    h1, moved = lab.hosts["h1"], lab.guests["blue2"]
    assert traffic.ping(lab.guests["blue1"], moved.ipv4, 2).lost == 0
    running = flows(lab)
    cut = Cut(lab, [h1])
    try:
        moved.move(lab.hosts["h3"])
        moved.wait_addresses()
        wait_until("h1 notices", lambda: not h1.status()["connected"], 25)
        wait_until("the controller notices", lambda: not connected(lab, "h1"), 25)
    finally:
        cut.mend()
    h1.wait_connected()
    assert connected(lab, "h1")
    h1.wait_applied(lab.revision())
    wait_until("h1 knows the new place", lambda: lab.hosts["h2"].vtep not in [
        row["dst"] for row in h1.remote_fdb(moved.vni, moved.mac)])
    assert traffic.ping(lab.guests["blue1"], moved.ipv4, 2).lost == 0
    assert_nothing_lost(running)
    moved.move(lab.hosts["h2"])
    moved.wait_addresses()


def test_a_store_that_is_restored_from_a_copy(lab, tmp_path):
    """Its revisions are lower than what the hosts know, and then mean something else."""
    path, copy = lab.journal.dir / "store.db", tmp_path / "copy.db"
    a, b = lab.guests["red1"], lab.guests["red2"]
    third = lab.guests["red3"].host
    running = flows(lab)
    with contextlib.closing(sqlite3.connect(path)) as store, \
            contextlib.closing(sqlite3.connect(copy)) as to:
        store.backup(to)
    ips = [word for ip in (b.ipv4, b.ipv6) for word in ("ip", ip)]
    for _ in range(3):
        lab.dovectl("-wait", "endpoint", "set", "red2", *ips, "ip", "10.1.0.70")
        lab.dovectl("-wait", "endpoint", "set", "red2", *ips, "ip", "10.1.0.71")
    gone = lab.guests["red4"]
    gone.host.dovectl("port", "del", gone.port)
    lost = third.status()["revision"]
    lab.controller.kill()
    for name in path.parent.glob("store.db-*"):
        name.unlink()
    shutil.copy(copy, path)
    lab.start_controller()
    for host in lab.hosts.values():
        host.wait_connected()
    assert "10.1.0.71" not in lab.show("endpoint", "show", "red2")[0]["ips"]
    wait_until("the host says what it does not have, long before its next audit", lambda: lab.show(
        "endpoint", "show", "red4")[0]["host"] is None, 10)
    b.take("10.1.0.72")
    try:
        lab.dovectl("-wait", "endpoint", "set", "red2", *ips, "ip", "10.1.0.72")
        assert third.status()["revision"] < lost, "control: it is not beyond what was lost"
        for guest in (a, lab.guests["red3"]):
            assert traffic.ping(guest, "10.1.0.72", 3).lost == 0
        for host in lab.hosts.values():
            wait_until(f"{host.name} differs in nothing", lambda h=host: h.dovectl(
                "check", check=False).code == 0, 10)
            assert {port["state"] for port in host.show("port", "show")} == {"active"}
        assert "10.1.0.71" not in json.dumps(third.show("neighbour", "show"))
        assert "restored from a copy?" in lab.controller.log_text()
    finally:
        b.give_up("10.1.0.72")
        lab.dovectl("-wait", "endpoint", "set", "red2", *ips)
        gone.host.dovectl(*gone.port_add())
    assert_nothing_lost(running)


def test_a_store_with_another_id_flushes_nothing(lab):
    """Revisions and hosts' numbers mean nothing any more."""
    running = flows(lab)
    lab.controller.kill()
    with sqlite3.connect(lab.journal.dir / "store.db") as store:
        store.execute("UPDATE meta SET store_id = ?", (b"another store id",))
    store.close()
    lab.start_controller()
    for host in lab.hosts.values():
        wait_until("the session is new", lambda h=host: h.status()["connected"]
                   and h.status()["store_id"] == b"another store id".hex(), 20)
        wait_until("all ports are confirmed", lambda h=host: {
            port["state"] for port in h.show("port", "show")} == {"active"})
        wait_until("all networks are known", lambda h=host: h.status()["replicated"] == 2
                   and h.status()["knowledge_age_ms"] == 0)
    assert_nothing_lost(running)
    a, b = lab.guests["red1"], lab.guests["red3"]
    for one, other in ((a, b), (b, a)):
        cold.make_cold(one, other)
        assert traffic.ping(one, other.ipv4, 3).lost == 0
