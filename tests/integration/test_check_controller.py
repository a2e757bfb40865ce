"""`dovectl check` names what doved believes and the controller does not say, and mends it: each kind
of difference is made on purpose, by a controller whose words get lost on the way to the host."""
import json
import time

import pytest
from dovelab import lossy, traffic, wait_until
from dovelab.lossy import Lossy

from test_multicast import Listener

AT_ONCE = 5
QUIET = 0.3
GROUP, GROUP_MAC = "239.1.2.3", "01:00:5e:01:02:03"
OTHER_SUBNET = "10.2.0.0/24"


def _guest(network, host, number, subnet):
    return {"network": network, "host": host, "mac": f"02:00:00:00:{subnet:02x}:{number:02x}",
            "ips": [f"10.{subnet}.0.{10 + number}"]}


# small-net is kept by its hosts as a whole, large-net is asked for.
LAB = {"hosts": ["h1", "h2", "h3"], "doved": ["--audit-period", "0"],
       "dove-controller": ["--replicate-limit", "2"],
       "tenants": {"red": {"small-net": {"subnets": ["10.1.0.0/24"]},
                           "large-net": {"subnets": [OTHER_SUBNET]}}},
       "guests": {"small1": _guest("small-net", "h1", 1, 1), "small2": _guest("small-net", "h2", 2, 1),
                  "large1": _guest("large-net", "h1", 1, 2), "large2": _guest("large-net", "h2", 2, 2),
                  "large3": _guest("large-net", "h3", 3, 2)}}


@pytest.fixture(scope="module")
def wire(lab):
    """What lies between h1 and the controller."""
    proxy = Lossy(lab.journal.dir / "lossy.sock", lab.socket)
    doved = lab.hosts["h1"].doved
    doved.argv[doved.argv.index("--controller") + 1] = f"unix:{proxy.path}"
    lab.hosts["h1"].kill_doved()
    lab.hosts["h1"].start()
    try:
        yield proxy
    finally:
        doved.end()
        proxy.close()


def check(host, *words):
    """Exit status and differences of `dovectl check`."""
    done = host.dovectl("-j", "check", *words, check=False)
    return done.code, json.loads(done.out or "[]"), done.err


def is_right(host):
    return check(host)[:2] == (0, [])


def difference(host, *words):
    """The differences are these, with the controller; then they are mended and it is said."""
    wait_until("a difference is found", lambda: check(host)[1], AT_ONCE)
    code, found, _ = check(host)
    texts = [row["what"] for row in found]
    assert code == 2 and texts, "no difference was found"
    assert {row["with"] for row in found} == {"controller"}, found
    assert all("check" in row["command"] and "-fix" in row["command"] for row in found)
    assert not any(row["mended"] for row in found)
    for word in words:
        assert any(word in text for text in texts), f"{word!r} is not in {texts}"
    code, found, err = check(host, "-fix")
    assert code == 0, (found, err)
    assert sorted(row["what"] for row in found) == sorted(texts)
    assert all(row["mended"] for row in found)
    assert is_right(host)


def wait_dropped(wire, before):
    """At least one word is lost, and whatever else was on its way then."""
    wait_until("the word is lost", lambda: wire.dropped > before, AT_ONCE)
    wait_until("no more comes", lambda: time.monotonic() > wire.dropped_at + QUIET, AT_ONCE)


def move(guest, host):
    guest.move(host)
    guest.wait_addresses()


def lose(wire, kind, change):
    with wire.losing(kind):
        before = wire.dropped
        change()
        wait_dropped(wire, before)


@pytest.fixture
def host(lab, wire):
    wait_until("h1 is right", lambda: is_right(lab.hosts["h1"]), AT_ONCE)
    return lab.hosts["h1"]


def test_right_hosts_have_nothing_to_tell(lab, host):
    for one in lab.hosts.values():
        before = one.counters()["controller_audits"]
        assert is_right(one)
        assert one.counters()["controller_audits"] >= before + len(one.show("port", "show")) + 1
    assert check(host, "small-net")[:2] == (0, [])


def test_settings(lab, host, wire):
    lose(wire, lossy.NETWORK, lambda: lab.dovectl("network", "set", "small-net", "learn", "on"))
    difference(host, "learn off instead of on")
    lose(wire, lossy.NETWORK, lambda: lab.dovectl("network", "set", "small-net", "learn", "off"))
    difference(host, "learn on instead of off")


def test_policies(lab, host, wire):
    words = ["tenant", "red", "between", "small-net", "and", "large-net"]
    lose(wire, lossy.NETWORK, lambda: lab.dovectl("policy", "add", *words, "deny"))
    difference(host, f"denial of subnet {OTHER_SUBNET} is missing")
    lab.dovectl("policy", "del", *words)


def test_flood_lists(lab, host, wire):
    other = lab.hosts["h3"]
    lose(wire, lossy.FLOOD_LIST, lambda: other.dovectl("join", "small-net"))
    difference(host, "flood list without host h3")
    lose(wire, lossy.FLOOD_LIST, lambda: other.dovectl("leave", "small-net"))
    difference(host, "flood list with host h3")


def test_groups(lab, host, wire):
    with wire.losing(lossy.GROUP_LIST):
        before = wire.dropped
        listener = Listener(lab.guests["small2"], GROUP)
        wait_dropped(wire, before)
    with listener:
        difference(host, f"group {GROUP_MAC} without host h2")


def test_replicas(lab, host, wire):
    moved = lab.guests["small2"]
    assert traffic.ping(lab.guests["small1"], moved.ipv4, 1).lost == 0
    lose(wire, lossy.REPLICA, lambda: move(moved, lab.hosts["h3"]))
    difference(host, f"mac {moved.mac} at host h2 instead of at host h3")
    assert traffic.ping(lab.guests["small1"], moved.ipv4, 1).lost == 0
    move(moved, lab.hosts["h2"])


def test_bindings(lab, host, wire):
    asker, moved = lab.guests["large1"], lab.guests["large2"]
    assert traffic.ping(asker, moved.ipv4, 1).lost == 0
    lose(wire, lossy.BINDINGS, lambda: move(moved, lab.hosts["h3"]))
    difference(host, f"mac {moved.mac} at host h2 instead of at host h3")
    assert traffic.ping(asker, moved.ipv4, 1).lost == 0
    move(moved, lab.hosts["h2"])


def test_own_endpoints(lab, host, wire):
    guest = lab.guests["small1"]
    lose(wire, lossy.READDRESSED, lambda: lab.dovectl(
        "endpoint", "set", guest.name, "ip", guest.ipv4, "ip", "10.1.0.99"))
    difference(host, f"port {guest.port}: ip 10.1.0.99 is missing")
    lab.dovectl("endpoint", "set", guest.name, "ip", guest.ipv4)


def test_an_endpoint_whose_loss_was_not_told(lab, host, wire):
    gone = lab.add_guest("gone", network="small-net", host="h1", mac="02:00:00:00:01:44",
                         ips=["10.1.0.44"])
    lose(wire, lossy.LOST, lambda: lab.dovectl("endpoint", "del", gone.name))
    difference(host, f"port {gone.port}: endpoint gone is not active at this host")
    assert {row["dev"]: row["state"] for row in host.show("port", "show")}[gone.port] == "lost"
    lab.dovectl("endpoint", "add", gone.name, "network", "small-net", "mac", gone.mac)
    lab.remove_guest("gone")


def test_an_endpoint_that_was_forgotten_here(lab, host):
    """Its port is not in the state file any more, and the controller was not told."""
    kept = lab.add_guest("kept", network="small-net", host="h1", mac="02:00:00:00:01:45",
                         ips=["10.1.0.45"])
    host.kill_doved()
    state = host.state_dir / "state.json"
    saved = json.loads(state.read_text())
    saved["ports"] = [port for port in saved["ports"] if port["dev"] != kept.port]
    state.write_text(json.dumps(saved))
    host.start()
    wait_until("it is found", lambda: check(host)[1], AT_ONCE)
    difference(host, "endpoint kept mac 02:00:00:00:01:45 is active at this host and has no port")
    host.dovectl(*kept.port_add())
    lab.remove_guest("kept")


def test_hosts(lab, host, wire):
    extra = lab.add_host("h4", "10.99.0.14")
    lose(wire, lossy.HOSTS, extra.start)
    difference(host, "host h4 vtep 10.99.0.14 is missing")
    lab.remove_host("h4")
    lose(wire, lossy.HOSTS, lambda: lab.dovectl("-force", "host", "del", "h4"))
    difference(host, "host h4 vtep 10.99.0.14 is not the controller's")


def test_a_network_that_was_deleted_is_the_operators_to_give_up(lab, host):
    lab.dovectl("network", "add", "brief-net", "tenant", "red")
    host.dovectl("join", "brief-net")
    lab.dovectl("network", "del", "brief-net")
    for words in ((), ("-fix",)):
        wait_until("it is found", lambda: check(host)[1], AT_ONCE)
        code, found, _ = check(host, *words)
        assert code == 2 and [row["what"] for row in found] == [
            "the controller has no such network any more"]
        assert found[0]["command"] == "dovectl leave brief-net" and not found[0]["mended"]
    host.dovectl("leave", "brief-net")
    assert is_right(host)


def test_doved_finds_and_mends_them_by_itself(lab, host, wire):
    host.kill_doved()
    host.doved.argv[host.doved.argv.index("--audit-period") + 1] = "1"
    host.start()
    wait_until("h1 is right", lambda: is_right(host), AT_ONCE)
    before = host.status()
    lose(wire, lossy.NETWORK, lambda: lab.dovectl("network", "set", "small-net", "learn", "on"))
    wait_until("it is mended", lambda: host.status()["mended"] > before["mended"], 10)
    after = host.status()
    assert after["differences"] - before["differences"] == after["mended"] - before["mended"] == 1
    assert is_right(host)
    lab.dovectl("network", "set", "small-net", "learn", "off")


def test_without_a_controller_it_says_that_nothing_was_compared(lab, host):
    lab.controller.end()
    wait_until("the session is lost", lambda: not host.status()["connected"], AT_ONCE)
    code, found, err = check(host)
    assert (code, found) == (2, []) and "not compared with the controller" in err
    lab.start_controller()
    host.wait_connected()
    wait_until("h1 is right", lambda: is_right(host), AT_ONCE)
