"""Hosts without an agent: the comparators' setting. A namespace on a lab's underlay with a bridge and
a VXLAN device like doved's, and guests behind veths. They go away with the lab."""
from dovelab.daemon import Daemon
from dovelab.run import run

BRIDGE, VXLAN, TUN = "plbr", "plvx", "pltun"
_PUNT_HERE, _PUNT_THERE = "169.254.78.64", "169.254.78.65"
# As doved makes its own (agent/datapath/punt_device.cc, overlay_devices.cc).
_TUN_QUEUE = 10000


def make_netns(lab, name):
    lab.journal.add("netns", name=name)
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")
    return name


def ip_batch(netns, *lines):
    run("ip", "-n", netns, "-batch", "-", stdin="\n".join(lines) + "\n")


def bridge_batch(netns, *lines):
    run("bridge", "-n", netns, "-batch", "-", stdin="\n".join(lines) + "\n")


def connect(lab, netns, port, address):
    """Another namespace of the lab's underlay."""
    make_netns(lab, netns)
    ip_batch(lab.underlay, f"link add {port} mtu 1500 master br0 type veth peer name eth0 netns "
             f"{netns} mtu 1500", f"link set {port} up")
    ip_batch(netns, f"address add {address}/24 dev eth0", "link set eth0 up")
    return netns


class PlainHost:
    def __init__(self, lab, number, vni, address):
        self.lab, self.number, self.vni, self.address = lab, number, vni, address
        self.netns = connect(lab, f"{lab.name}-plain{number}", f"plain{number}", address)
        ip_batch(self.netns, f"link add {BRIDGE} type bridge mcast_snooping 0",
                 f"link set {BRIDGE} addrgenmode none", f"link set {BRIDGE} up")
        self.make_vxlan()

    def make_vxlan(self):
        """A fresh device, without an entry."""
        run("ip", "-n", self.netns, "link", "del", VXLAN, check=False)
        ip_batch(self.netns,
                 f"link add {VXLAN} type vxlan id {self.vni} dstport 4789 local {self.address} "
                 "nolearning proxy rsc l2miss l3miss ageing 300",
                 f"link set {VXLAN} addrgenmode none",
                 f"link set {VXLAN} master {BRIDGE} up",
                 f"link set {VXLAN} type bridge_slave learning off")

    def make_punt(self):
        """A TUN to which the VXLAN device sends what it does not know."""
        if run("ip", "-n", self.netns, "link", "show", TUN, check=False).code != 0:
            run("ip", "-n", self.netns, "tuntap", "add", "dev", TUN, "mode", "tun")
            ip_batch(self.netns, f"link set {TUN} mtu 1500 txqueuelen {_TUN_QUEUE} up",
                     f"address add {_PUNT_HERE}/31 dev {TUN}")
        bridge_batch(self.netns, f"fdb append 00:00:00:00:00:00 dev {VXLAN} dst {_PUNT_THERE} "
                     f"via {TUN} self permanent")

    def add_guest(self, name, mac, address=None):
        """A guest's namespace, by its name."""
        netns = make_netns(self.lab, f"{self.lab.name}-{name}")
        port = f"p-{name}"
        ip_batch(self.netns,
                 f"link add {port} type veth peer name eth0 netns {netns} address {mac}",
                 f"link set {port} master {BRIDGE} up",
                 f"link set {port} type bridge_slave learning off flood off",
                 )
        bridge_batch(self.netns, f"fdb replace {mac} dev {port} master static")
        ip_batch(netns, "link set eth0 mtu 1450 up",
                 *([f"address add {address} dev eth0"] if address else []))
        return netns

    def install(self, guests, vtep):
        """What there is to know of guests elsewhere: (MAC, address without length) pairs."""
        bridge_batch(self.netns, *(f"fdb replace {mac} dev {VXLAN} dst {vtep} self static"
                                   for mac, _ in guests))
        ip_batch(self.netns, *(f"neigh replace {ip} lladdr {mac} dev {VXLAN} nud permanent"
                               for mac, ip in guests))


class Responder:
    """dove_bench_responder in a plain host's namespace, for the length of a block."""

    def __init__(self, host, kind, destination):
        device = VXLAN if kind == "notify" else TUN
        lab = host.lab
        self._log = lab.journal.dir / f"responder-{kind}.log"
        self._log.unlink(missing_ok=True)
        self._daemon = Daemon(lab.journal, f"{kind} responder", host.netns,
                              [lab.program("dove_bench_responder"), kind, device, destination],
                              self._log)

    def __enter__(self):
        self._daemon.start()
        self._daemon.wait_ready(lambda: "ready" in self._daemon.log_text())
        return self

    def __exit__(self, *_):
        self._daemon.end()


__all__ = ["PlainHost", "Responder", "TUN", "VXLAN", "connect", "make_netns"]
