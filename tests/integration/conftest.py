"""What every lab test shares. A module's LAB is the description of its lab (three hosts and two
tenants with equal addresses if it has none); all of its tests use the one `lab`. With LABS, name ->
description, they run in each. `pytestmark = pytest.mark.alone` keeps a module from running beside
another one: for those that fill a processor, or whose figures are worth reading.
"""
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
from dovelab import Lab, run, spec  # noqa: E402
from dovelab.lab import has_br_netfilter  # noqa: E402

_labs = {}


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, help="test_model.py: this seed alone")
    parser.addoption("--steps", type=int, help="test_model.py: so many quiet points")


def pytest_configure(config):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # labs are torn down on the way out
    config.addinivalue_line("markers", "alone: runs beside no other module")


# Side by side these modules take longest, so they begin first.
_LONGEST = ["walls", "notify", "restart", "routing", "model", "policy", "routed_over_ipv6", "mtu",
            "dad", "unrouted", "model_asked", "routed_underlay", "underlay", "etcd",
            "check_controller", "mtu_flows", "hosts", "wait", "strangers", "firewall"]


def _turn(item):
    """Where it comes among all. What takes a wall away comes last of each lab: it goes once."""
    name = item.module.__name__.removeprefix("test_")
    turn = _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)
    params = item.callspec.params if hasattr(item, "callspec") else {}
    labs = list(getattr(item.module, "LABS", [params.get("lab")]))
    return turn, name, labs.index(params.get("lab", labs[0])), params.get("wall") == "control"


def _is_once_more(item):
    """What the tunnels go over makes no difference to frames that are bridged: with IPv6 there only
    as it comes."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    wanted = getattr(item.module, "LABS", {}).get(params.get("lab")) or getattr(item.module, "LAB", {})
    return params.get("br_netfilter") == 0 and wanted.get("underlay") == "ipv6"


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if not _is_once_more(item)]
    items.sort(key=_turn)
    reason = None
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    elif not os.path.exists("/dev/net/tun"):
        reason = "no /dev/net/tun on this machine"
    for item in items if reason else []:
        item.add_marker(pytest.mark.skip(reason=reason))


def pytest_generate_tests(metafunc):
    labs = getattr(metafunc.module, "LABS", None)
    if labs and "lab" in metafunc.fixturenames:
        metafunc.parametrize("lab", list(labs), indirect=True, scope="module")


def description(request):
    if hasattr(request, "param"):
        return request.module.LABS[request.param]
    return getattr(request.module, "LAB", None) or spec.three_hosts()


@pytest.fixture(params=[0, 1], ids="br_netfilter {}".format)
def br_netfilter(request, lab):
    """For tests that send through the bridges: with bridged frames kept from the hosts' iptables,
    and handed to it, as it comes where there is a Docker."""
    if request.param == 1 and not has_br_netfilter():
        pytest.skip("this kernel has no br_netfilter")
    lab.set_br_netfilter(request.param)
    yield
    lab.set_br_netfilter(1)  # as a namespace has it


@pytest.fixture
def tracking(lab):
    """Something on each host that needs connections to be tracked, as a firewall does."""
    for host in lab.hosts.values():
        done = run("nft", "-f", "-", netns=host.netns, check=False, stdin=(
            "add table inet firewall\n"
            "add chain inet firewall c { type filter hook input priority 0; }\n"
            "add rule inet firewall c ct state established counter\n"))
        if done.code != 0:
            pytest.skip(f"no connection tracking here: {done.err}")
        if host.tracked() is None:
            pytest.skip("this kernel does not list what it tracks")
    yield
    for host in lab.hosts.values():
        run("nft", "delete", "table", "inet", "firewall", netns=host.netns)


@pytest.fixture(scope="module")
def lab(request):
    wanted = description(request)
    made = Lab(wanted)
    _labs[request.module.__name__] = made
    try:
        made.up()
        yield made
        made.stop_programs()
        problems = made.problems()
    finally:
        made.keep_logs()
        made.down()
        _labs.pop(request.module.__name__, None)
    assert not problems, "\n".join(problems)


@pytest.fixture
def figures(request):
    """Call it with a line to be printed at the end of the run."""
    return lambda line: request.node.user_properties.append(("figure", line))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    made = _labs.get(item.module.__name__)
    if report.failed and made is not None and call.when != "teardown":
        report.sections.append(("the lab's logs", made.logs()))
        report.sections.append(("counters that are not 0", made.counters_text()))


def pytest_terminal_summary(terminalreporter):
    reports = [r for kind in ("", "error") for r in terminalreporter.getreports(kind)
               if r.when == "teardown"]
    lines = [line for r in reports for name, line in r.user_properties if name == "figure"]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
