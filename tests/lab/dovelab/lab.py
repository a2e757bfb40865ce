"""A whole lab: underlay, controller, hosts and guests, built from a description (spec.py) out of
network namespaces and the real programs.

    with Lab(spec.three_hosts()) as lab:
        lab.guests["red1"].run("ping", "-c1", lab.guests["red2"].ipv4)

Everything made is in the journal before it exists; down() takes all of it away, from any state.
"""
import json
import os
import secrets
import shutil
from pathlib import Path

from . import netns, spec as specs
from .daemon import Daemon
from .etcd import EtcdMember
from .guest import Guest
from .host import Host
from .journal import Journal
from .run import run, wait_until

_TREE = Path(__file__).resolve().parents[3]
_REPORTS = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:")


def bin_dir():
    """Where the programs under test are: DOVE_BIN, or the newest-named build that has them."""
    if os.environ.get("DOVE_BIN"):
        return Path(os.environ["DOVE_BIN"]).resolve()
    for preset in ("release", "dev"):
        if (_TREE / "build" / preset / "bin" / "doved").exists():
            return _TREE / "build" / preset / "bin"
    raise FileNotFoundError("no programs: build preset release or dev, or set DOVE_BIN")


def has_br_netfilter():
    return os.path.exists("/proc/sys/net/bridge")


class Lab:
    def __init__(self, wanted, name=None):
        """`wanted` is a description; nothing is made before up()."""
        self.name = name or "lab" + secrets.token_hex(3)
        self.spec = specs.complete(wanted) if "networks" not in wanted else wanted
        self.journal = Journal(self.name)
        self.networks = {n: dict(network) for n, network in self.spec["networks"].items()}
        self.underlay = f"{self.name}-underlay"
        self.socket = self.journal.dir / "controller.sock"
        self.standby_socket = self.journal.dir / "standby.sock"
        self._bin = bin_dir()
        self.hosts = {n: Host(self, n, host["vtep"]) for n, host in self.spec["hosts"].items()}
        self.guests = {n: Guest(self, n, guest) for n, guest in self.spec["guests"].items()}
        self.etcd = [EtcdMember(self, number) for number in range(self.spec["etcd"])]
        self.controller = self._controller("controller", self.socket, specs.CONTROLLER_PORT)
        self.standby = (self._controller("standby", self.standby_socket, specs.STANDBY_PORT)
                        if self.spec["standby"] else None)

    @staticmethod
    def open(name):
        """A lab that is up, made by another process. Its programs can be talked to, not restarted."""
        try:
            wanted = json.loads((Journal(name).dir / "spec.json").read_text())
        except FileNotFoundError:
            raise specs.BadSpec(f"no lab {name!r}") from None
        lab = Lab(wanted, name)
        lab._read_back()
        for guest in lab.guests.values():
            guest.host = lab.hosts.get(guest.wanted_host)
        return lab

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def program(self, name):
        return self._bin / name

    # --- up and down
    def up(self):
        self.journal = Journal.create(self.name)
        try:
            (self.journal.dir / "spec.json").write_text(json.dumps(self.spec))
            self._make_underlay()
            self._start_programs()
            self._make_objects()
            self._make_guests()
        except BaseException:
            self.keep_logs()
            self.down()
            raise
        return self

    def stop_programs(self):
        """As an administrator would; what went wrong is in problems()."""
        for daemon in self.daemons():
            daemon.end()

    def down(self):
        self.stop_programs()
        problems = self.journal.undo()
        if problems:
            raise RuntimeError(f"lab {self.name} is not gone: " + "; ".join(problems))

    def _make_netns(self, name):
        self.journal.add("netns", name=name)
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def _make_underlay(self):
        self._make_netns(self.underlay)
        run("ip", "-n", self.underlay, "link", "add", "br0", "mtu", self.spec["mtu"], "type",
            "bridge", "mcast_snooping", "0")
        run("ip", "-n", self.underlay, "address", "add", f"{specs.GATEWAY}/24", "dev", "br0")
        run("ip", "-n", self.underlay, "link", "set", "br0", "up")
        run("ip", "-n", self.underlay, "address", "add", f"{specs.GATEWAY6}/64", "dev", "br0",
            "nodad")
        if self.spec["router"]:
            for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
                netns.sysctl(self.underlay, key, 1)
        self.connect(self.controller.netns, "controller", specs.CONTROLLER)
        for index, host in enumerate(self.hosts.values()):
            self._connect_host(host, index)
        self.set_br_netfilter(self.spec["br_netfilter"])

    def _connect_host(self, host, index):
        """The controller is reached by IPv4, whatever the tunnels go over."""
        v6, router = ":" in host.vtep, self.spec["router"]
        subnets = specs.subnets_of_host(index, router)
        self.connect(host.netns, host.name,
                     specs.address_of_host(index, router) if v6 else host.vtep,
                     leg=subnets if router else None)
        if v6:
            host.ip("address", "add", f"{host.vtep}/64", "dev", "eth0", "nodad")
            host.ip("route", "add", "default", "via", subnets[1][1])

    def set_br_netfilter(self, value):
        """Whether the hosts hand bridged frames to iptables; None leaves it as it is."""
        if value is None or (value == 0 and not has_br_netfilter()):
            return
        for host in self.hosts.values():
            for family in ("iptables", "ip6tables", "arptables"):
                netns.sysctl(host.netns, f"bridge.bridge-nf-call-{family}", value)

    def connect(self, name, port, address, leg=None):
        """To the bridge that is the underlay or, with the subnets of a `leg`, to a router."""
        self._make_netns(name)
        where = [] if leg else ["master", "br0"]
        run("ip", "-n", self.underlay, "link", "add", port, "mtu", self.spec["mtu"], *where,
            "type", "veth", "peer", "name", "eth0", "netns", name, "mtu", self.spec["mtu"])
        run("ip", "-n", self.underlay, "link", "set", port, "up")
        for subnet in leg or ():
            run("ip", "-n", self.underlay, "address", "add", f"{subnet[1]}/{subnet.prefixlen}",
                "dev", port, *(["nodad"] if subnet.version == 6 else []))
        run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "route", "add", "default", "via",
            leg[0][1] if leg else specs.GATEWAY)

    def separate_queues(self):
        """Every veth device that there is gets a receive queue of its own, as network cards and
        taps have. Without it all of them share one queue a CPU (net.core.netdev_max_backlog), where
        a guest that floods displaces others' frames before and after any switch has seen them. (A
        veth device uses its own for GRO, and for frames whose sender does no TSO.)"""
        for name in (r["name"] for r in self.journal.records() if r["kind"] == "netns"):
            links = run("ip", "-n", name, "-j", "link", "show", "type", "veth").out
            for link in json.loads(links or "[]"):
                run("ethtool", "-K", link["ifname"], "gro", "on", "tso", "off",
                    netns=name)

    # --- programs
    def _controller(self, label, path, port):
        store = f"sqlite:{self.journal.dir}/store.db"
        if self.etcd:
            store = "etcd:" + ",".join(member.address for member in self.etcd)
        command = [self.program("dove-controller"), "--listen", f"unix:{path}", "--store", store,
                   *self.spec["dove-controller"]]
        if self.spec["controller"] == "tcp":
            command += ["--listen", f"{specs.CONTROLLER}:{port}", "--insecure"]
        return Daemon(self.journal, label, f"{self.name}-controller", command,
                      self.journal.dir / f"{label}.log")

    def _addresses(self, tcp):
        """Of every controller, joined by ','."""
        all_ports = [specs.CONTROLLER_PORT, specs.STANDBY_PORT]
        all_paths = [self.socket, self.standby_socket]
        count = 2 if self.spec["standby"] else 1
        return ",".join([f"{specs.CONTROLLER}:{port}" for port in all_ports[:count]] if tcp
                        else [f"unix:{path}" for path in all_paths[:count]])

    def controller_address(self):
        return self._addresses(self.spec["controller"] == "tcp")

    def daemons(self):
        standby = [self.standby] if self.standby else []
        return [*(host.doved for host in self.hosts.values()), *standby, self.controller,
                *(member.daemon for member in self.etcd)]

    def start_controller(self):
        self.controller.start()
        self.controller.wait_ready(lambda: self.dovectl("tenant", "show", check=False).code == 0)

    def _start_programs(self):
        for member in self.etcd:
            member.daemon.start()
        self.start_controller()
        if self.standby:
            self.standby.start()
        for host in self.hosts.values():
            host.start(wait=False)
        for host in self.hosts.values():
            host.wait_connected()

    def dovectl(self, *words, check=True, at=None, **options):
        """dovectl towards the controller that answers, or the one with this socket."""
        where = self._addresses(tcp=False) if at is None else f"unix:{at}"
        return run(self.program("dovectl"), "-Controller", where, *words,
                   check=check, **options)

    def show(self, *words):
        return json.loads(self.dovectl("-j", *words).out or "[]")

    def revision(self):
        """A revision of the store that is not older than anything done before this call."""
        shown = [row.get("revision", 0) for kind in ("tenant", "network", "endpoint", "policy")
                 for row in self.show(kind, "show")]
        return max(shown, default=0)

    # --- objects and guests
    def _make_objects(self):
        for tenant in dict.fromkeys(n["tenant"] for n in self.networks.values()):
            self.dovectl("tenant", "add", tenant)
        for name, network in self.networks.items():
            vni = ["vni", network["vni"]] if "vni" in network else []
            subnets = [word for subnet in network["subnets"] for word in ("subnet", subnet)]
            learn = ["learn", "on"] if network.get("learn") else []
            self.dovectl("network", "add", name, "tenant", network["tenant"], *vni, *subnets,
                         *learn)
        for guest in self.guests.values():
            self._add_endpoint(guest)
        self._read_back()

    def _add_endpoint(self, guest):
        if not guest.registered:
            return
        words = ["mac", guest.mac] if guest.mac else []
        for ip in guest.ips:
            words += ["ip", ip]
        for ip in guest.shared_ips:
            words += ["shared-ip", ip]
        self.dovectl("endpoint", "add", guest.name, "network", guest.network, *words)

    def _read_back(self):
        """What the controller chose: VNIs, MACs, addresses."""
        for row in self.show("network", "show"):
            if row["name"] in self.networks:
                self.networks[row["name"]]["vni"] = row["vni"]
        for row in self.show("endpoint", "show"):
            guest = self.guests.get(row["name"])
            if guest:
                guest.mac, guest.ips = row["mac"], row["ips"]

    def _make_guests(self):
        for guest in self.guests.values():
            self._make_netns(guest.netns)
            if guest.wanted_host:
                guest.plug(self.hosts[guest.wanted_host])
        for guest in self.guests.values():
            if guest.host:
                guest.wait_addresses()

    def add_guest(self, name, **wanted):
        """One more endpoint, with its namespace and, when `host` is named, its port."""
        self.spec["guests"][name] = {"kind": "veth", "ips": [], "shared_ips": [], **wanted}
        guest = self.guests[name] = Guest(self, name, self.spec["guests"][name])
        self._add_endpoint(guest)
        self._read_back()
        self._make_netns(guest.netns)
        if guest.wanted_host:
            guest.plug(self.hosts[guest.wanted_host])
            guest.wait_addresses()
        return guest

    def remove_guest(self, name):
        guest = self.guests.pop(name)
        del self.spec["guests"][name]
        if guest.host:
            guest.unplug()
        if guest.registered:
            self.dovectl("endpoint", "del", name)
        run("ip", "netns", "del", guest.netns)

    def add_host(self, name, vtep):
        """One more, on the underlay; its doved is not started."""
        host = self.hosts[name] = Host(self, name, vtep)
        index = len(self.hosts) - 1
        self._connect_host(host, index)
        for subnet in specs.subnets_of_host(index, self.spec["router"]):
            if subnet.version == 4 or ":" in vtep:
                wait_until(f"{name} is on the underlay", lambda s=subnet: run(
                    "ping", "-n", "-c", 1, "-W", 1, s[1], netns=host.netns, check=False).code == 0)
        return host

    def remove_host(self, name):
        host = self.hosts.pop(name)
        host.doved.end()
        run("ip", "netns", "del", host.netns)

    def netns_of(self, name):
        """By the name of a host or a guest; "controller" and "underlay" too."""
        if name in self.hosts or name in self.guests or name in ("controller", "underlay"):
            return f"{self.name}-{name}"
        raise specs.BadSpec(f"lab {self.name} has no host or guest {name!r}")

    # --- what went wrong
    def problems(self):
        """Programs that ended unasked, and sanitizers' reports in their logs."""
        found = []
        for daemon in self.daemons():
            if not daemon.check():
                found.append(f"{daemon.label} ended unasked, or badly: {daemon.crashes}")
            found += [f"{daemon.label}: {line}" for line in daemon.log_text().splitlines()
                      if any(word in line for word in _REPORTS)]
        return found

    def logs(self, lines=40):
        text = []
        for daemon in self.daemons():
            text += [f"--- {daemon.log}"] + daemon.log_text().splitlines()[-lines:]
        return "\n".join(text)

    def counters_text(self):
        """Of each doved that answers."""
        text = []
        for host in self.hosts.values():
            if host.status():
                values = " ".join(f"{n}={v}" for n, v in host.counters().items() if v)
                text.append(f"{host.name}: {values}")
        return "\n".join(text)

    def keep_logs(self):
        """Copies the logs to DOVE_LAB_LOGS, if that is set, before they go with the lab."""
        target = os.environ.get("DOVE_LAB_LOGS")
        if not target:
            return
        for log in self.journal.dir.glob("**/*.log"):
            copy = Path(target) / self.name / log.relative_to(self.journal.dir)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, copy)
