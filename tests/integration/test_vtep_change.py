"""A host that comes back with another VTEP: nobody sends to the old one any more, nobody believes
what comes from it, and guests find each other as before. Two networks that route to each other, as
what is routed within a host leads by its own VTEP.
"""
import json

from dovelab import cold, frames, give_time, traffic, wait_until
from dovelab.capture import Capture
from mtu_lab import labs
from test_strangers import beside, known, saved_vteps, send, strangers_dropped

LABS = labs(["h1", "h2", "h3"], ["red1", "red2", "red3", "green1"])
# With the host whose VTEP changes at either end: bridged, routed, and routed within it.
PAIRS = [("red1", "red2"), ("red2", "red1"), ("red2", "green1"), ("green1", "red2"),
         ("red1", "green1"), ("red3", "red1")]


def give(host, address):
    more = ["/64", "nodad"] if ":" in address else ["/24"]
    host.ip("address", "add", address + more[0], "dev", "eth0", *more[1:])


def take_away(host, address):
    host.ip("address", "del", address + ("/64" if ":" in address else "/24"), "dev", "eth0")


def leads(lab, host):
    """Where anything leads to from this host: VTEPs."""
    return {row["dst"] for network in lab.networks.values()
            for row in host.all_fdb(network["vni"])}


def lists(lab, host):
    """The hosts that get a broadcast of this one's guests, by network."""
    return {name: {row["dst"] for row in host.fdb(network["vni"])
                   if row["mac"] == frames.BROADCAST} - {"0.0.0.0"}
            for name, network in lab.networks.items()}


def wait_followed(lab, old):
    """Every host knows every other by the VTEP that it has now, and nowhere the old one."""
    where = {network: {guest.host for guest in lab.guests.values() if guest.network == network}
             for network in lab.networks}
    for host in lab.hosts.values():
        others = set(lab.hosts.values()) - {host}
        wanted = {name: {other.vtep for other in its - {host}} if host in its else set()
                  for name, its in where.items()}
        wait_until(f"the walls of {host.name}", lambda h=host, o=others: known(h) == {
            other.vtep for other in o})
        wait_until(f"the lists of {host.name}", lambda h=host, w=wanted: lists(lab, h) == w)
        wait_until(f"nothing of {host.name} leads to {old}",
                   lambda h=host: old not in leads(lab, h))
        wait_until(f"{host.name} remembers it", lambda h=host: old not in saved_vteps(h))
    rows = {row["name"]: row["vtep"] for row in lab.show("host", "show")}
    assert rows == {name: host.vtep for name, host in lab.hosts.items()}


def shown_local(host, vni):
    data = json.loads(host.ip("-d", "-j", "link", "show", "dev", f"dvx{vni}").out)[0]
    return data["linkinfo"]["info_data"].get("local") or data["linkinfo"]["info_data"]["local6"]


def flows(lab):
    running = []
    for number, (a, b) in enumerate(PAIRS):
        one, other = lab.guests[a], lab.guests[b]
        address = other.ipv6 if number % 2 else other.ipv4
        assert traffic.ping(one, address, 2, 0.05, 3).lost == 0
        running.append(traffic.RunningPing(one, address, 0.02))
    for host in lab.hosts.values():
        assert lab.hosts["h1"].vtep in leads(lab, host), "control: there is what must follow"
    return running


def assert_all_is_well(lab, running, old):
    wait_followed(lab, old)
    h1 = lab.hosts["h1"]
    for network in lab.networks.values():
        assert shown_local(h1, network["vni"]) == h1.vtep
    for ping in running:
        ping.wait_goes_on()
    for ping in running:
        result = ping.stop()
        assert result.lost_after(result.sent - 5) == 0, result
    cold.forget_everything(lab)
    for a, b in PAIRS:
        for address in (lab.guests[b].ipv4, lab.guests[b].ipv6):
            result = traffic.ping(lab.guests[a], address, 2, 0.02, 3)
            assert result.lost == 0, f"{a} to {address}: {result}"


def came(lab, guest, source, destination, expected=0):
    """Of three frames for this guest in VXLAN from one of h1's addresses; `expected` ones are
    waited for."""
    payload = frames.vxlan(guest.vni, frames.tagged(guest.mac, "02:00:00:00:01:01", b"<vxlan>"))
    with Capture.of_guests([guest]) as seen:
        send(lab.hosts["h1"], source, destination, payload)
        give_time(lambda: seen.count(guest.name, b"<vxlan>") >= expected)
    return seen.count(guest.name, b"<vxlan>")


def test_all_follow_and_the_old_address_is_a_strangers(lab):
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    old, new = h1.vtep, beside(h1, 77)
    assert came(lab, lab.guests["red2"], old, h2.vtep, 3) == 3, "control"
    running = flows(lab)
    give(h1, new)
    h1.doved.end()
    h1.change_vtep(new)
    h1.start()
    assert_all_is_well(lab, running, old)

    before = strangers_dropped(h2)
    assert came(lab, lab.guests["red2"], old, h2.vtep) == 0
    wait_until("they are counted", lambda: strangers_dropped(h2) == before + 3, 5)
    assert came(lab, lab.guests["red2"], new, h2.vtep, 3) == 3, "control"
    assert strangers_dropped(h2) == before + 3


def test_a_host_that_was_away_meanwhile_follows_when_it_is_back(lab):
    """And the old address is no more; there was no time to say goodbye."""
    h1, h3 = lab.hosts["h1"], lab.hosts["h3"]
    old, new = h1.vtep, beside(h1, 78)
    running = flows(lab)
    h3.kill_doved()
    h1.kill_doved()
    take_away(h1, old)
    give(h1, new)
    h1.change_vtep(new)
    h1.start()
    assert old in known(h3), "control: it knows nothing of it yet"
    h3.start()
    assert_all_is_well(lab, running, old)
