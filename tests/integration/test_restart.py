"""Programs that are killed: what is in use loses nothing, and what was confirmed is there."""
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from dovelab import cold, traffic, wait_until
from dovelab.run import run

INTERVAL = 0.05


def everybody_pings(lab, pairs):
    return {f"{a} to {b}": traffic.RunningPing(lab.guests[a], lab.guests[b].ipv4, INTERVAL)
            for a, b in pairs}


def losses(running):
    results = {name: ping.stop() for name, ping in running.items()}
    assert all(result.sent > 10 for result in results.values()), "control: pings ran"
    return {name: result.lost for name, result in results.items() if result.lost}


PAIRS = [("red1", "red2"), ("red2", "red3"), ("blue3", "blue1"), ("red4", "red1")]


def warm(lab):
    for a, b in PAIRS:
        result = traffic.ping(lab.guests[a], lab.guests[b].ipv4, 3)
        assert result.lost == 0, f"{a} to {b}: {result}"


def installed(host, lab):
    return {(n["vni"], row["mac"], row["dst"]) for n in lab.networks.values()
            for row in host.fdb(n["vni"])}


ENDS = pytest.mark.parametrize("end", [lambda doved: doved.kill(), lambda doved: doved.end()],
                               ids=["killed", "stopped"])


@ENDS
def test_an_ended_doved_loses_nothing_that_is_in_use(lab, end):
    host = lab.hosts["h1"]
    warm(lab)
    running = everybody_pings(lab, PAIRS)
    time.sleep(0.5)
    before = installed(host, lab)
    end(host.doved)
    time.sleep(1.0)
    assert installed(host, lab) >= before, "something was flushed at the end"
    host.start()
    time.sleep(1.0)
    after = installed(host, lab)
    assert losses(running) == {}
    assert before <= after, f"gone: {before - after}"
    assert len(host.show("port", "show")) == 4


def test_what_a_killed_doved_had_begun_does_not_come_behind_the_next_one(lab):
    """Its nft goes on without it: the next one begins when that has ended."""
    host = lab.hosts["h1"]
    slow, flag = host.dir / "slow" / "nft", host.dir / "slow" / "is-slow"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\n[ -e {flag} ] && sleep 1.3\nexec {shutil.which("nft")} "$@"\n')
    slow.chmod(0o755)
    host.kill_doved()
    host.start(environment={"PATH": f"{slow.parent}:{os.environ['PATH']}"})
    host.wait_ports()
    flag.touch()
    run("nft", "flush", "chain", "inet", "dove", "input", netns=host.netns)
    wait_until("doved makes it again", lambda: "sleep" in host.programs(), 5)
    host.kill_doved()
    assert "sleep" in host.programs(), "control: it goes on"
    host.start()
    assert "sleep" not in host.programs()
    warm(lab)


class Monitor:
    """What the kernel tells of forwarding and neighbour entries of a host's tunnel devices."""

    def __init__(self, host):
        self._host, self._processes = host, {}
        for tool, what in (("bridge", "fdb"), ("ip", "neigh")):
            path = host.dir / f"monitor-{what}.out"
            with open(path, "wb") as out:
                self._processes[path] = subprocess.Popen(host.lab.journal.recorded("monitor", [
                    "stdbuf", "-oL", tool, "-n", host.netns, "monitor", what]), stdout=out)
        self._told_of("02:00:00:00:fe:01")

    def _told_of(self, mac):
        """Both have told of this, and so of all that was before."""
        host, ip = self._host, "10.99.255.1"
        fdb = ["bridge", "-n", host.netns, "fdb"]

        def told():
            run(*fdb, "add", mac, "dev", "eth0", "self", "permanent")
            run(*fdb, "del", mac, "dev", "eth0", "self", "permanent")
            host.ip("neigh", "add", ip, "lladdr", mac, "dev", "eth0", "nud", "permanent")
            host.ip("neigh", "del", ip, "dev", "eth0")
            return all(mac in path.read_text() for path in self._processes)
        wait_until("the kernel's monitors tell", told)

    def stop(self):
        self._told_of("02:00:00:00:fe:02")
        for process in self._processes.values():
            process.terminate()
            process.wait(5)
        told = "".join(path.read_text() for path in self._processes)
        return [line for line in told.splitlines()
                if "dev dvx" in line and not line.startswith("miss")]


@ENDS
def test_only_what_differs_is_written_after_a_restart(lab, end):
    """The kernel tells of every entry that is set to something else than it was."""
    host, wrong, stranger = lab.hosts["h1"], lab.guests["red2"], lab.guests["red3"]
    warm(lab)
    cold.make_cold(lab.guests["red1"], stranger)
    monitor = Monitor(host)
    end(host.doved)
    host.start()
    host.wait_applied(lab.revision())
    time.sleep(0.5)
    assert monitor.stop() == []

    vni, elsewhere = wrong.vni, lab.hosts["h3"].vtep
    assert [row["dst"] for row in host.remote_fdb(vni, wrong.mac)] == [wrong.host.vtep]
    end(host.doved)
    run("bridge", "-n", host.netns, "fdb", "replace", wrong.mac, "dev", f"dvx{vni}", "dst",
        elsewhere, "self", "dynamic")
    monitor = Monitor(host)
    host.start()
    wait_until("it is right again", lambda: [
        row["dst"] for row in host.remote_fdb(vni, wrong.mac)] == [wrong.host.vtep])
    assert traffic.ping(lab.guests["red1"], stranger.ipv4, 2).lost == 0
    told = monitor.stop()
    assert len([line for line in told if line.startswith(wrong.mac)]) == 1
    assert [line for line in told if stranger.mac in line], "control: what is new is told"
    assert not [line for line in told if wrong.mac not in line and stranger.mac not in line]


def test_a_state_file_of_another_version_costs_no_flow(lab):
    """It is said that something may be missing; what there is goes on."""
    host = lab.hosts["h1"]
    warm(lab)
    ports = host.show("port", "show")
    running = everybody_pings(lab, PAIRS)
    host.doved.end()
    file = host.state_dir / "state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps({**state, "version": state["version"] + 1}))
    monitor = Monitor(host)
    host.start()
    host.wait_applied(lab.revision())
    wait_until("its ports are as before", lambda: host.show("port", "show") == ports)
    assert monitor.stop() == []
    time.sleep(0.5)
    assert losses(running) == {}
    assert "version" in host.doved.log_text()
    assert host.status()["problem"]
    host.doved.end()
    host.start()
    assert not host.status()["problem"]


def test_after_the_restart_strangers_meet_as_before(lab):
    a, b = lab.guests["red1"], lab.guests["red3"]
    for one, other in ((a, b), (b, a)):
        cold.make_cold(one, other)
        assert traffic.ping(one, other.ipv4, 3).lost == 0


def test_what_changed_while_doved_was_dead_is_corrected(lab):
    host, moved = lab.hosts["h1"], lab.guests["red2"]
    assert traffic.ping(lab.guests["red1"], moved.ipv4, 2).lost == 0
    host.kill_doved()
    moved.move(lab.hosts["h3"])
    moved.wait_addresses()
    host.start()

    def entries():
        return [row["dst"] for row in host.remote_fdb(moved.vni, moved.mac)]
    wait_until("h1 knows the new place", lambda: lab.hosts["h2"].vtep not in entries(), 10)
    assert traffic.ping(lab.guests["red1"], moved.ipv4, 3, 0.1).lost == 0
    moved.move(lab.hosts["h2"])
    moved.wait_addresses()


def test_without_a_controller_flows_go_on(lab):
    warm(lab)
    running = everybody_pings(lab, PAIRS)
    time.sleep(0.3)
    lab.controller.kill()
    time.sleep(1.0)
    host = lab.hosts["h2"]
    wait_until("it is noticed", lambda: host.status()["connected"] is False)
    lab.start_controller()
    for host in lab.hosts.values():
        host.wait_connected()
    assert losses(running) == {}
    a, b = lab.guests["blue1"], lab.guests["blue2"]
    cold.make_cold(a, b)
    assert traffic.ping(a, b.ipv4, 3).lost == 0


def test_a_restarted_doved_brings_its_ports_back_without_a_controller(lab):
    warm(lab)
    host = lab.hosts["h1"]
    before = [(port["dev"], port["endpoint"]) for port in host.show("port", "show")]
    running = everybody_pings(lab, PAIRS)
    lab.controller.kill()
    host.kill_doved()
    time.sleep(0.3)
    host.start(wait=False)
    host.doved.wait_ready(lambda: host.status())
    assert [(port["dev"], port["endpoint"]) for port in host.show("port", "show")] == before
    lab.start_controller()
    for host in lab.hosts.values():
        host.wait_connected()
    time.sleep(0.3)
    assert losses(running) == {}
    warm(lab)


def test_what_a_killed_controller_had_confirmed_is_there(lab):
    """kill -9 at random moments of a run of changes."""
    confirmed, unsure = set(), set()
    for round_number in range(30):
        if round_number >= 4 and len(confirmed) > 10:
            break
        kill_at = time.monotonic() + random.uniform(0.05, 0.6)
        number = 0
        while lab.controller.running() and number < 60:
            name = f"t{round_number}-{number}"
            if time.monotonic() > kill_at:
                lab.controller.kill()
            done = lab.dovectl("tenant", "add", name, check=False, timeout=20)
            (confirmed if done.code == 0 else unsure).add(name)
            number += 1
        lab.controller.kill()
        lab.start_controller()
    shown = {row["name"] for row in lab.show("tenant", "show")}
    assert len(confirmed) > 10, "control: something was confirmed"
    assert confirmed <= shown, f"lost: {confirmed - shown}"
    for name in confirmed | (unsure & shown):
        lab.dovectl("tenant", "del", name)
    for host in lab.hosts.values():
        host.wait_connected()


def test_it_ends_in_time_whoever_does_not_read(lab):
    """Readers that are stopped while much is told to them, until nothing more goes into their
    sockets."""
    host, guest = lab.hosts["h1"], lab.guests["red1"]
    monitors = [subprocess.Popen(lab.journal.recorded("monitor", [
        "ip", "netns", "exec", host.netns, lab.program("dovectl"), "-Socket", host.socket, "monitor"]),
        stdout=subprocess.PIPE) for _ in range(2)]
    try:
        time.sleep(0.5)  # by then they listen
        for monitor in monitors:
            monitor.send_signal(signal.SIGSTOP)
        host.ip("link", "add", "noisy", "type", "veth", "peer", "name", "noisy-peer")
        lab.dovectl("endpoint", "add", "noisy", "network", "red-net")
        words = "port add noisy endpoint noisy\nport del noisy\n" * 120
        for _ in range(3):
            host.dovectl("-batch", "-", stdin=words, timeout=60)
        host.doved.end(signal.SIGTERM, timeout=12)
        assert not host.doved.crashes, host.doved.crashes
    finally:
        for monitor in monitors:
            monitor.kill()
            monitor.wait()
        host.ip("link", "del", "noisy", check=False)
        lab.dovectl("endpoint", "del", "noisy", check=False)
        host.start()
    assert traffic.ping(guest, lab.guests["red3"].ipv4, 3).lost == 0
