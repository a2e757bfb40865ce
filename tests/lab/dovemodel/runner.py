"""Runs seeds: operations, a quiet point, the comparison, traffic, the comparison again; and at the
end of each seed everything is removed, and must be gone."""
import dataclasses
import random
import time

from dovelab.run import wait_until

from . import quiet
from .actions import Failure, Field
from .compare import Comparison
from .guests import GROUP, JOINED, Guests, Speaker
from .kernel import Kernel
from .faults import DEVICES
from .operations import Operations
from .world import Host, World

BROADCAST = "ff:ff:ff:ff:ff:ff"
PATIENCE, GRACE = 5, 0.05  # seconds: for what must come, and must not
OPERATIONS = 16
PUT_BACK = 4  # half a second, or one when it is done again; and something for a busy machine


def description(replicate, underlay="ipv4"):
    """Of the lab: networks are made by the seeds. Audits would mend what the model must find."""
    limit = [] if replicate else ["--replicate-limit", "0"]
    return {"hosts": ["h1", "h2", "h3"], "underlay": underlay, "br_netfilter": 0,
            "dove-controller": limit, "doved": ["--audit-period", "0", "--ageing", "10"]}


@dataclasses.dataclass
class Tally:
    """What was done and looked at, over all seeds."""
    seeds: int = 0
    steps: int = 0
    operations: int = 0
    probes: int = 0
    compared: dict = dataclasses.field(default_factory=dict)

    def add(self, compared):
        for kind, count in compared.items():
            self.compared[kind] = self.compared.get(kind, 0) + count

    def merge(self, other):
        self.seeds += other.seeds
        self.steps += other.steps
        self.operations += other.operations
        self.probes += other.probes
        self.add(other.compared)

    def __str__(self):
        rows = ", ".join(f"{count} {kind}" for kind, count in sorted(self.compared.items()))
        return (f"{self.seeds} seeds, {self.steps} quiet points, {self.operations} operations, "
                f"{self.probes} probes; compared: {rows}")


class Runner:
    """One lab, used by one seed after the other."""

    def __init__(self, lab, verbose=False):
        self.lab, self.tally, self.verbose = lab, Tally(), verbose
        self.guests = Guests(lab, DEVICES)
        self.guests.make()

    def run(self, seed, steps, count=OPERATIONS):
        """So many quiet points, and at most so many operations before each. Failure names the seed,
        and what was done since the last quiet point."""
        world = World([Host(h.name, h.vtep, DEVICES) for h in self.lab.hosts.values()])
        field = Field(self.lab, world, self.guests, self.verbose)
        operations = Operations(field, seed)
        choices = random.Random(seed + 1)
        step = 0
        try:
            operations.prepare()
            self._quiet_point(field, choices)
            for step in range(1, steps + 1):
                operations.some(choices.randint(count // 2, count))
                operations.heal()
                self._quiet_point(field, choices)
            self._clear(field)
        except Failure as failure:
            raise Failure(self._report(seed, step, field, failure)) from None
        finally:
            self.tally.operations += field.operations
        self.tally.seeds += 1

    @staticmethod
    def _report(seed, step, field, failure):
        return "\n".join([f"seed {seed}, step {step}, operation {field.operations}:", str(failure),
                          "since the last quiet point:", *(f"  {text}" for text in field.said)])

    # --- a quiet point
    def _quiet_point(self, field, choices):
        quiet.wait(field)
        field.note_left()
        self._compare(field)
        speakers = self._talk(field, choices)
        self._compare(field)
        self._join_group(field.world, speakers)
        self.tally.steps += 1
        field.said.clear()
        if self.verbose:
            print("  --- quiet, and right", flush=True)

    def _compare(self, field):
        found = []
        for host in field.world.hosts.values():
            found += [f"{host.name}: {line}" for line in self._differences(field, host)]
        if found:
            raise Failure("\n".join(found))

    def _differences(self, field, host):
        """What ages in the kernel just now may be seen half: doved hears of it. What somebody else
        did is undone. Both in the time that doved(8) names."""
        until = time.monotonic() + PUT_BACK
        while True:
            out = Comparison(field.world, host, Kernel.read(self.lab.hosts[host.name]),
                             field.lingering(host)).run()
            waits = host.meddled or not out.found
            if not (out.found or out.ageing) or not waits or time.monotonic() > until:
                break
        host.meddled = False
        self.tally.add(out.compared)
        return out.found + out.ageing

    # --- traffic
    def _talk(self, field, choices):
        world = field.world
        speakers = [self._speaker(world, endpoint) for endpoint in world.endpoints.values()
                    if endpoint.host]
        self.guests.begin(speakers)
        callers = {}
        for speaker in choices.sample(speakers, len(speakers)):
            callers.setdefault((speaker.endpoint.host, speaker.endpoint.network), speaker)
        for speaker in speakers:
            self._say(world, speaker, choices, speaker in callers.values())
        self.guests.run(PATIENCE, GRACE)
        problems = self.guests.problems()
        if problems:
            raise Failure("\n".join(problems))
        return speakers

    def _speaker(self, world, endpoint):
        port = world.port_here(endpoint)
        gateways = {}
        for ip in endpoint.ips:
            prefix = world.subnet_of(endpoint.network, ip)
            gateways[ip] = (prefix, world.networks[endpoint.network].subnets[prefix])
        place = self.guests.place(endpoint.host, port.device)
        return Speaker(place, endpoint.mac, list(endpoint.ips), gateways, endpoint)

    def _say(self, world, speaker, choices, calls_groups):
        """To some, and to all. To groups one guest of a host calls: while a list is made of several
        hosts, a second frame may come twice to some (programmer.h)."""
        endpoint = speaker.endpoint
        here = [e for e in world.of_network(endpoint.network) if e.host and e is not endpoint]
        for destination in (BROADCAST, GROUP) if calls_groups else (BROADCAST,):
            self.guests.shout(speaker, destination, [self._place(world, e) for e in here])
        if calls_groups:
            self._call_group(world, speaker, here)
        everybody = [(e, ip) for e in world.endpoints.values() for ip in e.ips]
        for other, ip in choices.sample(everybody, min(4, len(everybody))):
            self._probe(world, speaker, other, ip)
        self.tally.probes += 7

    def _join_group(self, world, speakers):
        """By the next quiet point everybody knows."""
        for speaker in speakers:
            if speaker.endpoint.listens and any(":" not in ip for ip in speaker.ips):
                self.guests.join(speaker)
                world.port_here(speaker.endpoint).listens = True

    def _call_group(self, world, speaker, here):
        """To no host where nobody listens; on a host, a bridge may give it to all."""
        network = speaker.endpoint.network
        hosts = world.listeners(network) | world.perhaps_listeners(network) | {
            speaker.endpoint.host}
        self.guests.shout(speaker, JOINED,
                          [self._place(world, e) for e in here if world.port_here(e).listens],
                          [self._place(world, e) for e in here if e.host in hosts])

    def _place(self, world, endpoint):
        return self.guests.place(endpoint.host, world.port_here(endpoint).device)

    def _probe(self, world, speaker, other, ip):
        """By its address where that means this one; another tenant's by its MAC, which must lead
        nowhere."""
        mine = speaker.endpoint
        tenant = world.networks[mine.network].tenant
        if world.networks[other.network].tenant != tenant:
            if not any(e.mac == other.mac and world.networks[e.network].tenant == tenant
                       for e in world.endpoints.values()):
                self.guests.whisper(speaker, other.mac)
            return
        sources = [s for s in speaker.ips if (":" in s) == (":" in ip)]
        if other is mine or not sources:
            return
        reaches = other.host and world.routes(mine.network, other.network)
        self.guests.echo(speaker, sources[0], ip, self._place(world, other) if reaches else None)

    # --- the end of a seed
    def _clear(self, field):
        """Everything is taken away by commands; after the daemons' end no trace is left."""
        world = field.world
        for host in world.hosts.values():
            for device in list(host.ports):
                field.del_port(host, device)
            for network in list(host.joined):
                field.leave(host, network)
        for endpoint in list(world.endpoints.values()):
            field.del_endpoint(endpoint)
        quiet.wait(field)
        for network in list(world.networks.values()):
            field.del_network(network)
        for tenant in list(world.tenants):
            field.ctl("tenant", "del", tenant)
        for host in world.hosts.values():
            field.stop(host, killed=False)
            traces = Kernel.read(self.lab.hosts[host.name]).traces()
            if traces:
                raise Failure(f"{host.name}, after everything was removed: {traces}")
            for device in sorted(set(DEVICES) - host.devices):
                self.guests.make_device(self.guests.place(host.name, device))
            field.start(host)
        shown = [row for kind in ("tenant", "network", "endpoint", "policy")
                 for row in self.lab.show(kind, "show")]
        if shown:
            raise Failure(f"after everything was removed: {shown}")
        wait_until("every host is connected again", lambda: all(
            (h.status() or {}).get("connected") for h in self.lab.hosts.values()), quiet.PATIENCE)


def controls(tally):
    """What must have been there, or the comparison proved nothing."""
    needed = ["remote entries", "neighbours", "local entries", "list entries", "policies", "walls",
              "gateways", "ports"]
    return [kind for kind in needed if tally.compared.get(kind, 0) < tally.steps]

