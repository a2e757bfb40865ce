"""Endpoints that move, and endpoints that go: what the others know of them follows."""
import copy

import pytest
from dovelab import cold, traffic, wait_until


def knowledge(lab, vni, mac, ips):
    """Every FDB or neighbour entry of any host for this endpoint, local ones too."""
    found = []
    for host in lab.hosts.values():
        found += [f"{host.name}: fdb {row['mac']} {row['dst']}" for row in host.fdb(vni)
                  if row["mac"] == mac]
        found += [f"{host.name}: neighbour {row['dst']} {row['lladdr']}"
                  for row in host.neighbours(vni) if row["dst"] in ips or row["lladdr"] == mac]
    return found


def friends(lab, guest):
    return [g for g in lab.guests.values() if g.network == guest.network and g is not guest]


def meet(lab, guest):
    for friend in friends(lab, guest):
        for address in guest.addresses():
            assert traffic.ping(friend, address, 2).lost == 0, f"{friend.name} to {address}"


@pytest.mark.usefixtures("br_netfilter")
def test_a_moved_endpoint_is_reached_by_those_who_had_talked_to_it(lab, figures):
    moved = lab.guests["red2"]
    meet(lab, moved)
    for target in ("h3", "h1", "h2"):
        running = {friend: traffic.RunningPing(friend, moved.ipv4, 0.02)
                   for friend in friends(lab, moved)}
        moved.unplug()
        moved.plug(lab.hosts[target])
        moved.wait_addresses()
        gaps = {friend.name: running[friend].stop().lost * 20 for friend in running}
        figures(f"move of red2 to {target}, port del to reached, ms: {gaps}")
        for friend in friends(lab, moved):
            for address in moved.addresses():
                result = traffic.ping(friend, address, 3, 0.05, 3)
                assert result.lost == 0, f"{friend.name} ({friend.host.name}) to {address}: {result}"


@pytest.mark.usefixtures("br_netfilter")
def test_nobody_points_to_the_old_place(lab):
    moved = lab.guests["red2"]
    meet(lab, moved)
    old, new = moved.host, lab.hosts["h3"]
    moved.move(new)
    moved.wait_addresses()

    def stale():
        return [f"{host.name}: {row}" for host in lab.hosts.values()
                for row in host.fdb(moved.vni) if row["mac"] == moved.mac
                and row["dst"] != ("0.0.0.0" if host is new else new.vtep)]
    try:
        wait_until("only the new place is known", lambda: not stale(), 5)
    except TimeoutError:
        pytest.fail(f"{stale()}")
    finally:
        moved.move(old)
        moved.wait_addresses()


def test_a_deleted_endpoint_leaves_nothing(lab):
    gone = lab.add_guest("gone", network="red-net", host="h2", mac="02:00:00:00:00:44",
                         ips=["10.1.0.44", "fd00:1::44"])
    meet(lab, gone)
    before = knowledge(lab, gone.vni, gone.mac, gone.addresses())
    for host in ("h1", "h2", "h3"):
        assert any(line.startswith(host + ": fdb") for line in before), f"control: {before}"
    assert any("neighbour" in line for line in before), f"control: {before}"

    lab.dovectl("endpoint", "del", "gone")
    try:
        wait_until("no host knows it", lambda: not knowledge(
            lab, gone.vni, gone.mac, gone.addresses()), 5)
    except TimeoutError:
        pytest.fail(str(knowledge(lab, gone.vni, gone.mac, gone.addresses())))
    assert traffic.ping(lab.guests["red1"], gone.ipv4, 3, 0.1, 1).lost == 3
    assert not knowledge(lab, gone.vni, gone.mac, gone.addresses())
    forget(lab, gone)


def forget(lab, guest):
    guest.host.dovectl("port", "del", guest.port, check=False)
    guest.drop_device()
    lab.guests.pop(guest.name)


def test_a_detached_endpoint_leaves_nothing_either(lab):
    away = lab.add_guest("away", network="red-net", host="h3", mac="02:00:00:00:00:45",
                         ips=["10.1.0.45", "fd00:1::45"])
    meet(lab, away)
    away.host.dovectl("port", "del", away.port)
    try:
        wait_until("no host knows it", lambda: not knowledge(
            lab, away.vni, away.mac, away.addresses()), 5)
    except TimeoutError:
        pytest.fail(str(knowledge(lab, away.vni, away.mac, away.addresses())))
    endpoint = lab.show("endpoint", "show", "away")[0]
    assert endpoint["host"] is None and endpoint["vtep"] is None
    away.drop_device()
    lab.remove_guest("away")


def test_the_last_port_takes_the_networks_devices_with_it(lab):
    blue2, blue3 = lab.guests["blue2"], lab.guests["blue3"]
    host, vni = blue2.host, blue2.vni
    assert host.has_device(f"dvx{vni}") and host.has_device(f"dvbr{vni}")
    blue2.unplug()
    wait_until("the devices are gone", lambda: not host.has_device(f"dvx{vni}")
               and not host.has_device(f"dvbr{vni}"), 20)
    blue2.plug(host)
    blue2.wait_addresses()
    cold.make_cold(blue2, blue3)
    assert traffic.ping(blue3, blue2.ipv4, 3).lost == 0


def test_an_endpoint_taken_by_another_host_is_lost_at_the_old(lab):
    """As at the end of a live migration: `port add` there while it is still a port here."""
    here = lab.guests["red3"]
    old, new = here.host, lab.hosts["h2"]
    meet(lab, here)
    there = copy.copy(here)
    there.netns = f"{lab.name}-red3-there"
    lab._make_netns(there.netns)
    here.ip("link", "set", "eth0", "down")  # it is stopped
    there.plug(new)
    there.wait_addresses()
    lab.guests["red3"] = there
    try:
        meet(lab, there)
        assert lab.show("endpoint", "show", "red3")[0]["host"] == new.name
        wait_until("the old port is lost", lambda: old.show(
            "port", "show", here.port)[0]["state"] == "lost")
        here.unplug()  # the old host's late word changes nothing
        assert lab.show("endpoint", "show", "red3")[0]["host"] == new.name
        meet(lab, there)
    finally:
        lab.guests["red3"] = here
