"""The same where what is unknown is punted: misses only say it once more, and it is the punt's queue
that is full."""
import json
import time

import pytest
import test_overrun
from dovelab import traffic, wait_until
from test_overrun import PATIENCE, flood, guests, is_right, pings  # noqa: F401

pytestmark = pytest.mark.alone
LAB = {**test_overrun.LAB, "miss_mode": "punt"}


def test_misses(lab, guests):  # noqa: F811
    test_overrun.test_misses(lab, guests, "addresses")


def test_punted_frames(lab, guests):  # noqa: F811
    """More than there is room for, of one guest; afterwards the others are served as before."""
    host = lab.hosts["h1"]
    before = host.counters()
    running = traffic.RunningPing(guests["a2"], guests["b2"].ipv4, 0.02)
    with host.doved.paused(), flood(guests["a"], "unknown"):
        wait_until("the punt's queue is full", lambda: dropped(host) > 0, PATIENCE)
        time.sleep(1)
    assert running.stop().lost == 0
    wait_until("h1 is right", lambda: is_right(host), PATIENCE)
    assert host.counters()["reconciliations"] == before["reconciliations"]
    assert pings(guests["a3"], guests["b3"].ipv4)


def dropped(host):
    """Frames that found no room on their way to doved."""
    shown = json.loads(host.ip("-j", "-s", "link", "show", "dvpunt").out)
    return shown[0]["stats64"]["tx"]["dropped"]
