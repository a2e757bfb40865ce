"""A host that comes up while every controller is dead: what it has to say by itself."""
import pytest
from dovelab import frames, traffic, wait_until
from dovelab.capture import Capture
from dovelab.run import run

NETWORKS = {"a-net": 1, "b-net": 2, "c-net": 3}
LAB = {"hosts": ["h1", "h2"],
       "tenants": {"red": {name: {"subnets": [f"10.{n}.0.0/24", f"fd00:{n}::/64"], "routed": True}
                           for name, n in NETWORKS.items()}},
       "guests": {f"{name[0]}{n}": {"network": name, "host": host,
                                    "ips": [f"10.{net}.0.1{n}", f"fd00:{net}::1{n}"]}
                  for name, net in NETWORKS.items() for n, host in ((1, "h1"), (2, "h1"), (3, "h2"))}}


def devices(host):
    return {link["ifname"] for link in host.links() if link["ifname"].startswith("dv")}


def reboot(lab, host, late=False):
    """The kernel forgets everything; guests' devices are made again, and doved starts: before that,
    or `late`."""
    guests = [guest for guest in lab.guests.values() if guest.host is host]
    host.kill_doved()
    for guest in guests:
        host.ip("link", "del", guest.port)
    for device in devices(host):
        host.ip("link", "del", device)
    run("nft", "flush", "ruleset", netns=host.netns)
    if late:
        start_alone(host)
        assert {row["state"] for row in host.show("port", "show")} == {"absent"}
    for guest in guests:
        guest._make_device(host)
    if not late:
        start_alone(host)
    wait_until("the ports are there", lambda: {
        row["state"] for row in host.show("port", "show")} == {"pending"})
    for guest in guests:
        guest._configure()


def start_alone(host):
    host.start(wait=False)
    host.doved.wait_ready(lambda: host.status())


def answered(a, b, count=3, wait=5):
    return [len(traffic.ping(a, ip, count, 0.05, wait).times) for ip in (b.ipv4, b.ipv6)]


@pytest.fixture(scope="module")
def alone(lab):
    """h1 after a reboot, with its controller dead."""
    lab.dovectl("policy", "add", "tenant", "red", "between", "a-net", "and", "c-net", "deny")
    host, guests = lab.hosts["h1"], lab.guests
    host.wait_applied(lab.revision())
    assert answered(guests["a1"], guests["b1"]) == [3, 3], "control: it routes"
    wait_until("the policy is in force", lambda: answered(
        guests["a1"], guests["c1"], 1, 1) == [0, 0])
    lab.controller.kill()
    reboot(lab, host)
    for guest in guests.values():
        guest.wait_addresses()
    return host


def test_the_ports_are_there_and_pending(alone):
    ports = alone.show("port", "show")
    assert len(ports) == 6
    assert {port["state"] for port in ports} == {"pending"}
    assert alone.status()["connected"] is False


def test_guests_of_the_host_reach_each_other(lab, alone):
    assert answered(lab.guests["a1"], lab.guests["a2"]) == [3, 3]


def test_and_are_routed(lab, alone):
    assert answered(lab.guests["a1"], lab.guests["b1"]) == [3, 3]
    assert answered(lab.guests["b2"], lab.guests["c2"]) == [3, 3]


def test_the_gateways_answer(lab, alone):
    for guest in (lab.guests["a1"], lab.guests["c2"]):
        for gateway in guest.gateways:
            assert len(traffic.ping(guest, gateway, 2).times) == 2


def test_what_is_denied_stays_denied(lab, alone):
    assert answered(lab.guests["a1"], lab.guests["c1"], wait=1) == [0, 0]
    assert answered(lab.guests["c2"], lab.guests["a2"], wait=1) == [0, 0]


def test_port_security_stands(lab, alone):
    """A guest's forged frames reach nobody; its own do."""
    liar, victim = lab.guests["a1"], lab.guests["a2"]
    def packet(mac, ip, tag):
        return frames.ethernet(victim.mac, mac, frames.ETH_IPV4,
                               frames.udp_packet(ip, victim.ipv4, 1, 2, tag))
    with Capture.of_guests([victim]) as seen:
        liar.send_frames([packet("02:00:00:00:99:99", liar.ipv4, b"forged-mac"),
                          packet(liar.mac, "10.1.0.99", b"forged-ip"),
                          packet(liar.mac, liar.ipv4, b"honest")] * 5, 0.01)
        wait_until("the honest ones are there", lambda: seen.count("a2", b"honest") == 5)
    assert seen.counts(b"forged") == {"a2": 0}


def test_broadcasts_go_to_the_other_host(lab, alone):
    """By the flood list that was saved."""
    speaker, hearer = lab.guests["a1"], lab.guests["a3"]
    frame = frames.ethernet("ff:ff:ff:ff:ff:ff", speaker.mac, frames.ETH_IPV4, frames.udp_packet(
        speaker.ipv4, "255.255.255.255", 1, 2, b"to everybody"))
    with Capture.of_guests([hearer]) as seen:
        speaker.send_frames([frame] * 3, 0.05)
        wait_until("it is heard", lambda: seen.count("a3", b"to everybody") == 3)


def test_a_port_is_added_by_a_new_name_and_confirmed_later(lab, alone):
    guest = lab.guests["b2"]
    alone.ip("link", "set", guest.port, "down")
    alone.ip("link", "set", guest.port, "name", "renamed0")
    wait_until("the port is absent", lambda: any(
        port["state"] == "absent" for port in alone.show("port", "show")))
    alone.dovectl("port", "add", "renamed0", "endpoint", guest.name)
    def states():
        return {port["dev"]: port["state"] for port in alone.show("port", "show")}
    assert states()["renamed0"] == "pending"
    wait_until("the old port is gone", lambda: guest.port not in states())
    guest.port = "renamed0"
    assert answered(guest, lab.guests["b1"]) == [3, 3]

    lab.start_controller()
    alone.wait_connected()
    wait_until("all ports are confirmed", lambda: {
        port["state"] for port in alone.show("port", "show")} == {"active"})
    assert answered(guest, lab.guests["a1"]) == [3, 3]
    assert answered(guest, lab.guests["b3"]) == [3, 3]


def test_a_damaged_state_file_takes_nothing_down(lab, alone):
    """Flows go on, the problem is shown, and ends when the ports have been added again."""
    a, b = lab.guests["a1"], lab.guests["a3"]
    assert answered(a, b) == [3, 3]
    running = traffic.RunningPing(a, b.ipv4, 0.005)
    alone.kill_doved()
    state = alone.state_dir / "state.json"
    whole = state.read_text()
    state.write_text(whole[:len(whole) // 2])
    alone.start()
    assert (alone.state_dir / "state.json.damaged").read_text() == whole[:len(whole) // 2]
    assert alone.show("port", "show") == []
    assert "damaged" in alone.status()["problem"]
    for guest in lab.guests.values():
        if guest.host is alone:
            alone.dovectl(*guest.port_add())
    alone.kill_doved()
    alone.start()
    assert not alone.status().get("problem")
    result = running.stop()
    assert result.sent > 20 and result.lost == 0, result


def test_guests_that_come_after_doved_stay_where_they_are(lab, alone):
    """Again without a controller, and a restart of doved before there is one: it has nothing to take
    back that it once thought to be gone."""
    def places():
        return {row["name"]: (row["host"], row["generation"], row["revision"])
                for row in lab.show("endpoint", "show")}
    before = places()
    lab.controller.kill()
    reboot(lab, alone, late=True)
    for guest in lab.guests.values():
        guest.wait_addresses()
    assert answered(lab.guests["a1"], lab.guests["b1"]) == [3, 3]
    alone.kill_doved()
    start_alone(alone)
    lab.start_controller()
    alone.wait_connected()
    wait_until("all ports are confirmed", lambda: {
        port["state"] for port in alone.show("port", "show")} == {"active"})
    assert places() == before
    assert answered(lab.guests["a3"], lab.guests["a1"]) == [3, 3]
