"""A host of the lab: a namespace on the underlay with a doved of its own."""
import contextlib
import json
import os
from pathlib import Path

from .daemon import Daemon
from .run import run, wait_until


def _router_of(rows):
    return next((row["mac"] for row in rows if "router" in row["flags"]), None)


def _without_router(fdb, neighbours):
    router = _router_of(fdb)
    return ([row for row in fdb if "router" not in row["flags"]],
            [row for row in neighbours if row.get("lladdr", router) != router])


class Host:
    def __init__(self, lab, name, vtep):
        self.lab, self.name, self.vtep = lab, name, vtep
        self.netns = f"{lab.name}-{name}"
        self.dir = lab.journal.dir / name
        self.socket = self.dir / "doved.sock"
        self.state_dir = self.dir / "state"
        self.doved = Daemon(lab.journal, f"doved of {name}", self.netns, self.command(),
                            self.dir / "doved.log")

    def command(self):
        spec = self.lab.spec
        return [self.lab.program("doved"), "--host", self.name, "--local", self.vtep,
                "--controller", self.lab.controller_address(), "--insecure",
                "--socket", self.socket, "--state-dir", self.state_dir,
                "--miss-mode", spec["miss_mode"], *spec["doved"]]

    # --- doved
    def start(self, wait=True, environment=None):
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.doved.start(environment)
        if wait:
            self.wait_connected()

    def wait_connected(self, timeout=20):
        self.doved.wait_ready(lambda: (self.status() or {}).get("connected"), timeout)

    def dovectl(self, *words, check=True, **options):
        return run(self.lab.program("dovectl"), "-Socket", self.socket, *words, netns=self.netns,
                   check=check, **options)

    def show(self, *words):
        """The objects of a `show` (or `status`) of this host's doved."""
        return json.loads(self.dovectl("-j", *words).out or "[]")

    def status(self):
        done = self.dovectl("-j", "status", check=False)
        return json.loads(done.out)[0] if done.code == 0 else None

    def counters(self):
        """Name -> value."""
        return {item["name"]: item["value"] for item in self.show("counters")}

    def wait_applied(self, revision, timeout=10):
        """Waits until this host has applied everything up to a revision of the store, which must be one
        that it is told of."""
        try:
            wait_until(f"{self.name} has applied revision {revision}",
                       lambda: (self.status() or {}).get("applied", 0) >= revision, timeout)
        except TimeoutError as late:
            raise TimeoutError(f"{late}: {self.status()}") from None

    def wait_ports(self, timeout=20):
        """Until every port is on its bridge: after a start that takes until its walls stand."""
        wait_until(f"the ports of {self.name} are there", lambda: all(
            port["state"] in ("active", "pending") for port in self.show("port", "show")), timeout)

    def change_vtep(self, vtep):
        """From the next start on. The address must be on a device of the host by then."""
        self.vtep = vtep
        self.doved.argv = [str(word) for word in self.command()]

    def kill_doved(self):
        self.doved.kill()

    def flush_walls(self, *what):
        """By `nft flush`, while no doved runs: behind what an nft that it left has done."""
        wait_until(f"no nft runs on {self.name}", lambda: "nft" not in self.programs())
        run("nft", "flush", *what, netns=self.netns)

    def programs(self):
        """The names of those that run in its namespace."""
        for pid in run("ip", "netns", "pids", self.netns).out.split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                yield Path(f"/proc/{pid}/comm").read_text().strip()

    def restart_without_walls(self):
        """For controls: no nftables, and a doved that thinks it has raised them. Its `nft` agrees to
        everything and does nothing."""
        self.kill_doved()
        self.flush_walls("ruleset")
        liar = self.dir / "liar" / "nft"
        liar.parent.mkdir(exist_ok=True)
        liar.write_text("#!/bin/sh\ncat >/dev/null\necho '{\"nftables\": []}'\n")
        liar.chmod(0o755)
        wanted = self.doved.argv
        self.doved.argv = [*wanted, "--audit-period", "0"]  # or that makes a part of them again
        try:
            self.start(environment={"PATH": f"{liar.parent}:{os.environ['PATH']}"})
        finally:
            self.doved.argv = wanted
        self.wait_ports()

    # --- the kernel's state, as plain tools show it
    def tracked(self, words=""):
        """The connections that its kernel tracks, those with `words` in their line; None when the
        kernel does not list them."""
        table = run("cat", "/proc/net/nf_conntrack", netns=self.netns, check=False)
        if table.code != 0:
            return None
        return [line for line in table.out.splitlines() if words in line]

    def ip(self, *words, **options):
        return run("ip", "-n", self.netns, *words, **options)

    def links(self):
        return json.loads(self.ip("-j", "link", "show").out or "[]")

    def has_device(self, name):
        return any(link["ifname"] == name for link in self.links())

    def mac_of(self, device):
        return next(link["address"] for link in self.links() if link["ifname"] == device)

    def bridge_link(self, device):
        """Of a device that is a bridge's port, as bridge(8) shows it; else None."""
        done = run("bridge", "-n", self.netns, "-j", "link", "show", "dev", device, check=False)
        rows = json.loads(done.out) if done.code == 0 and done.out.strip() else []
        return next((row for row in rows if row.get("ifname") == device and "state" in row), None)

    def fdb(self, vni):
        """The entries of the network's VXLAN device itself (not those of the bridge), without the
        router's. What leads nowhere leads to 0.0.0.0, over an IPv6 underlay too."""
        return [row for row in self.all_fdb(vni) if "router" not in row["flags"]]

    def router_mac(self, vni):
        """Of the network's router on this host; None when there is none."""
        return _router_of(self.all_fdb(vni))

    def entries(self, vni):
        """fdb() and neighbours(), at the price of one of them."""
        return _without_router(self.all_fdb(vni), self._neighbour_rows("dev", f"dvx{vni}"))

    def all_entries(self):
        """VNI -> entries(vni), of all networks here at the price of one."""
        fdb, neighbours = self._fdb_rows(), self._neighbour_rows()
        return {int(device.removeprefix("dvx")): _without_router(
            [row for row in fdb if row["ifname"] == device],
            [row for row in neighbours if row["dev"] == device])
            for device in {row["ifname"] for row in fdb} if device.startswith("dvx")}

    def all_fdb(self, vni):
        return self._fdb_rows("dev", f"dvx{vni}")

    def _fdb_rows(self, *where):
        done = run("bridge", "-n", self.netns, "-j", "fdb", "show", *where, check=False)
        rows = json.loads(done.out) if done.code == 0 and done.out.strip() else []
        return [{**row, "dst": "0.0.0.0" if row["dst"] == "::" else row["dst"]} for row in rows
                if "self" in row.get("flags", []) and "dst" in row]

    def remote_fdb(self, vni, mac):
        """Entries that lead this MAC to another host."""
        return [row for row in self.fdb(vni) if row["mac"] == mac and row["dst"] != "0.0.0.0"]

    def neighbours(self, vni):
        """Without the gateways."""
        return self.entries(vni)[1]

    def _neighbour_rows(self, *where):
        done = self.ip("-j", "neigh", "show", *where, "nud", "all", check=False)
        rows = json.loads(done.out) if done.code == 0 and done.out.strip() else []
        return [row for row in rows if not row["dst"].startswith(("ff", "224.", "239."))]
