"""systemd-networkd on a host, told to take every device in hand: with the file that is installed for
it, it leaves dove's alone."""
import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from dovelab import traffic, wait_until
from dovelab.run import start
from dovelab.spec import three_hosts

NETWORKD = "/lib/systemd/systemd-networkd"
FILE = Path(__file__).resolve().parents[2] / "packaging" / "network" / "05-dove.network"
LAB = {**three_hosts(), "doved": ["--audit-period", "1"]}
ADDRESS = "192.0.2.77"
TAKES_ALL = f"[Match]\nName=dv* spare\n\n[Network]\nAddress={ADDRESS}/24\nLinkLocalAddressing=no\n"
# It takes a host whose /sys cannot be written for a container, and waits for no udev there.
SCRIPT = """set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/system
mount -t sysfs -o ro sysfs /sys
printf %s "$1" > /run/systemd/network/99-all.network
[ -z "$2" ] || cp "$2" /run/systemd/network/
exec """ + NETWORKD


@contextlib.contextmanager
def networkd(host, file):
    process = start(["unshare", "-m", "bash", "-c", SCRIPT, "networkd", TAKES_ALL, file],
                    netns=host.netns, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.fixture
def spare(lab):
    """A device of the host's that it does take: then it has come to all of them."""
    host = lab.hosts["h1"]
    host.ip("link", "add", "spare", "type", "bridge")
    yield lambda: ADDRESS in host.ip("-br", "address", "show", "dev", "spare").out
    host.ip("link", "del", "spare")


def differences(host):
    return json.loads(host.dovectl("-j", "check", check=False).out)


def pings(lab):
    red1 = lab.guests["red1"]
    return [traffic.ping(red1, to, 3).lost for to in (lab.guests["red2"].ipv4, lab.guests["red2"].ipv6)]


@pytest.mark.skipif(not os.path.exists(NETWORKD), reason="there is no systemd-networkd")
@pytest.mark.parametrize("file", [str(FILE), ""], ids=["with our file", "control"])
def test_it_leaves_doves_devices_alone(lab, spare, file):
    host = lab.hosts["h1"]
    devices = [link["ifname"] for link in host.links() if link["ifname"].startswith("dv")]
    assert len(devices) > 2
    before = host.status()["put_back"]
    macs = {device: host.mac_of(device) for device in devices if device != "dvpunt"}
    with networkd(host, file):
        wait_until("it has come to the other device", spare, 30)
        if file:
            assert pings(lab) == [0, 0]
            time.sleep(2)  # two audits
            assert differences(host) == []
            assert host.status()["put_back"] == before
        else:
            wait_until("what it does is undone", lambda: host.status()["put_back"] > before, 20)
    wait_until("all is as it should be", lambda: differences(host) == [], 20)
    assert {device: host.mac_of(device) for device in macs} == macs
    assert pings(lab) == [0, 0]
