"""What is done at random, and when it makes sense. All that is random comes from one Random."""
import ipaddress
import random

from .faults import Faults

NETWORKS = {  # name: tenant, VNI, subnets
    "a-net": ("red", 100, ["10.1.0.0/24", "fd00:1::/64"]),
    "b-net": ("red", 101, ["10.2.0.0/24", "fd00:2::/64"]),
    "c-net": ("blue", 102, ["10.1.0.0/24", "fd00:1::/64"]),
    "d-net": ("blue", 103, ["10.4.0.0/24"]),
}
MORE_SUBNETS = {"a-net": "10.11.0.0/24", "b-net": "10.12.0.0/24", "c-net": "10.13.0.0/24"}
ENDPOINTS = 14


class Operations(Faults):
    """Each method does its thing if it can, and says whether it did."""

    def __init__(self, field, seed):
        self.field, self.world = field, field.world
        self.random = random.Random(seed)
        self._choices = [
            (10, self.add_endpoint), (3, self.del_endpoint), (4, self.set_ips), (3, self.set_mac),
            (2, self.delete_and_add), (4, self.add_network), (2, self.del_network),
            (2, self.subnets), (3, self.policy), (2, self.routing),
            (14, self.add_port), (6, self.del_port), (10, self.move), (3, self.migrate),
            (2, self.there_and_back), (2, self.evacuate), (2, self.join), (2, self.leave),
            (4, self.remove_device), (8, self.make_device), (3, self.stop), (4, self.start),
            (2, self.restart_at_once), (1, self.forget_host), (3, self.cut), (4, self.mend),
            (1, self.cut_silently), (1, self.kill_controller), (2, self.start_controller),
            (3, self.meddle), (1, self.overrun),
        ]

    # --- running
    def prepare(self):
        for tenant in dict.fromkeys(tenant for tenant, _, _ in NETWORKS.values()):
            self.field.add_tenant(tenant)
        while self.add_network():
            pass
        for _ in range(8):
            self.add_endpoint()
        for _ in range(8):
            self.add_port()

    def some(self, count):
        """So many operations."""
        weights = [weight for weight, _ in self._choices]
        done = 0
        while done < count:
            _, operation = self.random.choices(self._choices, weights)[0]
            done += bool(operation())
            self.field.note_left()

    def heal(self):
        """Everything runs and hears again, in any order."""
        broken = [self.start_controller]
        broken += [self.start] * len(self.world.hosts) + [self.mend] * len(self.world.hosts)
        self.random.shuffle(broken)
        for operation in broken:
            operation()
        self.field.note_left()

    def pick(self, choices):
        choices = list(choices)
        return self.random.choice(choices) if choices else None

    def maybe(self, chance):
        return self.random.random() < chance

    # --- what can be done to
    def _hosts(self, up=True):
        """Those whose doved can be talked to."""
        return [h for h in self.world.hosts.values() if h.up == up and not h.deaf]

    def _endpoint(self, right=lambda endpoint: True):
        return self.pick(e for e in self.world.endpoints.values()
                         if not self.world.is_unsure(e.name) and right(e))

    def _is_fresh(self, endpoint):
        """Something about it is under way."""
        return any(p.fresh for h in self.world.hosts.values() for p in h.ports.values()
                   if p.endpoint == endpoint)

    # --- the controller's
    def add_network(self):
        name = self.pick(n for n in NETWORKS if n not in self.world.networks)
        if not name or not self.world.controller:
            return False
        tenant, vni, prefixes = NETWORKS[name]
        self.field.add_network(name, tenant, vni, prefixes)
        return True

    def del_network(self):
        """One without endpoints; hosts may have joined it, and stay so."""
        network = self.pick(n for n in self.world.networks.values()
                            if not self.world.of_network(n.name) and not self._remembered(n.name))
        if not network or not self.world.controller:
            return False
        self.field.del_network(network)
        return True

    def _remembered(self, network):
        """Ports may come back to it."""
        return any(any(p.network == network for p in [*h.ports.values(), *h.deleted.values()])
                   for h in self.world.hosts.values())

    def subnets(self):
        """One subnet more, or less."""
        name = self.pick(n for n in MORE_SUBNETS if n in self.world.networks)
        if not name or not self.world.controller:
            return False
        network, more = self.world.networks[name], MORE_SUBNETS[name]
        subnets = dict(network.subnets)
        if more not in subnets:
            subnets[more] = str(ipaddress.ip_network(more)[self.random.choice([1, 254])])
        elif any(self.world.subnet_of(name, ip) == more
                 for e in self.world.of_network(name) for ip in e.ips):
            return False
        else:
            del subnets[more]
        self.field.set_subnets(network, subnets)
        return True

    def policy(self):
        if not self.world.controller:
            return False
        a = self.pick(sorted(self.world.networks))
        b = self.pick(n.name for n in self.world.networks.values()
                      if a and n.name != a and n.tenant == self.world.networks[a].tenant)
        if not b:
            return False
        if frozenset((a, b)) in self.world.policies:
            self.field.del_policy(a, b)
        else:
            self.field.add_policy(a, b, self.maybe(0.4))
        return True

    def routing(self):
        tenant = self.pick(sorted(self.world.tenants))
        if not self.world.controller or not tenant:
            return False
        self.field.set_routing(tenant, not self.world.tenants[tenant])
        return True

    def _free_mac(self, tenant):
        """Tenants repeat each other's."""
        used = {e.mac for e in self.world.endpoints.values()
                if self.world.networks[e.network].tenant == tenant}
        return self.pick(mac for mac in (f"02:00:00:00:00:{n:02x}" for n in range(1, 25))
                         if mac not in used)

    def _free_ips(self, network, endpoint=None):
        """One in each of some of the network's subnets, or none at all."""
        used = {ip for e in self.world.of_network(network) for ip in e.ips if e is not endpoint}
        subnets = self.world.networks[network].subnets
        found = []
        for prefix, gateway in subnets.items():
            block = ipaddress.ip_network(prefix)
            free = [str(block[n]) for n in range(11, 30) if str(block[n]) not in used | {gateway}]
            if self.maybe(0.8):
                found.append(self.pick(free))
        return found

    def add_endpoint(self):
        names = [f"e{n}" for n in range(1, ENDPOINTS + 1)]
        name = self.pick(n for n in names
                         if n not in self.world.endpoints and not self.world.is_unsure(n))
        network = self.pick(sorted(self.world.networks))
        if not name or not network or not self.world.controller:
            return False
        self.field.add_endpoint(name, network, self._free_mac(self.world.networks[network].tenant),
                                self._free_ips(network))
        self.world.endpoints[name].listens = self.maybe(0.4)
        return True

    def del_endpoint(self):
        """Also one whose port is in use."""
        endpoint = self._endpoint()
        if not endpoint or not self.world.controller:
            return False
        self.field.del_endpoint(endpoint)
        return True

    def set_ips(self):
        endpoint = self._endpoint()
        if not endpoint or not self.world.controller:
            return False
        ips = self._free_ips(endpoint.network, endpoint)
        if not ips:
            return False
        self.field.set_ips(endpoint, ips)
        return True

    def set_mac(self):
        endpoint = self._endpoint(lambda e: e.host is None and not self._is_fresh(e.name)
                                  and not self._owed(e.name)
                                  and not self.world.asked_for_elsewhere(e.name, None))
        if not endpoint or not self.world.controller:
            return False
        self.field.set_mac(endpoint, self._free_mac(self.world.networks[endpoint.network].tenant))
        return True

    def _owed(self, endpoint):
        return any(endpoint == owed for h in self.world.hosts.values() for owed, _ in h.owed)

    # --- ports
    def _free_device(self, host):
        return self.pick(d for d in sorted(host.devices)
                         if d not in host.ports or (host.ports[d].state == "lost"
                                                    and not host.ports[d].fresh))

    def _add_somewhere(self, endpoint, hosts):
        """Not where it is, nor where its former port does not know yet that it is that no more."""
        host = self.pick(h for h in hosts if not h.port_of(endpoint.name)
                         and not any(p.endpoint == endpoint.name and p.fresh and p.state == "absent"
                                     for p in h.ports.values()))
        if not host:
            return None
        fresh = host.port_of(endpoint.name, ("lost",))
        device = fresh.device if fresh and fresh.device in host.devices else self._free_device(host)
        if not device or (device in host.ports and host.ports[device].endpoint != endpoint.name
                          and host.ports[device].state != "lost"):
            return None
        self.field.add_port(host, device, endpoint)
        return host

    def add_port(self):
        """Of an endpoint that is nowhere, mostly; sometimes where no controller can be reached."""
        endpoint = self._endpoint(lambda e: e.host is None)
        return bool(endpoint and self._add_somewhere(endpoint, self._hosts()))

    def del_port(self):
        host = self.pick(h for h in self._hosts() if h.ports)
        port = host and self.pick(p for p in host.ports.values() if not p.unsure)
        if not port:
            return False
        self.field.del_port(host, port.device)
        return True

    def move(self):
        """As when a guest is shut down here and started there."""
        endpoint = self._endpoint(lambda e: e.host is not None)
        host = endpoint and self.world.hosts[endpoint.host]
        port = host and host.port_of(endpoint.name)
        if not port or not host.up or host.deaf:
            return False
        self.field.del_port(host, port.device)
        self._add_somewhere(endpoint, [h for h in self._hosts() if h is not host])
        return True

    def migrate(self):
        """As when it is moved alive: there before it is gone here. What is left says so late."""
        endpoint = self._endpoint(lambda e: e.host is not None)
        source = endpoint and self.world.hosts[endpoint.host]
        if not source or not self._add_somewhere(
                endpoint, [h for h in self._hosts() if h is not source and self.world.linked(h)]):
            return False
        port = next((p for p in source.ports.values() if p.endpoint == endpoint.name), None)
        if port and source.up and not source.deaf and self.maybe(0.7):
            self.field.del_port(source, port.device)
        return True

    def there_and_back(self):
        """Twice moved alive, before its first host has heard of the first time."""
        endpoint = self._endpoint(lambda e: e.host is not None and not self._is_fresh(e.name))
        source = endpoint and self.world.hosts[endpoint.host]
        if not source or not self.world.certain(source):
            return False
        device = source.port_of(endpoint.name).device
        if not self._add_somewhere(endpoint, [h for h in self._hosts() if h is not source
                                              and self.world.certain(h)]):
            return False
        if device in source.devices:
            self.field.add_port(source, device, endpoint)
        return True

    def evacuate(self):
        """Everything that is at one host moves at the same time to others."""
        source = self.pick(h for h in self._hosts() if self.world.certain(h))
        others = [h for h in self._hosts() if h is not source and self.world.certain(h)]
        if not source or not others:
            return False
        moves, taken = [], set()
        for port in source.ports.values():
            endpoint = self.world.endpoints.get(port.endpoint)
            if port.state != "active" or not endpoint or self.world.is_unsure(endpoint.name):
                continue
            host = self.pick(others)
            device = self.pick(d for d in sorted(host.devices)
                               if d not in host.ports and (host.name, d) not in taken)
            if device and not any(p.endpoint == endpoint.name for p in host.ports.values()):
                taken.add((host.name, device))
                moves.append((host, device, endpoint))
        self.field.add_ports(moves)
        return bool(moves)

    def delete_and_add(self):
        """The same name, MAC and device, as somebody else's."""
        endpoint = self._endpoint(lambda e: e.host is not None and not self._is_fresh(e.name))
        host = endpoint and self.world.hosts[endpoint.host]
        if not host or not self.world.certain(host):
            return False
        device = host.port_of(endpoint.name).device
        self.field.del_endpoint(endpoint)
        self.field.add_endpoint(endpoint.name, endpoint.network, endpoint.mac, endpoint.ips)
        if device in host.devices and self.maybe(0.7):
            self.field.add_port(host, device, self.world.endpoints[endpoint.name])
        return True

    def join(self):
        host = self.pick(h for h in self._hosts() if self.world.linked(h))
        network = host and self.pick(n for n in sorted(self.world.networks) if n not in host.joined)
        if not network:
            return False
        self.field.join(host, network)
        return True

    def leave(self):
        host = self.pick(h for h in self._hosts() if h.joined)
        if not host:
            return False
        self.field.leave(host, self.pick(sorted(host.joined)))
        return True
