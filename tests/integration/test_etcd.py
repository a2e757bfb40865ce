"""A store in a cluster of etcd: a member lost, the leader lost, the majority lost, a controller lost.
Everything is asked of the controller (no network is replicated), so each cold ping is a read there.
"""
import contextlib
import itertools
import os
import shutil
import signal
import threading
import time

import pytest
from dovelab import cold, run, traffic, wait_until
from dovelab.run import CommandFailed

pytestmark = pytest.mark.skipif(not shutil.which("etcd") or not shutil.which("etcdctl"),
                                reason="no etcd on this machine")
LAB = {"hosts": ["h1", "h2"], "etcd": 3, "standby": True,
       "dove-controller": ["--replicate-limit", "0", "--host-lease", "8"],
       "tenants": {"red": {"red-net": {"subnets": ["10.1.0.0/16"]}}},
       "guests": {"a": {"network": "red-net", "host": "h1", "ips": ["10.1.0.11"]},
                  "b": {"network": "red-net", "host": "h2", "ips": ["10.1.0.12"]},
                  "c": {"network": "red-net", "host": "h1", "ips": ["10.1.0.13"]},
                  "d": {"network": "red-net", "host": "h2", "ips": ["10.1.0.14"]}}}
_numbers = itertools.count()


def change(lab, refused=None):
    """A new endpoint; its name. With a list to note them in, what is refused because of the store
    is asked for again, as a script would."""
    name = f"new{next(_numbers)}"
    deadline = time.monotonic() + 20
    while True:
        done = lab.dovectl("endpoint", "add", name, "network", "red-net", "ip", "auto",
                           check=refused is None)
        if done.code == 0:
            return name
        assert done.code == 2 and "store etcd" in done.err and time.monotonic() < deadline, done
        refused.append(done.err)
        time.sleep(0.1)


class Changes:
    """One after the other: how long they took, and which were refused."""

    def __init__(self, lab):
        self.lab, self.longest, self.refused = lab, 0.0, []

    def make(self):
        began = time.monotonic()
        name = change(self.lab, self.refused)
        self.longest = max(self.longest, time.monotonic() - began)
        assert name in names(self.lab)

    def __str__(self):
        return f"the longest change took {self.longest:.2f} s, {len(self.refused)} were refused"


def names(lab):
    return {row["name"] for row in lab.show("endpoint", "show")}


def reads_go_on(lab):
    c, d = lab.guests["c"], lab.guests["d"]
    cold.make_cold(c, d)
    assert traffic.ping(c, d.ipv4, 1, 0.1, 5).lost == 0
    assert {"c", "d"} <= names(lab)


class Watched:
    """What `host show` says of the hosts meanwhile, and a ping between guests."""

    def __init__(self, lab):
        self.lab, self.states, self._stop = lab, set(), False
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        a, b = self.lab.guests["a"], self.lab.guests["b"]
        assert traffic.ping(a, b.ipv4, 3).lost == 0
        self._ping = traffic.RunningPing(a, b.ipv4, 0.02)
        self._thread.start()
        return self

    def _look(self):
        while not self._stop:
            with contextlib.suppress(CommandFailed):  # no controller
                self.states |= {row["state"] for row in self.lab.show("host", "show")}
            time.sleep(0.1)

    def __exit__(self, *_):
        self._stop = True
        self._thread.join()
        self.result = self._ping.stop()

    def assert_nothing_happened(self, states=frozenset({"connected"})):
        assert self.states <= states
        assert "connected" in self.states, "control: it was seen"
        assert self.result.sent > 10, f"control: the ping ran: {self.result}"
        assert self.result.lost == 0


def etcdctl(lab, member, *words, **options):
    return run("etcdctl", "--endpoints", member.address, *words, netns=lab.controller.netns,
               **options)


def start_again(lab, member):
    member.daemon.start()
    wait_until(f"{member.name} is a member again",
               lambda: etcdctl(lab, member, "get", "x", check=False).code == 0, 30)


def test_the_store_is_where_it_was_said_to_be(lab):
    name = change(lab)
    keys = etcdctl(lab, lab.etcd[0], "get", "dove/", "--prefix", "--keys-only").out.split()
    assert f"dove/record/endpoint/{name}" in keys


def test_a_member_lost_and_the_leader_lost_are_not_noticed(lab, figures):
    """One after the other: one of the three is the leader."""
    changes = Changes(lab)
    with Watched(lab) as watched:
        for member in lab.etcd:
            member.daemon.kill()
            for _ in range(20):
                changes.make()
            reads_go_on(lab)
            start_again(lab, member)
    figures(f"etcd: three members lost one after the other: {changes}")
    assert not changes.refused
    watched.assert_nothing_happened()
    assert "suspect" not in lab.controller.log_text()


def test_a_member_that_is_silent_costs_nobody_the_store(lab, figures):
    """Not even a hang-up is heard from it, for longer than the controller's lease. It is lost then:
    an old leader that goes on may end a lease of which the new one has heard that it is kept
    (etcd-io/etcd#15247)."""
    changes = Changes(lab)
    until_it_waits(lab.standby)
    with Watched(lab) as watched:
        for member in lab.etcd:
            os.kill(member.daemon.pid, signal.SIGSTOP)
            paused = time.monotonic()
            while time.monotonic() - paused < 6:
                changes.make()
            member.daemon.kill()
            start_again(lab, member)
    figures(f"etcd: three members silent one after the other: {changes}")
    watched.assert_nothing_happened()
    assert "listening on" not in log(lab.standby)


def test_a_lost_majority_refuses_changes_and_answers_all_else(lab):
    """What the refused ones have become is the same for who asks the controller, and for the next
    controller, which reads the store."""
    before = names(lab)
    with Watched(lab) as watched:
        for member in lab.etcd[:2]:
            member.daemon.kill()
        began = time.monotonic()
        refused = []
        # Longer than the hosts' lease; and the first is refused late, the others at once.
        while time.monotonic() - began < 10 or len(refused) < 3:
            done = lab.dovectl("endpoint", "add", f"lost{len(refused)}", "network", "red-net",
                               check=False)
            assert done.code == 2
            assert "store etcd" in done.err
            refused.append(f"lost{len(refused)}")
            reads_go_on(lab)
        start_again(lab, lab.etcd[0])
        wait_until("changes are taken again",
                   lambda: lab.dovectl("endpoint", "add", f"found{next(_numbers)}", "network",
                                       "red-net", check=False).code == 0, 20)
        start_again(lab, lab.etcd[1])
    watched.assert_nothing_happened()
    after = names(lab)
    assert before <= after
    lost = {name for name in after if name.startswith("lost")}
    assert lost <= {"lost0"}, "refused at once: not made"
    wait_until("it is said", lambda: "the store answers again" in lab.controller.log_text(), 10)
    hand_over(lab, lambda active: active.end())
    assert names(lab) == after


# --- which controller has the store

_begins = {}  # of a controller's log, since it was started last


def start(controller):
    _begins[controller.label] = len(controller.log_text())
    controller.start()


def log(controller):
    return controller.log_text()[_begins.get(controller.label, 0):]


def until_it_waits(controller):
    wait_until(f"{controller.label} waits", lambda: "standing by: store etcd: it is in use "
               "by another controller" in log(controller), 20)


def until_it_has_the_store(lab, controller):
    wait_until(f"{controller.label} has the store", lambda: "listening on" in log(controller), 20)
    for host in lab.hosts.values():
        host.wait_connected(60)


def hand_over(lab, end, meanwhile=lambda: None):
    """From the first controller to the other, and back."""
    for active, other in ((lab.controller, lab.standby), (lab.standby, lab.controller)):
        until_it_waits(other)
        end(active)
        until_it_has_the_store(lab, other)
        meanwhile()
        start(active)


def test_a_controller_that_ends_or_is_killed_is_followed_by_the_other(lab, figures):
    def all_is_there():
        assert before <= names(lab)
        reads_go_on(lab)
        assert change(lab) in names(lab)

    before = names(lab)
    with Watched(lab) as watched:
        hand_over(lab, lambda active: active.end(), all_is_there)
        began = time.monotonic()
        hand_over(lab, lambda active: active.kill(), all_is_there)
        figures(f"etcd: two controllers killed and replaced in {time.monotonic() - began:.1f} s")
    watched.assert_nothing_happened({"connected", "disconnected"})
    assert "suspect" not in log(lab.controller)


def test_a_controller_that_slept_too_long_ends_itself(lab):
    """It had the store, and another one has it now."""
    until_it_waits(lab.standby)
    with Watched(lab) as watched:
        with lab.controller.paused():
            until_it_has_the_store(lab, lab.standby)
            # The first address is that of the one that sleeps: its kernel accepts connections.
            lab.dovectl("endpoint", "add", "meanwhile", "network", "red-net")
        wait_until("it has ended", lambda: not lab.controller.running(), 20)
    watched.assert_nothing_happened({"connected", "disconnected"})
    lab.controller.check()
    assert lab.controller.crashes == [2]
    lab.controller.crashes.clear()
    assert "another controller" in log(lab.controller)
    assert "meanwhile" in names(lab)
    reads_go_on(lab)
    start(lab.controller)
    until_it_waits(lab.controller)
