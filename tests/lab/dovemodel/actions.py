"""What can be done to a lab, each done to the real programs and to the model, and written down.

Field: a lab, its model, its guests and the words said so far. Its methods do one thing each; they
know the outcome that is right, and a program that says otherwise is a failure.
"""
import contextlib
import ipaddress
import os
import signal
import subprocess
import time

from dovelab import netns, run, wait_until
from dovelab.run import start
from dovelab.spec import CONTROLLER_PORT, address_of_host

from .world import Endpoint, Network

REMOVAL_DELAY = 10  # seconds that doved keeps the devices of a network that went
REJOIN_DELAY = 10   # and the controller the place of a host that came back and may yet join
SLACK = 5           # for both, on a busy machine


class Failure(AssertionError):
    """The product did something wrong."""


class Field:
    def __init__(self, lab, world, guests, verbose=False):
        self.lab, self.world, self.guests, self.verbose = lab, world, guests, verbose
        self.said = []        # what was done since the last quiet point
        self.operations = 0   # in all
        self._settled = 0     # until when the controller tells of former listeners
        self._left = {}       # (host, VNI) -> until when its devices may stay
        self._sessions, self._rejoined = {}, {}  # host -> how many; until when the last is young

    def say(self, text):
        self.operations += 1
        self.note(text)

    def note(self, text):
        self.said.append(text)
        if self.verbose:
            print(f"  {text}", flush=True)

    def host(self, host):
        return self.lab.hosts[host.name]

    # --- commands
    def ctl(self, *words):
        """To the controller: must succeed."""
        done = self.lab.dovectl(*words, check=False)
        self.say("dovectl " + " ".join(map(str, words)))
        if done.code != 0:
            raise Failure(f"refused: {self.said[-1]}: {done.err.strip()}")

    def local(self, host, *words):
        """To a host's doved; whether it succeeded."""
        done = self.host(host).dovectl(*words, check=False)
        text = f"{host.name}: dovectl " + " ".join(map(str, words))
        self.say(text if done.code == 0 else f"{text}   # {done.err.strip()}")
        return done.code == 0

    def must(self, done):
        if not done:
            raise Failure(f"refused: {self.said[-1]}")

    def must_not(self, done):
        if done:
            raise Failure(f"not refused: {self.said[-1]}")

    # --- tenants, networks, policies
    def add_tenant(self, name):
        self.ctl("tenant", "add", name)
        self.world.tenants[name] = True

    def set_routing(self, tenant, value):
        self.ctl("tenant", "set", tenant, "routing", "allow" if value else "deny")
        self.world.tenants[tenant] = value

    def add_network(self, name, tenant, vni, prefixes):
        subnets = {prefix: str(ipaddress.ip_network(prefix)[1]) for prefix in prefixes}
        self.ctl("network", "add", name, "tenant", tenant, "vni", vni,
                 *(word for prefix in prefixes for word in ("subnet", prefix)))
        self.world.add_network(Network(name, tenant, vni, subnets))

    def set_subnets(self, network, subnets):
        self.ctl("network", "set", network.name,
                 *(word for prefix, gateway in subnets.items()
                   for word in ("subnet", prefix, "gateway", gateway)))
        network.subnets = dict(subnets)

    def del_network(self, network):
        self.ctl("network", "del", network.name)
        self.world.delete_network(network.name)

    def add_policy(self, a, b, value):
        self.ctl("policy", "add", "tenant", self.world.networks[a].tenant, "between", a, "and", b,
                 "allow" if value else "deny")
        self.world.policies[frozenset((a, b))] = value

    def del_policy(self, a, b):
        self.ctl("policy", "del", "tenant", self.world.networks[a].tenant, "between", a, "and", b)
        del self.world.policies[frozenset((a, b))]

    # --- endpoints
    def add_endpoint(self, name, network, mac, ips):
        self.ctl("endpoint", "add", name, "network", network, "mac", mac,
                 *(word for ip in ips for word in ("ip", ip)))
        self.world.endpoints[name] = Endpoint(name, network, mac, list(ips))

    def set_ips(self, endpoint, ips):
        self.ctl("endpoint", "set", endpoint.name, *(word for ip in ips for word in ("ip", ip)))
        endpoint.ips = list(ips)

    def set_mac(self, endpoint, mac):
        self.ctl("endpoint", "set", endpoint.name, "mac", mac)
        endpoint.mac = mac

    def del_endpoint(self, endpoint):
        self.ctl("endpoint", "del", endpoint.name)
        self.world.delete_endpoint(endpoint)

    # --- ports
    def add_port(self, host, device, endpoint):
        """Where a controller is out of reach only what was here before is taken."""
        done = self.local(host, "port", "add", device, "endpoint", endpoint.name)
        world = self.world
        if not world.linked(host):
            if world.known_port(host, endpoint.name):
                self.must(done)
                return world.add_known_port(host, device, endpoint.name)
            return self.must_not(done)
        if done:
            pending = not world.certain(host) and any(
                p.endpoint == endpoint.name for p in host.ports.values())
            world.add_port(host, device, endpoint)
            if pending:  # its host has taken it as it was, and has yet to ask the controller
                world.doubt(endpoint.name)
            return None
        if world.certain(host) and not world.asked_for_elsewhere(endpoint.name, host):
            raise Failure(f"refused: {self.said[-1]}")
        return world.refuse_port(host, endpoint)

    def add_ports(self, wanted):
        """Several at once: (host, device, endpoint), all of different endpoints."""
        running = []
        for host, device, endpoint in wanted:
            self.say(f"{host.name}: dovectl port add {device} endpoint {endpoint.name}   # at once")
            running.append(start(
                [self.lab.program("dovectl"), "-Socket", self.host(host).socket, "port", "add",
                 device, "endpoint", endpoint.name], self.host(host).netns,
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        for process, (host, device, endpoint) in zip(running, wanted):
            _, why = process.communicate(timeout=60)
            if process.returncode != 0:
                raise Failure(f"refused: {host.name}: port add {device} {endpoint.name}: {why}")
            self.world.add_port(host, device, endpoint)

    def del_port(self, host, device):
        self.must(self.local(host, "port", "del", device))
        self.world.del_port(host, device)

    def join(self, host, network):
        done = self.local(host, "join", network)
        if self.world.certain(host) or done:
            self.must(done)
            self.world.join(host, network)

    def leave(self, host, network):
        self.must(self.local(host, "leave", network))
        self.world.leave(host, network)

    # --- devices
    def remove_device(self, host, device):
        self.say(f"{host.name}: ip link del {device}")
        self.guests.remove_device(self.guests.place(host.name, device))
        self.world.device_gone(host, device)

    def make_device(self, host, device):
        self.say(f"{host.name}: ip link add {device}")
        self.guests.make_device(self.guests.place(host.name, device))
        self.world.device_back(host, device)

    # --- faults
    def stop(self, host, killed):
        self.say(f"{host.name}: kill -{'KILL' if killed else 'TERM'} doved")
        still = self.lingering(host) if killed else set()
        self._left = {key: until for key, until in self._left.items() if key[0] != host.name}
        host.left |= still  # who is started again waits as long again
        self.host(host).doved.end(signal.SIGKILL if killed else signal.SIGTERM)
        self.world.stop(host, killed)

    def start(self, host):
        self.say(f"{host.name}: doved")
        self.host(host).start(wait=False)
        self.host(host).doved.wait_ready(self.host(host).status)
        self.world.start(host)

    def cut(self, host, silent):
        """The controller does not hear of it; the host itself hears at once that its session is
        gone, or, `silent`, of nothing, and what was said comes when the cut is mended."""
        self.say(f"{host.name}: cut off from the controller{', silently' if silent else ''}")
        address = address_of_host(list(self.world.hosts).index(host.name))
        run("nft", "-f", "-", netns=self.lab.controller.netns, stdin=(
            f"table ip cut-{host.name} {{\n"
            f"chain input {{ type filter hook input priority 0; ip saddr {address} "
            f"tcp dport {CONTROLLER_PORT} jump gone; }}\n"
            f"chain output {{ type filter hook output priority 0; ip daddr {address} "
            f"tcp sport {CONTROLLER_PORT} tcp flags & rst == 0 drop; }}\n"
            "chain gone { tcp flags & (syn | ack) == syn reject with tcp reset; drop; }\n}\n"))
        if silent:
            host.deaf = True
        else:
            self._reset_session(host)
            self.world.cut(host)

    def _reset_session(self, host):
        if not host.up or not self.world.controller:
            return
        with netns.inside(self.host(host).netns):
            run("ss", "-K", "dport", "=", CONTROLLER_PORT, check=False)
        self._wait_unconnected(host)

    def _wait_unconnected(self, host):
        wait_until(f"{host.name} notices that its session is gone", lambda: not (
            self.host(host).status() or {"connected": True})["connected"], 20)

    def mend(self, host):
        self.say(f"{host.name}: mended")
        run("nft", "delete", "table", "ip", f"cut-{host.name}", netns=self.lab.controller.netns)
        if host.deaf:
            host.deaf = False
        else:
            self.world.mend(host)

    def forget_host(self, host):
        wait_until(f"the controller knows that {host.name} is gone", lambda: next(
            row["state"] for row in self.lab.show("host", "show") if row["name"] == host.name)
            != "connected", 20)
        self.ctl("host", "del", host.name)
        self.world.forget_host(host)

    def kill_controller(self):
        self.say("controller: kill -KILL")
        self.lab.controller.kill()
        self.world.stop_controller()
        for host in self.world.hosts.values():
            if host.up:
                self._wait_unconnected(host)

    def start_controller(self):
        self.say("controller: start")
        self.lab.start_controller()
        self._settled = time.monotonic() + REJOIN_DELAY + SLACK
        self.world.start_controller()

    @contextlib.contextmanager
    def paused(self, host):
        self.say(f"{host.name}: kill -STOP doved")
        daemon = self.host(host).doved
        os.kill(daemon.pid, signal.SIGSTOP)
        host.deaf = True
        try:
            yield
        finally:
            host.deaf = False
            self.note(f"{host.name}: kill -CONT doved")
            os.kill(daemon.pid, signal.SIGCONT)

    def meddle(self, host, *words, stdin=None):
        """A command of somebody else in the host; it may fail."""
        host.meddled = True
        lines = f"   # {len(stdin.splitlines())} lines" if stdin else ""
        self.say(f"{host.name}: " + " ".join(map(str, words)) + lines)
        with netns.inside(self.host(host).netns):
            run(*words, check=False, stdin=stdin)

    # --- what stays a while
    def note_left(self):
        """To be called after each operation: from when on something is only waited for."""
        now = time.monotonic()
        for host in self.world.hosts.values():
            for vni in host.left:
                self._left[host.name, vni] = now + REMOVAL_DELAY + SLACK
            if host.up:
                host.left.clear()
            if self._sessions.get(host.name) != host.sessions:
                self._sessions[host.name] = host.sessions
                self._rejoined[host.name] = now + REJOIN_DELAY + SLACK
            if self.world.linked(host) and now > self._rejoined.get(host.name, 0):
                host.stale.clear()
        if not self.world.controller:
            self._settled = now + REJOIN_DELAY + SLACK
        elif now > self._settled:
            self.world.former_listeners.clear()
        else:  # a host that is started again keeps what it has until it is told all
            self.world.remember_listeners()

    def lingering(self, host):
        now = time.monotonic()
        return {vni for (name, vni), until in self._left.items()
                if name == host.name and now < until}
