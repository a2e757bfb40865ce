"""What should be: tenants, networks, endpoints, policies, and for each host its ports. Pure.

Every method is an event: a command that was accepted, or something that was done to a host. What a
host can only know later (it is cut off, or its doved does not run) it learns in connect(), by the
rules that doved(8) states for its ports.

Some events race within the product, and either outcome is right: a port whose device goes just when
its endpoint is lost, a command that was cut off before its answer. Then the endpoint, or the port,
is `unsure`, nothing is done to it until the next quiet point, and settle() takes over what the
controller and the hosts say, if they say the same.
"""
import dataclasses
import ipaddress

HERE = ("active", "pending")


@dataclasses.dataclass
class Network:
    name: str
    tenant: str
    vni: int
    subnets: dict  # prefix -> gateway


@dataclasses.dataclass
class Endpoint:
    name: str
    network: str
    mac: str
    ips: list
    host: str = None      # where it is active
    generation: int = 0   # of the attachment; the model's own count
    unsure: bool = False
    listens: bool = False  # it joins the group whenever it is attached


@dataclasses.dataclass
class Port:
    device: str
    endpoint: str
    network: str
    vni: int
    mac: str
    state: str            # active, pending, absent, lost
    generation: int = 0
    walled: bool = True   # an absent one's walls go when doved is started again; None: perhaps
    fresh: bool = False   # it came to its state by itself since the last quiet point, and its host
                          # may not know it yet
    unsure: bool = False
    back: bool = False     # its device came back since the last quiet point
    listens: bool = False  # its guest has joined the group; None: perhaps


class Host:
    def __init__(self, name, vtep, devices):
        self.name, self.vtep = name, vtep
        self.up, self.cut, self.deaf = True, False, False  # deaf: what is said comes late
        self.meddled = False         # somebody else changed something, which will be undone
        self.sessions = 0
        self.settled = True          # its session has been there since the last quiet point
        self.devices = set(devices)  # those that could be ports
        self.ports = {}              # by device
        self.joined = set()          # networks, by command
        self.owed = []               # (endpoint, generation): detaches nobody was told
        self.deleted = {}            # the ports that these were of, by endpoint; not over a restart
        self.held = set()            # VNIs of networks that these held when the last session began
        self.left = set()            # VNIs of networks that went lately; their devices stay a while
        self.speaks_of = set()       # endpoints, in its last session's first words
        self.released = set()        # networks that went since the last quiet point
        self.stale = set()           # of those that went lately, which the controller may not know

    def port_of(self, endpoint, states=HERE):
        return next((p for p in self.ports.values()
                     if p.endpoint == endpoint and p.state in states), None)

    def networks(self):
        return self.joined | {p.network for p in self.ports.values() if p.state != "lost"}


class World:
    def __init__(self, hosts):
        self.hosts = {host.name: host for host in hosts}
        self.controller = True
        self.tenants, self.networks, self.endpoints = {}, {}, {}  # tenant -> do its networks route
        self.policies = {}  # frozenset of two networks -> do they route
        self.ghosts = {}    # networks that are no more, of which a host may still have the bridge
        self.former_listeners = {}  # network -> hosts, when the controller was killed
        self._generation = 0

    # --- to ask
    def linked(self, host):
        return self.controller and host.up and not host.cut

    def certain(self, host):
        """Its session is there now, and what it is told it hears at once."""
        return self.linked(host) and host.settled and not host.deaf

    def routes(self, a, b):
        """Whether two networks exchange packets; one with itself does."""
        if a == b:
            return True
        if self.networks[a].tenant != self.networks[b].tenant:
            return False
        return self.policies.get(frozenset((a, b)), self.tenants[self.networks[a].tenant])

    def denied(self, network):
        """The subnets that the network exchanges nothing with."""
        mine = self.networks[network]
        return {prefix for other in self.networks.values()
                if other.tenant == mine.tenant and not self.routes(network, other.name)
                for prefix in other.subnets}

    def known(self, network):
        return self.networks.get(network) or self.ghosts[network]

    def members(self, network):
        if network in self.ghosts:
            return set()
        return {host.name for host in self.hosts.values() if network in host.networks()}

    def listeners(self, network):
        """Hosts with a guest in the network that has joined the group."""
        return {host.name for host in self.hosts.values() for port in host.ports.values()
                if port.network == network and port.state in HERE and port.listens}

    def perhaps_listeners(self, network):
        """The same of those of which that is not certain: a controller that has been started again
        tells for a while of all whom it knew."""
        hosts = {host.name for host in self.hosts.values() for port in host.ports.values()
                 if port.network == network and port.listens is None}
        return hosts | self.former_listeners.get(network, set())

    def remember_listeners(self):
        for network in self.networks:
            self.former_listeners[network] = self.listeners(network) | \
                self.perhaps_listeners(network)

    def of_network(self, network):
        return [e for e in self.endpoints.values() if e.network == network]

    def port_here(self, endpoint):
        """The one port of an active endpoint."""
        return self.hosts[endpoint.host].port_of(endpoint.name) if endpoint.host else None

    def subnet_of(self, network, ip):
        address = ipaddress.ip_address(ip)
        return next((prefix for prefix in self.networks[network].subnets
                     if address in ipaddress.ip_network(prefix)), None)

    # --- the controller's objects
    def add_network(self, network):
        self.networks[network.name] = network
        self.ghosts.pop(network.name, None)

    def delete_network(self, name):
        self.ghosts[name] = self.networks.pop(name)
        for pair in [pair for pair in self.policies if name in pair]:
            del self.policies[pair]

    def delete_endpoint(self, endpoint):
        del self.endpoints[endpoint.name]
        self._doubt_absent(endpoint.name)
        self._doubt_asked(endpoint.name, None)
        if endpoint.host:
            self._lose_at(endpoint.host, endpoint.name)

    def _lose_at(self, name, endpoint):
        host = self.hosts[name]
        port = host.port_of(endpoint)
        if port and self.linked(host):
            self._lose(host, port)
            port.unsure = not host.settled  # it may hear of it as of now, or of what will be

    def _doubt_absent(self, endpoint, but=None):
        """Of a port whose device has just gone: did its host say so before it lost the endpoint?"""
        for host in self.hosts.values():
            for port in host.ports.values():
                if host is not but and port.endpoint == endpoint and port.state == "absent":
                    port.unsure = port.unsure or port.fresh

    def _lose(self, host, port):
        port.state, port.fresh, port.listens = "lost", True, False
        self._release(host, port.network)

    def _release(self, host, network):
        if network in host.networks():
            return
        host.left.add(self.known(network).vni)
        host.released.add(network)
        if not (self.linked(host) and host.settled):
            host.stale.add(network)

    @staticmethod
    def _end_session(host):
        """Its last words may be lost with it."""
        host.stale |= host.released

    # --- ports
    def add_port(self, host, device, endpoint):
        """Accepted. An endpoint that was active elsewhere is lost there."""
        for old in [p for p in host.ports.values()
                    if p.device == device or (p.endpoint == endpoint.name)]:
            del host.ports[old.device]
            if old.network != endpoint.network:
                self._release(host, old.network)
        before, endpoint.host = endpoint.host, host.name
        self._doubt_absent(endpoint.name, host)
        self._doubt_asked(endpoint.name, host)
        if before != host.name:
            self._generation += 1
            endpoint.generation = self._generation
        host.ports[device] = Port(device, endpoint.name, endpoint.network,
                                  self.networks[endpoint.network].vni, endpoint.mac, "active",
                                  endpoint.generation)
        self._forget_owed(host, endpoint.name)
        if before and before != host.name:
            self._lose_at(before, endpoint.name)

    def refuse_port(self, host, endpoint):
        """Another host asked for it at the same time, or what was said got lost on the way."""
        self.doubt(endpoint.name)
        self._release(host, endpoint.network)  # it may have had devices for a moment

    def add_known_port(self, host, device, endpoint):
        """Accepted without a controller: the endpoint's port here had lost its device, or has been
        deleted since there is none."""
        old = self.known_port(host, endpoint)
        host.ports.pop(old.device, None)
        host.ports[device] = dataclasses.replace(old, device=device, state="pending", walled=True)
        self._forget_owed(host, endpoint)

    @staticmethod
    def known_port(host, endpoint):
        return host.port_of(endpoint, ("absent",)) or host.deleted.get(endpoint)

    @staticmethod
    def _forget_owed(host, endpoint):
        host.deleted.pop(endpoint, None)
        host.owed = [one for one in host.owed if one[0] != endpoint]

    def del_port(self, host, device):
        port = host.ports.pop(device)
        if port.state in HERE:
            self._detach(host, port)
        if any(endpoint == port.endpoint for endpoint, _ in host.owed):
            host.deleted[port.endpoint] = port
        self._release(host, port.network)

    def _detach(self, host, port):
        if self.linked(host):
            self._take_detach(host, port.endpoint, port.generation)
        else:
            host.owed.append((port.endpoint, port.generation))

    def _take_detach(self, host, name, generation):
        """An older word than what is changes nothing."""
        endpoint = self.endpoints.get(name)
        if endpoint and endpoint.host == host.name and endpoint.generation == generation:
            endpoint.host = None
            self._doubt_asked(name, host)

    def join(self, host, network):
        host.joined.add(network)

    def leave(self, host, network):
        host.joined.discard(network)
        self._release(host, network)

    # --- devices
    def device_gone(self, host, device):
        host.devices.discard(device)
        port = host.ports.get(device)
        if not port:
            return
        port.listens = False
        if not host.up:
            return
        if port.state == "lost" and port.fresh:
            # Or it is absent: which of both came first? And was it a port for long enough?
            port.unsure, port.walled = True, None
        elif port.state in HERE:
            # Did doved see it at all, or long enough to make it a port?
            port.walled = True if host.settled and not port.fresh else None
            self._make_absent(host, port)

    def _make_absent(self, host, port):
        port.state, port.fresh, port.listens = "absent", True, False
        self._detach(host, port)

    def device_back(self, host, device):
        host.devices.add(device)
        port = host.ports.get(device)
        if not port or not host.up or port.state != "absent":
            return
        port.state, port.walled, port.fresh, port.back = "pending", True, True, True
        self._forget_owed(host, port.endpoint)
        if self.linked(host):
            self._confirm(host, port)

    def _confirm(self, host, port):
        """A port whose endpoint a controller is asked about."""
        endpoint = self.endpoints.get(port.endpoint)
        if endpoint is None or (endpoint.mac, self.networks[endpoint.network].vni) != \
                (port.mac, port.vni):
            return self._lose(host, port)
        if endpoint.host not in (None, host.name):
            return self._lose(host, port)
        if endpoint.host is None:
            self._generation += 1
            endpoint.generation = self._generation
        endpoint.host, port.state, port.generation = host.name, "active", endpoint.generation
        return None

    # --- faults
    def stop(self, host, killed):
        """Of a lost port nobody knows after a restart; of one that was just lost, perhaps."""
        host.up = False
        # Networks that these hold; or held until a session that may not have come about.
        kept = {port.vni for port in host.deleted.values()} | (set() if host.settled else host.held)
        host.deleted.clear()
        self._end_session(host)
        for port in list(host.ports.values()):
            if port.state == "lost" and not port.fresh:
                del host.ports[port.device]
            elif port.state == "lost":
                self.doubt(port.endpoint)
                port.unsure = True
        if not killed:
            host.left.clear()
        host.left |= kept

    def start(self, host):
        host.up = True
        for port in host.ports.values():
            if port.state == "lost":
                continue
            if port.device in host.devices:
                port.state, port.walled = "pending", True
            else:
                port.walled = False
                if port.state != "absent":
                    self._make_absent(host, port)
        if self.linked(host):
            self.connect(host)

    def cut(self, host):
        host.cut = True
        self._end_session(host)

    def mend(self, host):
        host.cut = False
        if self.linked(host):
            self.connect(host)

    def forget_host(self, host):
        """What was attached there is nowhere, and what it still has to say is old."""
        for endpoint in self.endpoints.values():
            if endpoint.host == host.name:
                self._generation += 1
                endpoint.host, endpoint.generation = None, self._generation
                self._doubt_asked(endpoint.name, host)

    def stop_controller(self):
        self.controller = False
        self.remember_listeners()
        for host in self.hosts.values():
            self._end_session(host)

    def start_controller(self):
        self.controller = True
        for host in self.hosts.values():
            if self.linked(host):
                self.connect(host)

    def connect(self, host):
        """A session begins: what is owed is paid, and every port that is here is asked about."""
        self._doubt_order(host)
        host.settled = False
        host.sessions += 1
        for endpoint, generation in host.owed:
            self._take_detach(host, endpoint, generation)
        host.owed = []
        host.held = {port.vni for port in host.deleted.values()}
        host.left |= host.held
        host.deleted.clear()
        for port in list(host.ports.values()):
            if port.state in HERE:
                self._confirm(host, port)

    def _doubt_order(self, host):
        """Of hosts that come back at about the same time nobody knows which does first, and it may
        matter to an endpoint that both have something to say of."""
        host.speaks_of = {name for name, _ in host.owed} | {
            p.endpoint for p in host.ports.values() if p.state in HERE}
        for other in self.hosts.values():
            if other is not host and not other.settled:
                for endpoint in host.speaks_of & other.speaks_of:
                    self.doubt(endpoint)

    def _doubt_asked(self, endpoint, host):
        """Another host that has just come back, or has a device back, may ask about it before or
        after what happens now."""
        if self.asked_for_elsewhere(endpoint, host):
            self.doubt(endpoint)

    def asked_for_elsewhere(self, endpoint, host):
        """Whether another host than this one may just be asking for it."""
        return any(
            (not other.settled and endpoint in other.speaks_of)
            or any(p.endpoint == endpoint and p.back for p in other.ports.values())
            for other in self.hosts.values() if other is not host)

    # --- doubt
    def doubt(self, endpoint):
        if endpoint in self.endpoints:
            self.endpoints[endpoint].unsure = True
        for host in self.hosts.values():
            for port in host.ports.values():
                if port.endpoint == endpoint:
                    port.unsure = True

    def is_unsure(self, endpoint):
        known = self.endpoints.get(endpoint)
        ports = (p for host in self.hosts.values() for p in host.ports.values())
        return bool(known and known.unsure) or any(
            port.unsure for port in ports if port.endpoint == endpoint)

    def settle(self, ports, endpoints):
        """At a quiet point: what was unsure is as the hosts and the controller say. `ports`: host
        -> device -> state; `endpoints`: name -> the host where it is active, or None."""
        for endpoint in self.endpoints.values():
            if endpoint.unsure:
                endpoint.host, endpoint.unsure = endpoints[endpoint.name], False
        for host in self.hosts.values():
            host.settled = True
            host.released.clear()
            for port in list(host.ports.values()):
                if port.unsure:
                    self._settle_port(host, port, ports[host.name].get(port.device))
                port.fresh = port.back = False

    def _settle_port(self, host, port, state):
        port.unsure = False
        if port.listens:
            port.listens = None
        if state is None:
            del host.ports[port.device]
        else:
            port.state = state
        endpoint = self.endpoints.get(port.endpoint)
        if state in HERE and endpoint and endpoint.host == host.name:
            self._generation += 1
            endpoint.generation = port.generation = self._generation
        self._release(host, port.network)

    def contradictions(self):
        """What no order of events allows, after settle()."""
        found = []
        for host in self.hosts.values():
            for port in host.ports.values():
                endpoint = self.endpoints.get(port.endpoint)
                at = endpoint.host if endpoint else None
                if port.state in HERE and at != host.name:
                    found.append(f"{host.name} has the port {port.device} of {port.endpoint}, "
                                 f"which is at {at}")
        for endpoint in self.endpoints.values():
            if endpoint.host and not self.port_here(endpoint):
                found.append(f"{endpoint.name} is at {endpoint.host}, which has no port of it")
        return found
