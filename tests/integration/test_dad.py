"""Duplicate-address detection and ARP probes of guests come up clean: no proxy answers for a guest
its own question, whatever is installed, and wherever the guest has been.
"""
from dovelab import traffic, wait_until


def two_on_one_bridge(lab):
    return lab.guests["red1"], lab.guests["red4"]


def probe_own_ipv4(guest):
    """As RFC 5227: nobody may answer. True when clean."""
    return guest.run("arping", "-D", "-q", "-c", "3", "-w", "2", "-I", "eth0", guest.ipv4,
                     check=False).code == 0


def reconfigure_ipv6(guest):
    """Both addresses anew, so that the kernel's own detection runs for both; what failed it."""
    guest.ip("link", "set", "eth0", "down")
    guest.ip("link", "set", "eth0", "up")
    for ip in (ip for ip in guest.ips if ":" in ip):
        guest.ip("address", "replace", f"{ip}/64", "dev", "eth0")
    wait_until(f"{guest.name} is done with detection", lambda: settled(guest), 15)
    return guest.dad_failed()


def settled(guest):
    states = guest.ipv6_states().values()
    return len(states) >= 2 and "tentative" not in states


def assert_clean(guests):
    for guest in guests:
        assert probe_own_ipv4(guest), f"{guest.name}: its ARP probe was answered"
        assert reconfigure_ipv6(guest) == [], f"{guest.name}: dadfailed"


def talk_to_everybody(lab, guests):
    for guest in guests:
        for other in lab.guests.values():
            if other.network == guest.network and other is not guest:
                for address in (other.ipv4, other.ipv6, other.link_local):
                    assert traffic.ping(guest, address, 2).lost == 0
                for address in (guest.ipv4, guest.ipv6, guest.link_local):
                    assert traffic.ping(other, address, 2).lost == 0


def test_at_first(lab):
    assert_clean(two_on_one_bridge(lab))


def test_after_traffic(lab):
    talk_to_everybody(lab, two_on_one_bridge(lab))
    assert_clean(two_on_one_bridge(lab))


def test_after_a_move_here(lab):
    """red2 was remote, with a neighbour entry here; now it is local, and asks for its own address."""
    here, red2 = lab.hosts["h1"], lab.guests["red2"]
    talk_to_everybody(lab, [red2])
    red2.move(here)
    red2.wait_addresses()
    assert_clean([red2, *two_on_one_bridge(lab)])
    red2.move(lab.hosts["h2"])
    red2.wait_addresses()
    assert_clean([red2])


def test_after_a_restart_of_doved(lab):
    host = lab.hosts["h1"]
    talk_to_everybody(lab, two_on_one_bridge(lab))
    host.kill_doved()
    host.start()
    assert_clean(two_on_one_bridge(lab))
    talk_to_everybody(lab, two_on_one_bridge(lab))
    assert_clean(two_on_one_bridge(lab))


def test_control_a_real_duplicate_is_found(lab):
    """Another guest of the bridge with the same address is seen by both probes, when its port lets it
    have that address."""
    guest, thief = two_on_one_bridge(lab)
    thief.set_security("off")
    thief.ip("address", "add", f"{guest.ipv4}/24", "dev", "eth0")
    thief.ip("address", "add", f"{guest.ipv6}/64", "dev", "eth0", "nodad")
    try:
        assert not probe_own_ipv4(guest)
        assert guest.ipv6 in reconfigure_ipv6(guest)
    finally:
        thief.ip("address", "del", f"{guest.ipv4}/24", "dev", "eth0")
        thief.ip("address", "del", f"{guest.ipv6}/64", "dev", "eth0")
        thief.set_security(None)
    assert reconfigure_ipv6(guest) == []
