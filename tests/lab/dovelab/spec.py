"""The description of a lab: what is wanted, checked, with everything left out filled in.

    {
      "mtu": 1500,                     of the underlay
      "underlay": "ipv4",              or "ipv6": what the tunnels go over
      "router": false,                 or true: between the hosts, each in a subnet of its own
      "miss_mode": "punt",             or "notify"
      "controller": "tcp",             how the hosts reach it; "unix": by a socket
      "doved": ["--key", "value"],     further words for every doved
      "dove-controller": [],           the same for the controller
      "etcd": 0,                       members of the cluster that has the store; 0: SQLite
      "standby": false,                a second controller, which waits for the first one's end
      "br_netfilter": 1,               or 0: the hosts' bridge-nf-call-* (default: as it comes)
      "hosts": ["h1", "h2", "h3"],     or {"h1": {"vtep": "10.99.0.11"}, ...}: by default the
                                       underlay's 10.99.0.11, .12, ... or fd99::11, ::12, ...
                                       and behind a router 10.99.1.11, 10.99.2.12, ... or
                                       fd99:0:0:1::11, fd99:0:0:2::12, ...
      "tenants": {"red": {"red-net": {"vni": 100, "subnets": ["10.1.0.0/24", "fd00:1::/64"]}}},
      "guests": {"red1": {"network": "red-net", "host": "h1", "mac": "02:00:00:00:00:01",
                          "ips": ["10.1.0.11", "fd00:1::11"], "kind": "veth", "security": "off"}}
    }

A network with "routed": true has guests with default routes to its gateways; one with "learn": true
learns who is behind its ports. A guest with "registered": false is no endpoint there: its port is one
of the network.
A guest without a host is an endpoint without a port. VNI, MAC and addresses that are left out are
chosen by the controller. A guest of kind "tap" sits behind a TAP device instead of a veth.
"shared_ips" it may speak for, but does not have on its eth0. Port security is on unless it is
"off".
"""
import copy
import ipaddress
import json
import re

UNDERLAY = ipaddress.ip_network("10.99.0.0/24")
UNDERLAY6 = ipaddress.ip_network("fd99::/64")
GATEWAY = str(UNDERLAY[1])
GATEWAY6 = str(UNDERLAY6[1])
CONTROLLER = str(UNDERLAY[2])
CONTROLLER_PORT = 7171
STANDBY_PORT = 7172
FIRST_VTEP = 11

_DEFAULTS = {"mtu": 1500, "underlay": "ipv4", "router": False, "miss_mode": "punt",
             "controller": "tcp", "doved": [], "dove-controller": [], "etcd": 0, "standby": False,
             "br_netfilter": None,
             "hosts": ["h1", "h2", "h3"], "tenants": {}, "guests": {}}
_GUEST_KEYS = {"network", "host", "mac", "ips", "shared_ips", "kind", "security", "registered"}
# A guest's name becomes part of a device name (15 characters with its prefix).
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,11}$")


class BadSpec(Exception):
    pass


def three_hosts():
    """Two tenants with the same addresses, IPv4 and IPv6, over three hosts."""
    guests = {}
    for tenant in ("red", "blue"):
        for number, host in enumerate(("h1", "h2", "h3", "h1"), start=1):
            guests[f"{tenant}{number}"] = {
                "network": f"{tenant}-net", "host": host, "mac": f"02:00:00:00:00:{number:02x}",
                "ips": [f"10.1.0.{10 + number}", f"fd00:1::{10 + number}"]}
    subnets = ["10.1.0.0/24", "fd00:1::/64"]
    return {"hosts": ["h1", "h2", "h3"],
            "tenants": {"red": {"red-net": {"subnets": subnets}},
                        "blue": {"blue-net": {"subnets": subnets}}},
            "guests": guests}


def both_underlays(wanted):
    """A module's LABS: `wanted` with the tunnels over IPv4 and over IPv6."""
    return {underlay: {**wanted, "underlay": underlay} for underlay in ("ipv4", "ipv6")}


def load(path):
    with open(path) as file:
        return complete(json.load(file))


def complete(wanted):
    """A copy with the defaults filled in. BadSpec names what is wrong."""
    spec = {**copy.deepcopy(_DEFAULTS), **copy.deepcopy(wanted)}
    unknown = set(spec) - set(_DEFAULTS)
    if unknown:
        raise BadSpec(f"unknown key {sorted(unknown)[0]!r}")
    if spec["standby"] and not spec["etcd"]:
        raise BadSpec("a standby needs etcd")
    if spec["underlay"] not in ("ipv4", "ipv6"):
        raise BadSpec(f"underlay is ipv4 or ipv6, not {spec['underlay']!r}")
    spec["hosts"] = _hosts(spec["hosts"], spec["underlay"], spec["router"])
    spec["networks"] = _networks(spec.pop("tenants"))
    for name, guest in spec["guests"].items():
        _check_guest(name, guest, spec)
    return spec


def subnets_of_host(index, router=False):
    """What a host's eth0 is in, of IPv4 and of IPv6; the first address of each is the gateway."""
    number = index + 1 if router else 0
    return tuple(ipaddress.ip_network((int(subnet[0]) + number * subnet.num_addresses,
                                       subnet.prefixlen)) for subnet in (UNDERLAY, UNDERLAY6))


def address_of_host(index, router=False):
    """The IPv4 address of a host's eth0 on the underlay."""
    return str(subnets_of_host(index, router)[0][FIRST_VTEP + index])


def _vtep(index, underlay, router):
    if underlay == "ipv4":
        return address_of_host(index, router)
    # fd99::11 beside 10.99.0.11
    return str(subnets_of_host(index, router)[1][int(str(FIRST_VTEP + index), 16)])


def _hosts(wanted, underlay, router):
    if isinstance(wanted, list):
        wanted = {name: {} for name in wanted}
    hosts = {}
    for index, (name, host) in enumerate(wanted.items()):
        _check_name("host", name)
        hosts[name] = {"vtep": _vtep(index, underlay, router), **host}
    return hosts


def _networks(tenants):
    networks = {}
    for tenant, its in tenants.items():
        for name, network in its.items():
            if name in networks:
                raise BadSpec(f"network {name!r} is described twice")
            networks[name] = {"tenant": tenant, "subnets": [], **network}
    return networks


def _check_guest(name, guest, spec):
    _check_name("guest", name)
    unknown = set(guest) - _GUEST_KEYS
    if unknown:
        raise BadSpec(f"guest {name!r}: unknown key {sorted(unknown)[0]!r}")
    if guest.get("network") not in spec["networks"]:
        raise BadSpec(f"guest {name!r}: unknown network {guest.get('network')!r}")
    if guest.get("host") is not None and guest["host"] not in spec["hosts"]:
        raise BadSpec(f"guest {name!r}: unknown host {guest['host']!r}")
    if guest.setdefault("kind", "veth") not in ("veth", "tap"):
        raise BadSpec(f"guest {name!r}: kind is veth or tap, not {guest['kind']!r}")
    guest.setdefault("ips", [])
    guest.setdefault("shared_ips", [])


def _check_name(what, name):
    if not _NAME.match(name):
        raise BadSpec(f"{what} {name!r}: a name is 1 to 12 of a-z, 0-9 and -")
