"""Figures to watch: what is provoked is what goes up, by exactly that, in both programs; and what is
served is what the manuals list."""
import re
from pathlib import Path

import pytest
from dovelab import cold, frames, metrics, run, traffic, wait_until

STRANGER = "02:00:00:00:00:66"
FORGED = 3
MANUALS = Path(__file__).resolve().parents[2] / "man"
METRICS = ["--metrics", f"127.0.0.1:{metrics.PORT}"]


def guest(number, host, **more):
    return {"network": "red-net", "host": host, "mac": f"02:00:00:00:00:0{number}",
            "ips": [f"10.1.0.{10 + number}"], **more}


# No network is kept by hosts as a whole, so that each question goes to the controller.
LAB = {"hosts": ["h1", "h2"], "doved": METRICS,
       "dove-controller": [*METRICS, "--replicate-limit", "0"],
       "tenants": {"red": {"red-net": {"subnets": ["10.1.0.0/24"]},
                           "open-net": {"subnets": ["10.2.0.0/24"], "learn": True}}},
       "guests": {"a": guest(1, "h1"), "b": guest(2, "h2"), "c": guest(3, "h1"),
                  "d": {"network": "open-net", "host": "h1", "mac": "02:00:00:00:00:04",
                        "ips": ["10.2.0.14"], "registered": False}}}


def of_host(lab, name):
    return metrics.scrape(lab.hosts[name].netns)


def of_controller(lab):
    return metrics.scrape(lab.controller.netns)


def listed(manual, prefix):
    return set(re.findall(rf"\.It Li ({prefix}_\w+)", (MANUALS / manual).read_text()))


@pytest.mark.parametrize("manual, prefix, page", [
    ("doved.8", "dove_agent", lambda lab: of_host(lab, "h1")),
    ("dove-controller.8", "dove_controller", of_controller)])
def test_what_is_served_is_what_the_manual_lists(lab, manual, prefix, page):
    served = page(lab).kinds
    assert {name for name in served if name.startswith(prefix)} == listed(manual, prefix)
    for name, kind in served.items():
        assert name.endswith("_total") == (kind == "counter"), name


def test_every_program_tells_of_itself(lab):
    for page, daemon in ((of_host(lab, "h1"), lab.hosts["h1"].doved),
                         (of_controller(lab), lab.controller)):
        with open(f"/proc/{daemon.pid}/statm") as file:
            pages = int(file.read().split()[1])
        assert page.value("process_resident_memory_bytes") == pytest.approx(4096 * pages, rel=0.2)
        assert page.value("process_open_fds") > 5
        assert page.sum("dove_build_info") == 1


def test_nothing_else_is_served(lab):
    assert metrics.get(lab.hosts["h1"].netns, "/")[0] == 404
    assert metrics.get(lab.controller.netns, "/metrics/")[0] == 404


def test_forged_frames_are_counted_at_their_port(lab):
    a = lab.guests["a"]

    def dropped(dev, reason):
        return of_host(lab, "h1").value("dove_agent_port_dropped_total", dev=dev, reason=reason,
                                        network="red-net")

    before = dropped(a.port, "foreign_mac")
    others = dropped(lab.guests["c"].port, "foreign_mac")
    a.send_frames([frames.tagged(lab.guests["c"].mac, STRANGER, b"forged")] * FORGED)
    wait_until("the forged frames are counted",
               lambda: dropped(a.port, "foreign_mac") == before + FORGED)
    assert dropped(lab.guests["c"].port, "foreign_mac") == others
    assert lab.hosts["h1"].counters()["put_back"] == of_host(lab, "h1").value(
        "dove_agent_put_back_total")


def keys_asked(lab):
    return sum(of_host(lab, h).value("dove_agent_keys_asked_total") for h in ("h1", "h2"))


def test_a_cold_ping_is_asked_and_answered(lab):
    a, b = lab.guests["a"], lab.guests["b"]
    cold.make_cold(a, b)
    asked, again = -1, None
    while asked != again:  # nobody asks just now
        asked = keys_asked(lab)
        before, at_controller = of_host(lab, "h1"), of_controller(lab)
        again = keys_asked(lab)
    assert traffic.ping(a, b.ipv4, 1).lost == 0

    def agrees():
        hosts = keys_asked(lab)
        told = of_controller(lab).value("dove_controller_asks_total")
        return told > at_controller.value("dove_controller_asks_total") and (
            hosts - asked == told - at_controller.value("dove_controller_asks_total"))

    wait_until("the hosts have asked what the controller was asked", agrees)
    after = of_host(lab, "h1")
    for name in ("answer", "wait", "batch"):
        count = f"dove_agent_{name}_seconds_count"
        assert after.value(count) > before.value(count), name
    assert of_controller(lab).value("dove_controller_ask_seconds_count") > at_controller.value(
        "dove_controller_ask_seconds_count")
    for name in ("dove_agent_asks_total", "dove_agent_answers_total", "dove_agent_queries_total",
                 "dove_agent_entries_installed_total", "dove_agent_kernel_changes_total"):
        assert after.value(name) > before.value(name), name
    assert after.value("dove_agent_fdb_entries") >= 1
    assert after.value("dove_agent_waiting") == 0
    assert after.value("dove_agent_dropped_total", reason="denied") == 0


def test_dovectl_shows_what_is_measured(lab):
    rows = {row["name"]: row for row in lab.hosts["h1"].show("counters")}
    page = of_host(lab, "h1")
    for name, metric in (("answer_time", "answer_seconds"), ("batch_size", "batch_changes")):
        row = rows[name]
        assert 0 < row["value"] <= page.value(f"dove_agent_{metric}_count")
        assert 0 < row["p50"] <= row["p99"] and row["sum"] >= row["value"]
    assert rows["answer_time"]["unit"] == "us" and rows["batch_size"]["unit"] is None
    assert rows["asks"]["p50"] is None


def test_a_refused_change_is_counted_by_its_reason(lab):
    before = of_controller(lab)
    assert lab.dovectl("network", "add", "red-net", "tenant", "red", "vni", "77",
                       check=False).code == 2
    after = of_controller(lab)
    assert after.sum("dove_controller_changes_refused_total") == 1 + before.sum(
        "dove_controller_changes_refused_total")
    assert after.value("dove_controller_changes_refused_total", code="exists") == 1 + before.value(
        "dove_controller_changes_refused_total", code="exists")
    lab.dovectl("tenant", "add", "green")
    last = of_controller(lab)
    assert last.value("dove_controller_commits_total") == 1 + after.value(
        "dove_controller_commits_total")
    assert last.value("dove_controller_revision") == 1 + after.value("dove_controller_revision")
    assert last.value("dove_controller_tenants") == 2
    assert last.value("dove_controller_endpoints", state="attached") >= 3
    assert last.value("dove_controller_hosts", state="connected") == 2


def test_a_lost_controller_shows_at_once_and_comes_back(lab):
    before = of_host(lab, "h1")
    assert before.value("dove_agent_session_connected") == 1
    lab.controller.kill()
    wait_until("h1 has no session",
               lambda: of_host(lab, "h1").value("dove_agent_session_connected") == 0)
    lost = of_host(lab, "h1")
    assert lost.value("dove_agent_session_failures_total") > before.value(
        "dove_agent_session_failures_total")
    assert lost.value("dove_agent_session_age_seconds") < before.value(
        "dove_agent_session_age_seconds") + 10
    lab.start_controller()
    wait_until("both hosts are back", lambda: of_controller(lab).value(
        "dove_controller_hosts", state="connected") == 2 and all(
            of_host(lab, h).value("dove_agent_session_connected") == 1 for h in ("h1", "h2")),
               timeout=20)
    assert of_host(lab, "h1").value("dove_agent_sessions_total") == 1 + before.value(
        "dove_agent_sessions_total")
    assert of_controller(lab).value("dove_controller_sessions_total") == 2


def test_an_address_that_is_taken_is_a_clear_error(lab):
    taken = run(lab.program("dove-controller"), "--listen", f"unix:{lab.journal.dir}/other.sock",
                "--store", f"sqlite:{lab.journal.dir}/other.db", *METRICS,
                netns=lab.controller.netns, check=False, timeout=10)
    assert taken.code == 2
    assert f'"127.0.0.1:{metrics.PORT}"' in taken.err and "in use" in taken.err


def test_the_parser_is_strict():
    good = "# HELP x X.\n# TYPE x counter\nx{a=\"b\\\"\"} 1\n"
    assert metrics.Page(good).value("x", a='b\\"') == 1
    for bad in (good[:-1], good + "x{a=\"b\\\"\"} 2\n", good + "y 1\n", good + "x{a=b} 1\n",
                good + "x -1\n", "x 1\n", good.replace("counter", "histogram")):
        with pytest.raises((AssertionError, KeyError)):
            metrics.Page(bad)
