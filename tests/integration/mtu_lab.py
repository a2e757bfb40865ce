"""What the tests of MTUs share: two networks that route to each other, over both underlays, whose
guests have a larger MTU than they are told."""
import pytest

MTU, JUMBO = 1500, 9000
TENANTS = {"red": {f"{name}-net": {"vni": 100 * number, "routed": True,
                                   "subnets": [f"10.{number}.0.0/24", f"fd00:{number}::/64"]}
                   for number, name in ((1, "red"), (2, "green"))}}
_NUMBERS = {"red": 1, "green": 2}


def labs(hosts, names):
    """By underlay. `names`: guests as "red1", of network red-net on host h1."""
    guests = {name: _guest(name[:-1], int(name[-1])) for name in names}
    return {underlay: {"hosts": hosts, "tenants": TENANTS, "guests": guests, "mtu": MTU,
                       "underlay": underlay} for underlay in ("ipv4", "ipv6")}


def _guest(network, n):
    number = _NUMBERS[network]
    return {"network": f"{network}-net", "host": f"h{n}", "mac": f"02:00:00:00:0{number}:{n:02x}",
            "ips": [f"10.{number}.0.{10 + n}", f"fd00:{number}::{10 + n}"]}


@pytest.fixture(scope="module", autouse=True)
def large_guests(lab):
    for guest in lab.guests.values():
        guest.host.ip("link", "set", guest.port, "mtu", JUMBO)
        guest.ip("link", "set", "eth0", "mtu", JUMBO)


def overhead(lab):
    return 70 if ":" in lab.hosts["h1"].vtep else 50
