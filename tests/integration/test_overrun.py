"""The kernel tells more than doved reads, because doved is stopped: nothing is wrong afterwards, and
whoever makes it happen again and again orders no work by that."""
import contextlib
import json
import subprocess
import time

import pytest
from dovelab import run, traffic, wait_until

from test_multicast import Listener

pytestmark = pytest.mark.alone
PAUSE = 3  # seconds between reconciliations
MISSES, LINKS = 0x4, 0x1  # groups of rtnetlink
PATIENCE = 30
GROUP, FOREIGN = 7, 50
MULTICAST = "239.1.2.3"


def _guest(number, host):
    return {"network": "red-net", "host": host, "mac": f"02:00:00:00:00:{number:02x}",
            "ips": [f"10.1.{number}.10"]}


LAB = {"hosts": ["h1", "h2"], "miss_mode": "notify",
       "doved": ["--reconcile-pause", str(PAUSE), "--audit-period", "0", "--query-limit", "0"],
       "tenants": {"red": {"red-net": {"subnets": ["10.1.0.0/16"]}}},
       "guests": {"a": _guest(1, "h1"), "a2": _guest(2, "h1"), "a3": _guest(3, "h1"),
                  "b": _guest(11, "h2"), "b2": _guest(12, "h2"), "b3": _guest(13, "h2")}}


@pytest.fixture(scope="module")
def guests(lab):
    """All of them, who have spoken with each other."""
    for one in "a", "a2", "a3":
        for other in "b", "b2", "b3":
            assert traffic.ping(lab.guests[one], lab.guests[other].ipv4, 3, 0.1, 3).times
    make_foreign(lab.hosts["h1"])
    return lab.guests


def make_foreign(host):
    """Devices that are nobody's, and that one word changes."""
    lines = [f"link add x{n} group {GROUP} type veth peer name y{n}" for n in range(FOREIGN)]
    lines += [f"link set y{n} group {GROUP}" for n in range(FOREIGN)]
    run("ip", "-n", host.netns, "-batch", "-", stdin="\n".join(lines) + "\n")


def lost(host, group):
    """Messages that the kernel could not give to doved's sockets of this group."""
    rows = [line.split() for line in open(f"/proc/{host.doved.pid}/net/netlink")][1:]
    return sum(int(row[8]) for row in rows if int(row[3], 16) & group)


@contextlib.contextmanager
def flood(guest, kind, *words):
    """Meanwhile. Not so fast that the host's processors are what is tested."""
    flooding = subprocess.Popen(
        ["ip", "netns", "exec", guest.netns, str(guest.lab.program("dove_flood")), kind,
         "--mac", guest.mac, "--seconds", str(PATIENCE), "--rate", "30000", *words],
        stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        flooding.terminate()
        flooding.wait()


def churn(host, until):
    """Changes of devices that are nobody's, until some of them were lost."""
    lines = "".join(f"link set group {GROUP} mtu {1400 + n % 2}\n" for n in range(40))
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, "the kernel does not overrun"
        run("ip", "-n", host.netns, "-batch", "-", stdin=lines)


def is_right(host):
    done = host.dovectl("-j", "check", check=False)
    return (done.code, json.loads(done.out or "[]")) == (0, [])


def pings(guest, address):
    return traffic.ping(guest, address, 1, 1, 1).lost == 0


def overrun_changes(host):
    before = lost(host, LINKS)
    churn(host, lambda: lost(host, LINKS) > before)


@pytest.mark.parametrize("kind", ["MACs", "addresses"])
def test_misses(lab, guests, kind):
    """Counted; who waits for an answer asks again."""
    host, guest = lab.hosts["h1"], guests["a"]
    words = ["unknown"] if kind == "MACs" else ["arp", "--ip", guest.ipv4, "--target", "10.1.128.1"]
    before, missed = host.counters(), lost(host, MISSES)
    running = traffic.RunningPing(guests["a2"], guests["b2"].ipv4, 0.02)
    with host.doved.paused(), flood(guest, *words):
        wait_until("misses were lost", lambda: lost(host, MISSES) > missed, PATIENCE)
    wait_until("doved has read them", lambda: host.counters()["miss_overruns"]
               > before["miss_overruns"], PATIENCE)
    assert running.stop().lost == 0
    wait_until("h1 is right", lambda: is_right(host), PATIENCE)
    after = host.counters()
    assert after["reconciliations"] == before["reconciliations"], "misses order nothing"
    assert pings(guests["a3"], guests["b3"].ipv4)


def bridge_groups(host):
    return run("bridge", "-n", host.netns, "mdb", "show").out


def meddle(host, guests):
    """What nobody tells doved of, because its socket is full already."""
    vni, b = guests["a"].vni, guests["b"]
    device = f"dvx{vni}"
    run("bridge", "-n", host.netns, "fdb", "del", b.mac, "dev", device, "self")
    host.ip("neigh", "del", guests["b3"].ipv4, "dev", device)
    run("bridge", "-n", host.netns, "fdb", "del", guests["a2"].mac, "dev", device, "self")
    run("bridge", "-n", host.netns, "link", "set", "dev", guests["a2"].port, "learning", "on")


def test_changes(lab, guests):
    """Everything is compared once, and what was taken meanwhile is there again; what was in use and
    is as it was has lost nothing."""
    host = lab.hosts["h1"]
    gone = lab.add_guest("gone", network="red-net", host="h1", mac="02:00:00:00:00:44",
                         ips=["10.1.44.10"])
    assert pings(guests["a"], guests["b"].ipv4) and pings(guests["a3"], guests["b3"].ipv4)
    before = host.counters()
    running = traffic.RunningPing(guests["a3"], guests["b2"].ipv4, 0.02)
    with host.doved.paused():
        overrun_changes(host)
        meddle(host, guests)
        host.ip("link", "del", gone.port)
        listening = Listener(guests["a3"], MULTICAST)  # `check` names it if it is not known
        wait_until("the bridge knows", lambda: MULTICAST in bridge_groups(host), 5)
        assert not pings(guests["a"], guests["b"].ipv4), "control: the entry is gone"
    wait_until("h1 is right", lambda: is_right(host), PATIENCE)
    wait_until("b is reached again", lambda: pings(guests["a"], guests["b"].ipv4), PATIENCE)
    assert pings(guests["a3"], guests["b3"].ipv4)
    assert running.stop().lost == 0
    ports = {row["dev"]: row["state"] for row in host.show("port", "show")}
    assert ports[gone.port] == "absent"
    after = host.counters()
    assert after["change_overruns"] > before["change_overruns"]
    assert after["reconciliations"] == before["reconciliations"] + 1
    listening.__exit__()
    host.dovectl("port", "del", gone.port)
    gone.host = None
    lab.remove_guest("gone")


def test_overruns_again_and_again_order_no_more(lab, guests):
    host = lab.hosts["h1"]
    began, before = time.monotonic(), host.counters()
    while time.monotonic() < began + 2 * PAUSE:
        with host.doved.paused():
            overrun_changes(host)
        reached = host.counters()["change_overruns"]
        assert reached > before["change_overruns"]
    took, after = time.monotonic() - began, host.counters()
    assert after["change_overruns"] - before["change_overruns"] > 2, "control: there were many"
    assert after["reconciliations"] - before["reconciliations"] <= took / PAUSE + 1
    assert after["audits"] - before["audits"] <= took / PAUSE + 2
    with host.doved.paused():
        overrun_changes(host)
        run("bridge", "-n", host.netns, "link", "set", "dev", guests["a2"].port, "learning", "on")
    wait_until("the last is followed by one", lambda: host.counters()["reconciliations"]
               > after["reconciliations"] and is_right(host), PATIENCE)
