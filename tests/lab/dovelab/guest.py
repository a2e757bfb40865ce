"""A guest: a namespace whose eth0 is the other end of a port of some host."""
import ipaddress
import json
import signal
import socket
import sys
import time
from pathlib import Path

from . import netns
from .daemon import Daemon
from .run import run, wait_until

_DAD_FAILED, _TENTATIVE = 0x08, 0x40  # IFA_F_* of linux/if_addr.h
_TAP_PUMP = Path(__file__).with_name("tap_pump.py")


def _state_of(flags):
    return "failed" if flags & _DAD_FAILED else "tentative" if flags & _TENTATIVE else "ready"


class Guest:
    def __init__(self, lab, name, wanted):
        self.lab, self.name = lab, name
        self.network, self.kind = wanted["network"], wanted["kind"]
        self.wanted_host = wanted.get("host")
        self.mac, self.ips = wanted.get("mac"), list(wanted["ips"])
        self.shared_ips = list(wanted["shared_ips"])
        self.netns = f"{lab.name}-{name}"
        self.security = wanted.get("security")
        self.registered = wanted.get("registered", True)
        self.port = f"p-{name}"  # the device on the host
        self.host = None         # where it is plugged in
        self._pump = None

    # --- the address plan
    @property
    def vni(self):
        return self.lab.networks[self.network]["vni"]

    @property
    def ipv4(self):
        return next((ip for ip in self.ips if "." in ip), None)

    @property
    def ipv6(self):
        return next((ip for ip in self.ips if ":" in ip), None)

    @property
    def link_local(self):
        octets = [int(part, 16) for part in self.mac.split(":")]
        octets[0] ^= 2
        words = octets[:3] + [0xFF, 0xFE] + octets[3:]
        return str(ipaddress.IPv6Address(bytes([0xFE, 0x80] + [0] * 6 + words)))

    def addresses(self):
        return [*self.ips, self.link_local]

    # --- being a port
    def plug(self, host):
        """Becomes a port of this host, with its addresses, as a hypervisor would do it."""
        self.host = host
        self._make_device(host)
        host.dovectl(*self.port_add())
        self._configure()

    def port_add(self):
        """The words that make it a port."""
        security = ["security", self.security] if self.security else []
        whose = ["endpoint", self.name] if self.registered else ["network", self.network]
        return ["port", "add", self.port, *whose, *security]

    def set_security(self, value):
        """The port is made anew: on, off, or None for what doved does unasked."""
        self.security = value
        self.host.dovectl("port", "del", self.port)
        self.host.dovectl(*self.port_add())
        self.wait_forwarding()

    def _make_device(self, host):
        if self.kind == "veth":
            run("ip", "link", "add", self.port, "netns", host.netns, "type", "veth",
                "peer", "name", "eth0", "netns", self.netns, "address", self.mac)
            return
        self._pump = Daemon(self.lab.journal, f"tap of {self.name}", host.netns,
                            [sys.executable, _TAP_PUMP, host.netns, self.port, self.netns, "eth0",
                             self.mac], self.lab.journal.dir / f"{self.name}.tap.log")
        self._pump.start()
        self._pump.wait_ready(lambda: host.has_device(self.port)
                              and self.ip("link", "show", "eth0", check=False).code == 0)

    def _configure(self):
        mtu = next(port["mtu"] for port in self.host.show("port", "show")
                   if port["dev"] == self.port)
        self.ip("link", "set", "eth0", "mtu", mtu)
        for ip in self.ips:
            self.ip("address", "add", f"{ip}/{self._prefix_length(ip)}", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.wait_forwarding()
        if self.lab.networks[self.network].get("routed"):
            for gateway in self.gateways:
                self.ip("route", "add", "default", "via", gateway)

    def wait_forwarding(self):
        """Until its port does, if that is a bridge's: the bridge begins a moment after the device
        is up, or has become its port."""
        wait_until(f"{self.port} forwards", self._forwards)

    def _forwards(self):
        shown = self.host.bridge_link(self.port)
        return not shown or shown["state"] == "forwarding"

    @property
    def gateways(self):
        """Of the subnets that its addresses are in: their first addresses."""
        prefixes = [ipaddress.ip_network(p) for p in self.lab.networks[self.network]["subnets"]]
        return [str(p[1]) for p in prefixes if any(ipaddress.ip_address(i) in p for i in self.ips)]

    def _prefix_length(self, ip):
        for prefix in self.lab.networks[self.network]["subnets"]:
            if ipaddress.ip_address(ip) in ipaddress.ip_network(prefix):
                return prefix.split("/")[1]
        return 32 if "." in ip else 128

    def unplug(self):
        """The port and its device go away, as when a guest is shut down."""
        self.host.dovectl("port", "del", self.port)
        self.drop_device()

    def drop_device(self):
        if self._pump:
            self._pump.end(signal.SIGKILL)
            self._pump = None
        else:
            self.host.ip("link", "del", self.port)
        self.host = None

    def move(self, host):
        """Port del here, port add there; the guest's addresses and MAC stay."""
        self.unplug()
        self.plug(host)

    def wait_addresses(self, timeout=15):
        """Until duplicate-address detection is over; fails if it found a duplicate."""
        wait_until(f"{self.name} has its addresses", lambda: not self._unfinished(), timeout)
        if self.dad_failed():
            raise AssertionError(f"{self.name}: duplicate address {self.dad_failed()}")

    def ipv6_states(self):
        """Address of eth0 -> "tentative", "failed" (somebody else has it) or "ready"."""
        with netns.inside(self.netns), open("/proc/thread-self/net/if_inet6") as table:
            rows = [line.split() for line in table]
        return {str(ipaddress.IPv6Address(bytes.fromhex(address))): _state_of(int(flags, 16))
                for address, _, _, _, flags, device in rows if device == "eth0"}

    def _unfinished(self):
        states = self.ipv6_states()
        return not states or "tentative" in states.values()

    def dad_failed(self):
        return [address for address, state in self.ipv6_states().items() if state == "failed"]

    # --- doing things inside
    def run(self, *words, **options):
        return run(*words, netns=self.netns, **options)

    def ip(self, *words, **options):
        return run("ip", "-n", self.netns, *words, **options)

    def socket(self, *arguments):
        """A socket of the guest's own stack."""
        with netns.inside(self.netns):
            return socket.socket(*arguments)

    def ifindex(self, device="eth0"):
        with netns.inside(self.netns):
            return socket.if_nametoindex(device)

    def packet_socket(self, protocol=0):
        """A raw socket on eth0: sends whole frames; with ETH_P_ALL (3) it receives them too."""
        with netns.inside(self.netns):
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
            raw.bind(("eth0", protocol))
        return raw

    def send_frames(self, frames, interval=0.0):
        with self.packet_socket() as raw:
            for frame in frames:
                raw.send(frame)
                if interval:
                    time.sleep(interval)

    def take(self, ip):
        """An address more, as VRRP does it: no detection, and nobody is told."""
        prefix = 32 if "." in ip else 128
        self.ip("address", "add", f"{ip}/{prefix}", "dev", "eth0",
                *(["nodad"] if ":" in ip else []))

    def give_up(self, ip):
        self.ip("address", "del", f"{ip}/{32 if '.' in ip else 128}", "dev", "eth0", check=False)

    def flush_neighbours(self):
        self.ip("neigh", "flush", "all")

    def neighbours(self):
        """Address -> MAC of what eth0 has resolved."""
        shown = json.loads(self.ip("-j", "neigh", "show", "dev", "eth0").out or "[]")
        return {row["dst"]: row["lladdr"] for row in shown if "lladdr" in row}
