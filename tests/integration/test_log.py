"""What an operator reads: who came and went, what moved, what was refused, each on one line that names
host, network, MAC, IP and revision; and few lines, however often it happens."""
import re

from dovelab import frames, metrics, run, wait_until

MAC = "02:00:00:00:00:0{}"
FLOOD = 300
LAB = {"hosts": ["h1", "h2"], "dove-controller": ["--metrics", f"127.0.0.1:{metrics.PORT}"],
       "tenants": {"red": {"red-net": {"vni": 100, "subnets": ["10.1.0.0/24"]}}},
       "guests": {n: {"network": "red-net", "host": "h1", "mac": MAC.format(i),
                      "ips": [f"10.1.0.1{i}"]} for i, n in enumerate(("a", "b", "c"), start=1)}}
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} (doved|dove-controller) "
                  r"(trace|debug|info|warning|error): \S.*")


def lines(daemon, *words, since=0):
    return [line for line in daemon.log_text()[since:].splitlines()
            if all(word in line for word in words)]


def wait_line(daemon, *words, since=0):
    return wait_until(f"a line of {daemon.label} with {words}",
                      lambda: lines(daemon, *words, since=since), timeout=15)[0]


def end_of_log(daemon):
    return len(daemon.log_text())


def test_every_line_has_time_program_and_level(lab):
    for daemon in lab.daemons():
        assert daemon.log_text()
        for line in daemon.log_text().splitlines():
            assert LINE.fullmatch(line), line


def test_the_controller_tells_who_comes_and_goes(lab):
    h2 = lab.hosts["h2"]
    assert "revision" in wait_line(lab.controller, "host h2 ", h2.vtep, "connected", "registered")
    since = end_of_log(lab.controller)
    h2.doved.end()
    wait_line(lab.controller, "host h2 ", h2.vtep, "is disconnected", since=since)
    h2.start()
    line = wait_line(lab.controller, "host h2 ", "is connected", "revision", since=since)
    assert "registered" not in line


def test_a_moved_endpoint_is_told_with_all_that_names_it(lab):
    a = lab.guests["a"]
    said = ("endpoint a ", "red-net", "VNI 100", a.mac, a.ipv4)
    wait_line(lab.controller, *said, "at host h1", "generation", "revision")
    wait_line(lab.hosts["h1"].doved, f"port {a.port}", *said, "is active")
    since = end_of_log(lab.hosts["h1"].doved)
    h2, device = lab.hosts["h2"], "p-thief"
    run("ip", "link", "add", device, "netns", h2.netns, "type", "veth",
        "peer", "name", "p-peer", "netns", h2.netns)
    h2.dovectl("port", "add", device, "endpoint", "a")
    wait_line(lab.controller, *said, "at host h2 now", "no longer at host h1", "revision")
    wait_line(lab.hosts["h1"].doved, "endpoint a ", "red-net", a.mac, "at host h2 now", since=since)
    h2.dovectl("port", "del", device)
    a.host.dovectl("port", "del", a.port)
    a.host.dovectl(*a.port_add())


def test_a_refused_host_is_told_once_however_often_it_comes(lab):
    other = lab.add_host("h3", "10.99.0.13")
    argv = other.doved.argv
    argv[argv.index("--host") + 1] = "h1"
    other.start(wait=False)
    line = wait_line(lab.controller, "host h1 ", "10.99.0.13", "is refused")
    assert "connected already" in line
    since = end_of_log(lab.controller)
    before = refused(lab)
    wait_until("it has come again", lambda: refused(lab) > before, timeout=20)
    assert not lines(lab.controller, "is refused", since=since)
    lab.remove_host("h3")


def refused(lab):
    return metrics.scrape(lab.controller.netns).value("dove_controller_hosts_refused_total",
                                                      code="exists")


def test_a_flooding_guest_does_not_flood_the_log(lab):
    b, h1 = lab.guests["b"], lab.hosts["h1"]
    b.set_security("off")
    since, at_controller = end_of_log(h1.doved), end_of_log(lab.controller)
    b.send_frames([frames.gratuitous_arp(b.mac, f"10.1.0.{100 + i % 100}")
                   for i in range(FLOOD)], interval=0.002)
    wait_line(h1.doved, "the controller refuses", b.mac, "red-net", since=since)
    wait_line(lab.controller, "host h1 ", b.mac, "VNI 100", since=at_controller)
    assert len(lines(h1.doved, "refuses", since=since)) == 1
    assert len(lines(lab.controller, "asks in vain", since=at_controller)) == 1
