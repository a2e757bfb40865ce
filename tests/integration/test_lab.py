"""The lab itself: side by side, and gone without a trace, whatever happened."""
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dovelab import Lab, bin_dir, journal, run, spec, traffic, wait_until

COMMAND = Path(__file__).resolve().parents[1] / "lab" / "lab"
SMALL = {"hosts": ["h1", "h2"], "tenants": {"red": {"red-net": {"subnets": ["10.1.0.0/24"]}}},
         "guests": {"a": {"network": "red-net", "host": "h1", "ips": ["10.1.0.49"]},
                    "b": {"network": "red-net", "host": "h2", "ips": ["10.1.0.50"]}}}


def traces(name):
    """Whatever of a lab is on this machine."""
    namespaces = [n for n in os.listdir("/run/netns") if n.startswith(name + "-")]
    processes = [pid for pid in os.listdir("/proc") if pid.isdigit() and name in _command_line(pid)
                 and int(pid) != os.getpid()]
    return namespaces, processes, journal.Journal(name).dir.exists()


def _command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


NOTHING = ([], [], False)


def test_two_labs_side_by_side():
    with Lab(SMALL) as one, Lab(SMALL) as two:
        for lab in (one, two):
            a, b = lab.guests["a"], lab.guests["b"]
            assert traffic.ping(a, b.ipv4, 5).times
        two.down()
        assert traces(two.name) == NOTHING
        assert traffic.ping(one.guests["a"], "10.1.0.50", 5).times
        two.down()
    assert traces(one.name) == NOTHING


def test_what_is_half_built_goes_too():
    wanted = {**SMALL, "doved": ["--no-such-option"]}
    lab = Lab(wanted)
    try:
        with pytest.raises((RuntimeError, TimeoutError)):
            lab.up()
        assert traces(lab.name) == NOTHING
    finally:
        lab.down()


@pytest.mark.parametrize("after", [0.1, 0.5, 1.5])
def test_interrupted_while_it_builds(after):
    name = f"cut{int(after * 10)}x{os.getpid()}"
    building = subprocess.Popen([sys.executable, COMMAND, "up", "--name", name],
                                env=dict(os.environ, DOVE_BIN=str(bin_dir())),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    building.terminate()
    building.wait(60)
    # Not when it was ready before: then it is a lab like any other.
    run(sys.executable, COMMAND, "down", name)
    assert traces(name) == NOTHING


def test_killed_while_it_builds_and_taken_down_by_another():
    name = f"killed{os.getpid()}"
    building = subprocess.Popen([sys.executable, COMMAND, "up", "--name", name],
                                env=dict(os.environ, DOVE_BIN=str(bin_dir())),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until("something is there", lambda: traces(name)[0], 30)
    time.sleep(0.5)
    building.kill()
    building.wait()
    run(sys.executable, COMMAND, "down", name)
    try:
        wait_until("nothing is left", lambda: traces(name) == NOTHING, 30)
    except TimeoutError:
        pytest.fail(f"left: {traces(name)}")


@pytest.mark.parametrize("wrong,word", [
    ({"guests": {"a": {"network": "nosuch"}}}, "nosuch"),
    ({"guests": {"A/": {"network": "nosuch"}}}, "A/"),
    ({"hosts": ["a name"]}, "a name"), ({"frob": 1}, "frob")])
def test_a_wrong_description_is_refused(wrong, word):
    with pytest.raises(spec.BadSpec, match=word):
        spec.complete(wrong)
