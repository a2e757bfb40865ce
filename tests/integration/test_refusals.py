"""What the kernel does not take is shown with its key, counted, tried again less and less often, and is
there when the cause has gone."""
import json
import time

import pytest
from dovelab import cold, netns, run, traffic, wait_until

LIMIT = 24  # entries of h1's device
PATIENCE = 30
ELSEWHERE = "10.99.0.99"  # nobody's VTEP


def _guest(number, host):
    return {"network": "red-net", "host": host, "mac": f"02:00:00:00:00:{number:02x}",
            "ips": [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"]}


LAB = {"hosts": ["h1", "h2"], "doved": ["--audit-period", "0"],
       "tenants": {"red": {"red-net": {"vni": 100, "subnets": ["10.1.0.0/24", "fd00:1::/64"]}}},
       "guests": {"a": _guest(1, "h1"), "b": _guest(2, "h2"), "b2": _guest(3, "h2"),
                  "b3": _guest(4, "h2")}}


@pytest.fixture(scope="module")
def host(lab):
    """h1, whose doved has found a device that somebody made with room for few entries."""
    h1 = lab.hosts["h1"]
    h1.kill_doved()
    h1.ip("link", "del", "dvx100")
    h1.ip("link", "add", "dvx100", "type", "vxlan", "id", 100, "local", h1.vtep, "dstport", 4789,
          "nolearning", "proxy", "rsc", "l2miss", "l3miss", "ageing", 300, "maxaddr", LIMIT)
    h1.ip("link", "set", "dvx100", "alias", "dove network 100", "master", "dvbr100")
    index = device_index(h1)
    h1.start()
    assert device_index(h1) == index, "control: the device was made anew"
    assert traffic.ping(lab.guests["a"], lab.guests["b3"].ipv4, 3, 0.2, 3).times
    return h1


def device_index(host):
    return next(link["ifindex"] for link in host.links() if link["ifname"] == "dvx100")


def bridge(host, *words, check=True):
    return run("bridge", "-n", host.netns, *words, check=check)


def fill(host):
    """Entries of nobody's until there is no room."""
    for n in range(LIMIT + 1):
        mac = f"02:ff:00:00:00:{n:02x}"
        done = bridge(host, "fdb", "add", mac, "dev", "dvx100", "dst", ELSEWHERE, "self", "dynamic",
                      check=False)
        if done.code != 0:
            return [f"02:ff:00:00:00:{k:02x}" for k in range(n)]
    raise AssertionError("control: the kernel knows no limit")


def rows_with_error(host):
    return {row.get("mac") or row["ip"]: row["error"]
            for what in ("fdb", "neighbour") for row in host.show(what, "show") if row["error"]}


def test_no_room(lab, host):
    """Its packets arrive all the same: each is punted and sent on."""
    a, b = lab.guests["a"], lab.guests["b"]
    cold.make_cold(a, b)
    filler = fill(host)
    before = host.counters()
    try:
        assert traffic.ping(a, b.ipv4, 3, 0.1, 3).lost == 0
        wait_until("the refusal is shown", lambda: b.mac in {
            row["mac"] for row in host.show("fdb", "show") if row["error"]}, 5)
        assert "space" in rows_with_error(host)[b.mac]
        status = host.status()
        assert status["refused"] >= 1 and "refuses" in status["problem"]
        assert host.counters()["kernel_refusals"] > before["kernel_refusals"]
        tries = less_and_less_often(host, a, b)
        keys = max(status["refused"], host.status()["refused"])  # one may be refused no more
        assert 1 <= tries <= 4 * keys, f"{keys} keys were tried {tries} times in 6 s"
    finally:
        for mac in filler:
            bridge(host, "fdb", "del", mac, "dev", "dvx100", "self")
    wait_until("it is in the kernel", lambda: traffic.ping(a, b.ipv4, 1, 1, 1).lost == 0
               and host.remote_fdb(100, b.mac), PATIENCE, 0.5)
    wait_until("nothing is refused", lambda: not rows_with_error(host), PATIENCE, 0.5)
    assert host.status()["refused"] == 0 and not host.status()["problem"]


def less_and_less_often(host, a, b):
    """Refusals in some seconds in which there is always a need."""
    before = host.counters()["kernel_refusals"]
    running = traffic.RunningPing(a, b.ipv4, 0.05)
    time.sleep(6)
    assert running.stop().lost == 0
    return host.counters()["kernel_refusals"] - before


def test_a_neighbour_that_is_refused(lab, host):
    """The device takes no IPv6 for a while."""
    a, b = lab.guests["a"], lab.guests["b2"]
    cold.make_cold(a, b)
    netns.sysctl(host.netns, "ipv6.conf.dvx100.disable_ipv6", 1)
    try:
        traffic.ping(a, b.ipv6, 2, 0.2, 1)
        wait_until("the refusal is shown", lambda: b.ipv6 in rows_with_error(host), 5)
        assert host.status()["refused"] >= 1
    finally:
        netns.sysctl(host.netns, "ipv6.conf.dvx100.disable_ipv6", 0)
    wait_until("it is in the kernel", lambda: traffic.ping(a, b.ipv6, 1, 1, 1).lost == 0
               and any(row["dst"] == b.ipv6 for row in host.neighbours(100)), PATIENCE, 0.5)
    wait_until("nothing is refused", lambda: host.status()["refused"] == 0, PATIENCE)


def test_a_router_that_is_refused(lab, host):
    """The device takes no gateway of IPv6 for a while, and is told of another one."""
    a, gateway = lab.guests["a"], "fd00:1::fe"
    for value in ("on", "off"):  # the first tells of what was refused before
        lab.dovectl("-wait=30", "network", "set", "red-net", "learn", value, check=False)
    before = host.counters()["kernel_refusals"]
    netns.sysctl(host.netns, "ipv6.conf.dvx100.disable_ipv6", 1)
    try:
        done = lab.dovectl("-wait=5", "network", "set", "red-net", "subnet", "10.1.0.0/24",
                           "subnet", "fd00:1::/64", "gateway", gateway, check=False)
        assert done.code == 2 and 'host "h1"' in done.err and "router" in done.err, done
        assert gateway in {row["ip"] for row in host.show("neighbour", "show") if row["error"]}
        assert host.status()["refused"] >= 1 and "refuses" in host.status()["problem"]
        assert host.counters()["kernel_refusals"] > before
    finally:
        netns.sysctl(host.netns, "ipv6.conf.dvx100.disable_ipv6", 0)
    wait_until("nothing is refused", lambda: host.status()["refused"] == 0, PATIENCE)
    assert not host.status()["problem"] and not rows_with_error(host)
    wait_until("it answers", lambda: traffic.ping(a, gateway, 1, 1, 1).lost == 0, PATIENCE, 0.5)
    lab.dovectl("network", "set", "red-net", "subnet", "10.1.0.0/24", "subnet", "fd00:1::/64")


def test_the_device_goes_while_entries_are_set(lab, host):
    """Again and again, under guests that keep asking: in the end all is there, and nothing is left."""
    a, others = lab.guests["a"], [lab.guests[name] for name in ("b", "b2", "b3")]
    before = host.status()["put_back"]
    running = [traffic.RunningPing(a, ip, 0.01) for other in others for ip in other.ips]
    for _ in range(10):
        index = device_index(host)
        host.ip("link", "del", "dvx100")
        wait_until("the device is there again", lambda: host.has_device("dvx100")
                   and device_index(host) != index, PATIENCE)
    for ping in running:
        ping.stop()
    assert host.status()["put_back"] >= before + 10
    for other in others:
        for ip in other.ips:
            wait_until(f"{ip} is reached", lambda: traffic.ping(a, ip, 1, 1, 1).lost == 0, PATIENCE)
    wait_until("nothing is refused", lambda: host.status()["refused"] == 0, PATIENCE)
    done = host.dovectl("-j", "check", check=False)
    assert (done.code, json.loads(done.out or "[]")) == (0, [])
