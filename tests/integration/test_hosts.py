"""Hosts that the controller does not hear of: they are suspect and keep all that they have, another
host may take an endpoint of theirs, and what they say late changes nothing."""
import contextlib
import copy
import os
import signal
import threading
import time

import pytest
from dovelab import cold, frames, netns, traffic, wait_until
from dovelab.capture import Capture
from dovelab.cut import Cut
from dovelab.spec import three_hosts

LEASE = 2
LAB = {**three_hosts(), "dove-controller": ["--host-lease", str(LEASE)]}
PAIRS = [("red1", "red2"), ("red2", "red1"), ("blue3", "blue1"), ("blue1", "blue3")]


def states(lab):
    return {row["name"]: row["state"] for row in lab.show("host", "show")}


def wait_suspect(lab, *names):
    wait_until(f"{names} suspect", lambda: [n for n, s in states(lab).items() if s == "suspect"]
               == list(names), 15)


def wait_connected(lab):
    wait_until("all are connected", lambda: set(states(lab).values()) == {"connected"}, 20)
    for host in lab.hosts.values():
        host.wait_connected()
    lab.dovectl("-wait=30", "sync")


def wait_known(lab):
    """Both networks are on all hosts: strangers meet without the controller."""
    for host in lab.hosts.values():
        wait_until(f"{host.name} knows all", lambda h=host: (h.status() or {}).get("replicated") == 2
                   and h.status()["knowledge_age_ms"] == 0, 15)


class Broadcasts:
    """Two guests of different hosts send a frame to all every 50 ms, until stop()."""

    def __init__(self, lab):
        self._senders = [lab.guests["red1"], lab.guests["red3"]]
        self._listeners = [g for g in lab.guests.values() if g.network == "red-net"]
        self._over = threading.Event()
        self._sent = 0
        self._seen = Capture.of_guests(self._listeners)
        self._seen.__enter__()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _tag(self, sender, number):
        return f"<to all {sender.name} {number}>".encode()

    def _send(self):
        with contextlib.ExitStack() as stack:
            sockets = [(g, stack.enter_context(g.packet_socket())) for g in self._senders]
            while not self._over.wait(0.05):
                for guest, raw in sockets:
                    raw.send(frames.tagged(frames.BROADCAST, guest.mac, self._tag(guest, self._sent)))
                self._sent += 1

    def stop(self):
        """How many were sent, and which copies were missing."""
        self._over.set()
        self._thread.join()
        time.sleep(0.3)
        self._seen.__exit__(None, None, None)
        missing = [f"{guest.name}: {self._tag(sender, n).decode()}" for sender in self._senders
                   for n in range(self._sent) for guest in self._listeners
                   if guest is not sender and self._seen.count(guest.name, self._tag(sender, n)) != 1]
        return self._sent, missing


def running_flows(lab, pairs=tuple(PAIRS)):
    for a, b in pairs:
        assert traffic.ping(lab.guests[a], lab.guests[b].ipv4, 3).lost == 0
    return [traffic.RunningPing(lab.guests[a], lab.guests[b].ipv4, 0.02) for a, b in pairs]


def assert_nothing_lost(running, at_least):
    results = [ping.stop() for ping in running]
    assert all(result.sent >= at_least for result in results), f"control: pings ran: {results}"
    assert [result.lost for result in results] == [0] * len(results)


def strangers_meet(lab, pairs):
    for a, b in pairs:
        one, other = lab.guests[a], lab.guests[b]
        for ip in (other.ipv4, other.ipv6):
            cold.make_cold(one, other)
            result = traffic.ping(one, ip, 3, 0.02)
            assert result.lost == 0, f"{a} to {ip}: {result}"


def test_a_host_cut_off_from_the_controller_is_suspect_and_loses_nothing(lab):
    wait_known(lab)
    running = running_flows(lab)
    broadcasts = Broadcasts(lab)
    try:
        with Cut(lab, [lab.hosts["h1"]]):
            wait_suspect(lab, "h1")
            row = next(r for r in lab.show("host", "show") if r["name"] == "h1")
            assert row["silent_ms"] >= LEASE * 1000 and row["endpoints"] == 4
            assert lab.show("endpoint", "show", "red1")[0]["host"] == "h1"
            # Strangers of replicated networks, both ways, over the cut-off host's tunnels.
            strangers_meet(lab, [("red4", "red3"), ("red3", "red4"), ("blue4", "blue2")])
            wait_until("h1 knows that it is alone", lambda: not lab.hosts["h1"].status()["connected"],
                       25)
            strangers_meet(lab, [("blue2", "blue4"), ("red4", "red3")])
        wait_connected(lab)
    finally:
        sent, missing = broadcasts.stop()
    assert_nothing_lost(running, 50 * LEASE)
    assert sent > 20 * LEASE, "control: there were broadcasts"
    assert not missing, f"{len(missing)} of {sent}: {missing[:5]}"
    log = lab.controller.log_text()
    assert "host h1 suspect: not heard for 2 s" in log and "host h1 is heard again" in log


@contextlib.contextmanager
def taken_over(lab, name, host):
    """A second of the guest at another host, by an explicit `port add`; the first goes on."""
    first = lab.guests[name]
    second = copy.copy(first)
    second.netns = f"{lab.name}-{name}-there"
    lab._make_netns(second.netns)
    for scope in ("all", "default"):  # the first has the same addresses and would be found
        netns.sysctl(second.netns, f"ipv6.conf.{scope}.accept_dad", 0)
    second.plug(host)
    second.wait_addresses()
    lab.guests[name] = second
    try:
        yield second
    finally:
        lab.guests[name] = first
        second.unplug()
        home = first.host
        home.dovectl("port", "del", first.port, check=False)
        home.dovectl(*first.port_add())


def places(lab, guest, host):
    return {row["dst"] for row in host.remote_fdb(guest.vni, guest.mac)}


def test_an_endpoint_taken_from_a_suspect_host_stays_taken(lab):
    h1, h2, h3 = (lab.hosts[n] for n in ("h1", "h2", "h3"))
    first, others = lab.guests["red4"], [lab.guests["red2"], lab.guests["red3"]]
    wait_known(lab)
    for other in others:
        assert traffic.ping(other, first.ipv4, 2).lost == 0
    before = lab.show("endpoint", "show", "red4")[0]["generation"]
    with Cut(lab, [h1]) as cut:
        wait_suspect(lab, "h1")
        with taken_over(lab, "red4", h2) as second:
            assert lab.show("endpoint", "show", "red4")[0]["generation"] == before + 1
            wait_until("h3 knows the new place", lambda: places(lab, second, h3) == {h2.vtep})
            for other in others:
                assert traffic.ping(other, second.ipv4, 3).lost == 0
            # The first goes on talking, of its addresses too.
            first.run("ping", "-c3", "-i0.1", "-W1", others[1].ipv4, check=False)
            first.send_frames([frames.gratuitous_arp(first.mac, first.ipv4)] * 2, 0.1)
            assert places(lab, second, h3) == {h2.vtep}
            cut.mend()
            wait_judged(h1)
            port = next(p for p in h1.show("port", "show") if p["dev"] == first.port)
            assert (port["state"], port["owner"]) == ("lost", "h2")
            assert h1.show("status")[0]["lost_ports"] == 1
            assert f'port "{first.port}" lost endpoint "red4": it is active at host "h2"' \
                in h1.doved.log_text()
            assert lab.show("endpoint", "show", "red4")[0]["host"] == "h2"
            for guest in [*others, lab.guests["red1"]]:  # red1 is where the first was
                assert traffic.ping(guest, second.ipv4, 3, 0.05, 3).lost == 0
            h1.dovectl("port", "del", first.port)  # a late word
            shown = lab.show("endpoint", "show", "red4")[0]
            assert (shown["host"], shown["generation"]) == ("h2", before + 1)
            assert traffic.ping(others[1], second.ipv4, 3).lost == 0
    first.wait_addresses()
    wait_connected(lab)
    for other in others:
        assert traffic.ping(other, first.ipv4, 3, 0.05, 3).lost == 0


def wait_judged(host):
    host.wait_connected()
    wait_until("the port is lost", lambda: "lost" in {
        p["state"] for p in host.show("port", "show")}, 20)


def test_a_suspect_host_is_the_administrators_to_remove(lab):
    h1, h2, h3 = (lab.hosts[n] for n in ("h1", "h2", "h3"))
    guest, other = lab.guests["blue3"], lab.guests["blue2"]
    assert traffic.ping(other, guest.ipv4, 2).lost == 0
    refused = lab.dovectl("host", "del", "h3", check=False)
    assert refused.code == 2 and "is connected" in refused.err
    with Cut(lab, [h3]):
        wait_suspect(lab, "h3")
        assert h3.vtep in {row["dst"] for row in h2.fdb(guest.vni)}
        lab.dovectl("host", "del", "h3")
        for host in (h1, h2):
            for network in lab.networks.values():
                wait_until(f"{host.name} knows nothing of h3", lambda h=host, n=network: h3.vtep
                           not in {row["dst"] for row in h.fdb(n["vni"])})
        assert set(states(lab)) == {"h1", "h2"}
        assert lab.show("endpoint", "show", "blue3")[0]["host"] is None
        assert traffic.ping(other, guest.ipv4, 2, 0.1, 1).lost == 2
    wait_until("h3 is back", lambda: states(lab).get("h3") == "connected", 40)
    wait_connected(lab)
    wait_until("its ports are confirmed", lambda: {
        port["state"] for port in h3.show("port", "show")} == {"active"})
    assert lab.show("endpoint", "show", "blue3")[0]["host"] == "h3"
    for name in ("red3", "blue3"):
        near = lab.guests[name.replace("3", "1")]
        wait_until("it is in the flood lists again", lambda g=near: h3.vtep in {
            row["dst"] for row in h1.fdb(g.vni) if row["mac"] == frames.BROADCAST})
        assert traffic.ping(near, lab.guests[name].ipv4, 3, 0.05, 3).lost == 0


def test_a_stopped_doved_is_suspect_and_knows_afterwards_what_it_missed(lab):
    h2, moved = lab.hosts["h2"], lab.guests["red3"]
    near = lab.guests["red2"]
    assert traffic.ping(near, moved.ipv4, 2).lost == 0
    running = running_flows(lab, PAIRS[2:])
    with h2.doved.paused():
        wait_suspect(lab, "h2")
        moved.move(lab.hosts["h1"])
        moved.wait_addresses()
    wait_connected(lab)
    wait_until("h2 knows the new place",
               lambda: places(lab, moved, h2) <= {lab.hosts["h1"].vtep})
    assert traffic.ping(near, moved.ipv4, 3, 0.05, 3).lost == 0
    assert_nothing_lost(running, 20 * LEASE)
    moved.move(lab.hosts["h3"])
    moved.wait_addresses()


def looked_and_nobody_suspect(lab, begun):
    """Before a lease has run since `begun`; afterwards one that had to come back may be late. Whether
    there was time to look."""
    looks = 0
    while True:
        seen = set(states(lab).values())
        if time.monotonic() >= begun + LEASE:
            break
        assert "suspect" not in seen
        looks += 1
    wait_connected(lab)
    return looks > 0


def killed(lab):
    lab.controller.kill()
    begun = time.monotonic()
    lab.start_controller()
    return begun


def stopped(lab):
    """One that does not run can hear nobody."""
    os.kill(lab.controller.pid, signal.SIGSTOP)
    try:
        time.sleep(2 * LEASE)
    finally:
        begun = time.monotonic()
        os.kill(lab.controller.pid, signal.SIGCONT)
    return begun


@pytest.mark.parametrize("away", [killed, stopped])
def test_a_controller_that_was_away_makes_nobody_suspect(lab, away):
    assert any(looked_and_nobody_suspect(lab, away(lab)) for _ in range(5))
