"""Which programs run with real-time priority, and that all goes on where it is not permitted."""
import contextlib
import os
from pathlib import Path

import pytest
from dovelab import run, traffic, wait_until

SUBNETS = ["10.1.0.0/24"]
LAB = {"hosts": ["h1", "h2"],
       "tenants": {"red": {"red-net": {"subnets": SUBNETS}}},
       "guests": {f"red{n}": {"network": "red-net", "host": f"h{n}", "ips": [f"10.1.0.1{n}"]}
                  for n in (1, 2)}}
ORDINARY = (os.SCHED_OTHER, 0)


@pytest.fixture(scope="module", autouse=True)
def permitted():
    tried = run("chrt", "--rr", "1", "true", check=False)
    if tried.code != 0:
        pytest.skip(f"this machine gives root no real-time priority: {tried.err.strip()}")


def scheduling(daemon):
    """(policy, priority) of each thread, the main one's first."""
    found = []
    for thread in sorted(int(path.name) for path in Path(f"/proc/{daemon.pid}/task").iterdir()):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            found.append((os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority))
    return found


def comes_to(daemon, wanted):
    """All of its threads, but those that work in the background just now."""
    wait_until(f"{daemon.label} has {wanted}", lambda: {
        one for one in scheduling(daemon) if one[0] != os.SCHED_BATCH} == {wanted}, 10)


def restarted(host, *words):
    """With other words for doved, until the end of the test module."""
    host.kill_doved()
    host.doved.argv += words
    host.start()


def test_doved_has_it_and_the_controller_where_it_is_asked_for(lab):
    host = lab.hosts["h1"]
    assert traffic.ping(lab.guests["red1"], lab.guests["red2"].ipv4, 2).lost == 0
    comes_to(host.doved, (os.SCHED_RR, 1))
    assert len(scheduling(host.doved)) > 5, "control: gRPC's threads are among them"
    comes_to(lab.controller, ORDINARY)
    lab.controller.kill()
    lab.controller.argv += ["--realtime", "3"]
    lab.start_controller()
    comes_to(lab.controller, (os.SCHED_RR, 3))


def test_another_priority_or_none(lab):
    host = lab.hosts["h1"]
    restarted(host, "--realtime", "7")
    comes_to(host.doved, (os.SCHED_RR, 7))
    host.doved.argv[-1] = "0"
    restarted(host)
    comes_to(host.doved, ORDINARY)


def test_where_it_is_not_permitted_a_warning_says_so(lab):
    host = lab.hosts["h2"]
    host.kill_doved()
    host.doved.argv = ["setpriv", "--bounding-set=-sys_nice", *host.doved.argv]
    host.start()
    comes_to(host.doved, ORDINARY)
    assert "warning: no real-time priority 1: Operation not permitted" in host.doved.log_text()
    assert traffic.ping(lab.guests["red1"], lab.guests["red2"].ipv4, 2).lost == 0
