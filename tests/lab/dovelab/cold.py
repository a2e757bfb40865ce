"""Strangers: two guests of which neither's host nor the other's knows anything installed for them.

Local entries (`dst 0.0.0.0`: "on this host's bridge") are no knowledge of the other and stay.
"""
import time

from . import netns, traffic
from .run import run, wait_until


def _hosts(pair):
    return {guest.host for guest in pair}


def _known(pair):
    """What is installed for either guest on either host, as text; nothing when they are cold."""
    vni, macs = pair[0].vni, {guest.mac for guest in pair}
    ips = {ip for guest in pair for ip in guest.addresses()}
    found = []
    for host in _hosts(pair):
        fdb, neighbours = host.entries(vni)
        found += [f"{host.name}: fdb {row['mac']} dst {row['dst']}" for row in fdb
                  if row["mac"] in macs and row["dst"] != "0.0.0.0"]
        found += [f"{host.name}: neighbour {row['dst']} {row['lladdr']}"
                  for row in neighbours if row["dst"] in ips]
    for guest, other in (pair, pair[::-1]):
        found += [f"{guest.name}: cache {ip}" for ip in guest.neighbours()
                  if ip in other.addresses()]
    return found


def assert_cold(a, b):
    known = _known((a, b))
    assert not known, f"{a.name} and {b.name} are not cold: {known}"


def make_cold(a, b):
    """Removes by hand what the kernel would age out, on the hosts and in the guests. A last packet of
    what they said before may bring an entry back, so a few rounds are allowed; what comes back each
    time, unasked, fails."""
    for _ in range(4):
        for host in _hosts((a, b)):
            remove_entries(host, a.vni, {a.mac, b.mac}, {*a.addresses(), *b.addresses()})
        for guest in (a, b):
            guest.flush_neighbours()
        if _stays_cold(a, b):
            return
    assert_cold(a, b)


def lost_from_cold(pairs, overlay):
    """What the first two pings of each pair lost, by addresses of this kind; a line for each that did."""
    lost = []
    for a, b in pairs:
        make_cold(a, b)
        result = traffic.ping(a, getattr(b, overlay), 2, wait=5)
        if result.lost or result.sent != 2:
            lost.append(f"{a.name} to {b.name}: {result}")
    return lost


def _stays_cold(a, b, length=0.03):
    """doved hears of a removal and may act on it: that takes a moment."""
    deadline = time.monotonic() + length
    while not _known((a, b)):
        if time.monotonic() > deadline:
            return True
    return False


def remove_entries(host, vni, macs, ips):
    """By hand, those that lead these MACs to other hosts, and the neighbours with these addresses."""
    _remove(host, {vni: host.entries(vni)}, lambda row: row["mac"] in macs,
            lambda row: row["dst"] in ips)


def remove_all(host, vni):
    """By hand, all entries of guests on other hosts and all neighbours of a network."""
    _remove(host, {vni: host.entries(vni)}, is_unicast, lambda _: True)


def _remove(host, entries, in_fdb, in_neighbours):
    fdb, neighbours = [], []
    for vni, (rows, known) in entries.items():
        device = f"dvx{vni}"
        fdb += [f"fdb del {row['mac']} dev {device} dst {row['dst']} {_vni(row)} self"
                for row in rows if in_fdb(row) and row["dst"] != "0.0.0.0"]
        neighbours += [f"neigh del {row['dst']} dev {device}" for row in known
                       if in_neighbours(row)]
    # -force: doved may withdraw the one with the other, before us.
    if neighbours:
        host.ip("-force", "-batch", "-", stdin="\n".join(neighbours) + "\n", check=False)
    if fdb:
        run("bridge", "-n", host.netns, "-force", "-batch", "-", stdin="\n".join(fdb) + "\n",
            check=False)


def _vni(row):
    """Of an entry that routes; the kernel deletes only what is named in full."""
    return f"vni {row['vni']}" if "vni" in row else ""


def forget_paths(*places):
    """What the kernels of these guests or hosts have learned of the MTU of paths."""
    for place in places:
        netns.sysctl(place.netns, "ipv4.route.flush", 1)
        place.ip("-6", "route", "flush", "cache")


def forget_everything(lab, timeout=10):
    """Every pair of the lab cold at once: all remote entries and neighbours removed, and once more
    what a last packet has brought back."""
    for guest in lab.guests.values():
        if guest.host:
            guest.flush_neighbours()

    def forgotten():
        for host in lab.hosts.values():
            _remove(host, host.all_entries(), is_unicast, lambda _: True)
        return not any(fdb or neighbours for host in lab.hosts.values()
                       for fdb, neighbours in installed(host).values())
    wait_until("nothing is installed", forgotten, timeout)


def installed(host):
    """VNI -> the entries that lead guests' MACs to hosts, and the neighbours."""
    return {vni: ([row for row in fdb if is_unicast(row) and row["dst"] != "0.0.0.0"], neighbours)
            for vni, (fdb, neighbours) in host.all_entries().items()}


def is_unicast(row):
    return not int(row["mac"][:2], 16) & 1 and row["mac"] != "00:00:00:00:00:00"
