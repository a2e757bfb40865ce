"""What -wait promises: when it returns, every host concerned is right, in its kernel, without a look
more. And whom it does not wait for."""
import json
import os
import signal
import statistics
import time

import pytest
from dovelab import netns, traffic
from dovelab.run import wait_until

_RED = {f"red-{n}": {"subnets": [f"10.{i}.0.0/24", f"fd00:{i}::/64"], "routed": True}
        for i, n in enumerate("ab", start=1)}
_BLUE = {"blue-net": {"subnets": ["10.1.0.0/24"]}}


def _guest(network, host, third, last):
    return {"network": network, "host": host, "mac": f"02:00:00:00:0{third}:{last:02x}",
            "ips": [f"10.{third}.0.{last}"]}


LAB = {"hosts": ["h1", "h2", "h3"], "tenants": {"red": _RED, "blue": _BLUE},
       "guests": {"red-a1": _guest("red-a", "h1", 1, 11), "red-a2": _guest("red-a", "h2", 1, 12),
                  "red-b1": _guest("red-b", "h1", 2, 21), "red-b2": _guest("red-b", "h2", 2, 22),
                  "blue3": _guest("blue-net", "h3", 1, 11)}}
POLICY = ("tenant", "red", "between", "red-a", "and", "red-b")


def deny(lab, *options, **run_options):
    return lab.dovectl(*(options or ["-wait"]), "policy", "add", *POLICY, "deny", **run_options)


def allow(lab, *options, **run_options):
    return lab.dovectl(*(options or ["-wait"]), "policy", "del", *POLICY, **run_options)


def once(guest, address, wait=4):
    """One packet and its answer, or not; nor does the guest, or who answers, ask twice for the way."""
    for one in guest.lab.guests.values():
        if one.host:
            netns.sysctl(one.netns, "ipv4.neigh.eth0.retrans_time_ms", 5000)
    return traffic.ping(guest, address, 1, 0.01, wait).lost == 0


def entries(host, vni, mac, ips):
    """What a host's kernel has that leads elsewhere: the FDB's destinations and the neighbours."""
    return ([row["dst"] for row in host.remote_fdb(vni, mac)]
            + [row["dst"] for row in host.neighbours(vni)
               if row["dst"] in ips or row.get("lladdr") == mac])


@pytest.fixture
def extra(lab):
    """A guest at h2 to be changed, known by name in the kernel of h1; gone in the end."""
    guest = lab.add_guest("extra", network="red-a", host="h2", mac="02:00:00:00:01:63",
                          ips=["10.1.0.99"])
    yield guest
    # A test that failed half-way may have left it deleted; of one that is there this changes nothing.
    lab.dovectl("endpoint", "add", "extra", "network", "red-a", "mac", guest.mac, check=False)
    lab.remove_guest("extra")


def test_a_deleted_endpoint_is_nowhere(lab, extra):
    talker = lab.guests["red-a1"]
    for number in range(3):
        assert once(talker, extra.ipv4, 5)
        assert entries(talker.host, extra.vni, extra.mac, extra.ips), "nothing to be taken away"
        lab.dovectl("-wait", "endpoint", "del", "extra")
        assert entries(talker.host, extra.vni, extra.mac, extra.ips) == []
        local = [row for row in extra.host.fdb(extra.vni) if row["mac"] == extra.mac]
        port = extra.host.show("port", "show", extra.port)[0]
        assert local == [] and port["state"] == "lost", f"round {number}: {local} {port}"
        lab.dovectl("endpoint", "add", "extra", "network", "red-a", "mac", extra.mac, "ip",
                    extra.ipv4)
        extra.host.dovectl("-wait", *extra.port_add())
        extra.wait_forwarding()
        talker.flush_neighbours()


def test_other_addresses_are_let_in_and_known(lab, extra):
    talker = lab.guests["red-a1"]
    for last in range(90, 96):
        assert once(talker, extra.ipv4, 5)
        old, new = extra.ipv4, f"10.1.0.{last}"
        extra.ip("address", "del", f"{old}/24", "dev", "eth0")
        extra.ip("address", "add", f"{new}/24", "dev", "eth0")
        lab.dovectl("-wait", "endpoint", "set", "extra", "ip", new)
        stale = [row["dst"] for row in talker.host.neighbours(extra.vni) if row["dst"] == old]
        assert stale == []
        assert once(extra, talker.ipv4) and once(talker, new), f"{new} does not pass"
        extra.ips = [new]


def test_what_a_policy_denies_stops_with_the_command_and_goes_on_with_it(lab, figures):
    pairs = [(lab.guests["red-a1"], lab.guests["red-b2"]),
             (lab.guests["red-b2"], lab.guests["red-a1"]),
             (lab.guests["red-a1"], lab.guests["red-b1"])]
    first = []
    for number in range(8):
        deny(lab)
        passed = [f"{a.name} to {b.name}" for a, b in pairs if once(a, b.ipv4, 0.3)]
        assert passed == [], f"round {number}"
        allow(lab)
        first += [once(a, b.ipv4) for a, b in pairs]
    figures(f"first packets after policy del -wait: {first.count(False)} of {len(first)} lost")
    assert all(first)


def test_a_port_that_moves_is_left_at_once_and_found_at_once(lab, extra):
    talker = lab.guests["red-a1"]
    for target in ("h3", "h2", "h1", "h2"):
        assert once(talker, extra.ipv4, 5)
        extra.host.dovectl("-wait=60", "port", "del", extra.port)
        assert entries(talker.host, extra.vni, extra.mac, extra.ips) == []
        extra.drop_device()
        host = extra.host = lab.hosts[target]
        extra._make_device(host)
        host.dovectl("-wait=60", *extra.port_add())
        extra._configure()
        assert once(talker, extra.ipv4, 5), (
            target, host.bridge_link(extra.port), talker.neighbours(),
            entries(talker.host, extra.vni, extra.mac, extra.ips))
        where = {row["dst"] for row in talker.host.remote_fdb(extra.vni, extra.mac)}
        assert where <= {host.vtep} - {talker.host.vtep}


def test_join_and_leave_are_in_the_broadcast_lists(lab):
    vni = lab.networks["red-a"]["vni"]
    h1, h3 = lab.hosts["h1"], lab.hosts["h3"]

    def flooded():
        return {row["dst"] for row in h1.fdb(vni) if row["mac"] == "ff:ff:ff:ff:ff:ff"}
    for _ in range(5):
        h3.dovectl("-wait", "join", "red-a")
        assert h3.vtep in flooded()
        h3.dovectl("-wait", "leave", "red-a")
        assert h3.vtep not in flooded()


@pytest.fixture
def stopped(lab):
    """h2's doved does nothing; it goes on in the end, and all is as it was."""
    pid = lab.hosts["h2"].doved.pid
    lab.dovectl("sync")
    os.kill(pid, signal.SIGSTOP)
    yield pid
    os.kill(pid, signal.SIGCONT)
    lab.dovectl("-wait=60", "sync")
    if lab.show("policy", "show"):
        allow(lab)


def test_a_doved_that_does_nothing_is_named_and_is_right_when_it_goes_on(lab, stopped):
    a, b = lab.guests["red-a1"], lab.guests["red-b2"]
    done = deny(lab, "-wait=4", check=False)
    assert done.code == 2
    assert done.err.strip() == ('Error: the change is in the store, but not yet applied by host '
                                '"h2": no word from it within 4 s')
    assert lab.show("policy", "show"), "the change itself is made"
    assert "h2" in deny(lab, "-wait=1", check=False).err, "the same again"
    assert '"h2"' in lab.dovectl("-wait=1", "sync", check=False).err
    started = time.monotonic()
    lab.dovectl("-wait", "endpoint", "set", "blue3", "ip", "10.1.0.33")  # not its business
    lab.dovectl("-wait", "endpoint", "set", "blue3", "ip", "10.1.0.11")
    assert time.monotonic() - started < 15  # for h2 it would be 20
    os.kill(stopped, signal.SIGCONT)
    assert deny(lab, "-wait=60").code == 0
    assert not once(b, a.ipv4, 0.3)
    allow(lab)
    assert once(b, a.ipv4)


def test_a_host_without_a_doved_is_named_at_once_and_is_right_when_it_is_back(lab):
    h2, a, b = lab.hosts["h2"], lab.guests["red-a1"], lab.guests["red-b2"]
    h2.kill_doved()
    wait_until("h2 is gone", lambda: {row["name"]: row for row in lab.show("host", "show")}["h2"][
        "state"] == "disconnected")
    started = time.monotonic()
    done = deny(lab, "-wait=30", check=False)
    assert done.code == 2 and 'host "h2": it is not connected' in done.err
    assert time.monotonic() - started < 15, "it was waited for"
    assert not any(row["name"] == "h2" and row["applied"] for row in lab.show("host", "show"))
    h2.start()
    lab.dovectl("-wait=60", "sync")
    assert not once(b, a.ipv4, 0.3)
    allow(lab)
    assert once(b, a.ipv4)


def test_host_show_and_status_tell_what_is_applied(lab):
    def revisions():
        rows = lab.show("host", "show") + [host.status() for host in lab.hosts.values()]
        return {row["applied"] for row in rows}
    lab.dovectl("tenant", "add", "nobody")
    lab.dovectl("sync")
    assert revisions() == {lab.show("tenant", "show", "nobody")[0]["revision"]}
    lab.dovectl("-wait", "tenant", "del", "nobody")


def test_a_batch_waits_for_each_change(lab):
    lines = "\n".join([f"policy add {' '.join(POLICY)} deny", f"policy del {' '.join(POLICY)}"] * 3)
    lab.dovectl("-wait", "-batch", "-", stdin=lines + "\n")
    assert once(lab.guests["red-a1"], lab.guests["red-b2"].ipv4)


def test_what_waiting_costs(lab, figures):
    """The median of 20, beside the same without -wait."""
    def median(commands):
        times = []
        for words in commands:
            started = time.monotonic()
            lab.dovectl(*words)
            times.append((time.monotonic() - started) * 1000)
        return statistics.median(times)

    def policies(*options):
        return [[*options, "policy", *words] for _ in range(10)
                for words in (["add", *POLICY, "deny"], ["del", *POLICY])]

    def addresses(*options):
        return [[*options, "endpoint", "set", "red-a2", "ip", f"10.1.0.{last}"]
                for last in list(range(40, 59)) + [12]]
    for what, commands in (("policy", policies), ("endpoint set", addresses)):
        plain = median(commands())
        lab.dovectl("sync")
        waited = median(commands("-wait"))
        figures(f"{what}: {plain:.1f} ms, with -wait {waited:.1f} ms")
    quiet = median([["sync"]] * 20)
    figures(f"sync with nothing to wait for: {quiet:.1f} ms")
    assert json.loads(lab.dovectl("-j", "-wait", "-echo", "endpoint", "set", "red-a2", "ip",
                                  "10.1.0.12").out)
