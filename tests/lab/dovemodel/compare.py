"""What a host's kernel should have by the model, and how it differs, in the words of bridge(8) and
ip(8).

Exact, row by row: devices, ports with their flags and their guests' MACs, local entries, the
router, the punt, gateways, flood lists, walls, policies. Of entries that lead to other hosts there
may be any number, but each must be true. Devices of a network that has just gone may stay a while,
without ports.
"""
import ipaddress

from .guests import JOINED

ROUTER = "02:00:5e:64:00:01"
PUNT = {4: "169.254.77.65", 6: "100::1"}
ALL = "ff:ff:ff:ff:ff:ff"
ZERO = "00:00:00:00:00:00"


class Differences:
    """`compared`: how many rows of what kind were looked at, the control that there were any."""

    def __init__(self):
        self.found, self.ageing, self.compared = [], [], {}

    def exact(self, kind, wanted, there):
        """Two sets of lines of text."""
        self.compared[kind] = self.compared.get(kind, 0) + len(wanted)
        self.found += [f"missing: {line}" for line in sorted(wanted - there)]
        self.found += [f"foreign: {line}" for line in sorted(there - wanted)]

    def check(self, kind, right, line, why):
        self.compared[kind] = self.compared.get(kind, 0) + 1
        if not right:
            self.found.append(f"wrong: {line}: {why}")


def link_local(mac):
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    return str(ipaddress.IPv6Address(bytes([0xFE, 0x80] + [0] * 6 + octets[:3] + [0xFF, 0xFE]
                                           + octets[3:])))


def is_group(mac):
    return int(mac[:2], 16) & 1 == 1


def reaches_all(mac):
    """Groups that go to every host of the network; of the others, solicited-node addresses go to
    none, as do here those that nobody has joined."""
    octets = [int(part, 16) for part in mac.split(":")]
    if octets[:3] == [0x01, 0x00, 0x5E]:
        return octets[3] == 0 and octets[4] == 0
    if octets[:2] != [0x33, 0x33]:
        return True
    return octets[2] == 0 and octets[3] <= 1 and octets[4] == 0


def fdb_line(row):
    words = [row["mac"], "dev", row["ifname"]]
    if "dst" in row:
        words += ["dst", row["dst"]]
    if "vni" in row:
        words += ["vni", str(row["vni"])]
    if "viaIf" in row:
        words += ["via", row["viaIf"]]
    words += [flag for flag in row.get("flags", [])]
    return " ".join(["bridge fdb", *words, row["state"] or "dynamic"])


class Comparison:
    """Of one host, at a quiet point."""

    def __init__(self, world, host, kernel, lingering=()):
        """`lingering`: VNIs of networks whose devices may still be there."""
        self.world, self.host, self.kernel = world, host, kernel
        self.lingering = set(lingering)
        self.out = Differences()
        self.vtep_of = {h.name: h.vtep for h in world.hosts.values()}
        self.version = ipaddress.ip_address(host.vtep).version

    def run(self):
        names = self.host.networks()
        self.here = {self.world.known(name).vni: name for name in names}
        self._devices()
        self._ports()
        for vni, name in self.here.items():
            self._tables(vni, self.world.known(name))
        self._walls()
        return self.out

    # --- devices
    def _devices(self):
        there = self.kernel.networks()
        extra = there - set(self.here)
        self.out.exact("devices", {f"devices of {vni}" for vni in self.here},
                       {f"devices of {vni}" for vni in there - (extra & self.lingering)})
        for vni in self.here:
            for name, kind in ((f"dvbr{vni}", "bridge"), (f"dvx{vni}", "vxlan")):
                link = self.kernel.links.get(name, {})
                self.out.exact("devices", {f"ip link {name} {kind} up"},
                               {f"ip link {name} {link.get('linkinfo', {}).get('info_kind')} "
                                f"{'up' if 'UP' in link.get('flags', []) else 'down'}"})
            self._vxlan(vni)

    def _vxlan(self, vni):
        link = self.kernel.links.get(f"dvx{vni}", {})
        data = link.get("linkinfo", {}).get("info_data", {})
        keys = ("id", "local", "learning", "proxy", "rsc", "l3miss")
        there = {key: data.get(key, data.get(f"{key}6")) for key in keys}
        wanted = {"id": vni, "local": self.host.vtep, "learning": False, "proxy": True, "rsc": True,
                  "l3miss": True}
        self.out.exact("devices", {f"ip link dvx{vni} master dvbr{vni} {wanted}"},
                       {f"ip link dvx{vni} master {link.get('master')} {there}"})
        slave = link.get("linkinfo", {}).get("info_slave_data", {})
        self.out.exact("devices", {f"bridge link dvx{vni} learning False flood True"},
                       {f"bridge link dvx{vni} learning {slave.get('learning')} flood "
                        f"{slave.get('flood')}"})

    # --- ports
    def _here(self):
        return [p for p in self.host.ports.values() if p.state in ("active", "pending")]

    def _ports(self):
        wanted, there, entries = set(), set(), set()
        for port in self._here():
            wanted.add(f"ip link {port.device} master dvbr{port.vni} up learning False flood False "
                       "locked True")
            entries.add(f"bridge fdb {port.mac} dev {port.device} master dvbr{port.vni} static")
        for name, link in self.kernel.links.items():
            master = link.get("master", "")
            if not master.startswith("dvbr") or name.startswith("dvx"):
                continue
            slave = link["linkinfo"].get("info_slave_data", {})
            there.add(f"ip link {name} master {master} {'up' if 'UP' in link['flags'] else 'down'} "
                      f"learning {slave.get('learning')} flood {slave.get('flood')} locked "
                      f"{slave.get('locked')}")
        self.out.exact("ports", wanted, there)
        self.out.exact("ports", entries, {
            f"bridge fdb {mac} dev {port} master {row.get('master')} static"
            for (port, mac), row in self.kernel.bridge_fdb.items()
            if row["state"] == "static" and not port.startswith(("dvbr", "dvx"))})

    # --- the tables of a network's VXLAN device
    def _tables(self, vni, network):
        device = f"dvx{vni}"
        rows = self.kernel.fdb.get(device, [])
        locals_ = {p.mac for p in self._here() if p.vni == vni}
        self._fixed(device, rows, locals_)
        self._lists(device, network, rows)
        remote = [row for row in rows if not is_group(row["mac"]) and row["mac"] != ZERO
                  and row.get("dst", "0.0.0.0") != "0.0.0.0" and "router" not in row["flags"]]
        for row in remote:
            self.out.check("remote entries", *self._judge_remote(network, row))
        self._neighbours(device, network, {row["mac"] for row in remote}, locals_)

    def _fixed(self, device, rows, locals_):
        wanted = {f"bridge fdb {mac} dev {device} dst 0.0.0.0 self static" for mac in locals_}
        self.out.exact("local entries", wanted, {
            fdb_line(row) for row in rows if not is_group(row["mac"]) and row["mac"] != ZERO
            and row.get("dst", "0.0.0.0") == "0.0.0.0"})
        wanted = {f"bridge fdb {mac} dev {device} dst {PUNT[self.version]} via dvpunt self{flag} {state}"
                  for mac, flag, state in ((ROUTER, " router", "static"), (ZERO, "", "permanent"))}
        self.out.exact("router and punt", wanted, {
            fdb_line(row) for row in rows if row["mac"] == ZERO or "router" in row["flags"]})

    def _lists(self, device, network, rows):
        """The broadcast list, and that of each group that was ever sent to."""
        others = {self.vtep_of[name] for name in self.members(network)} - {self.host.vtep}
        grace = {self.vtep_of[name] for name in self.stale_members(network)} - {self.host.vtep}
        groups = {ALL} | {row["mac"] for row in rows if is_group(row["mac"])}
        for mac in groups:
            leads = {row.get("dst") for row in rows if row["mac"] == mac}
            wanted = others if reaches_all(mac) else set()
            may = wanted | grace
            if mac == JOINED:
                wanted = others & {self.vtep_of[n] for n in self.world.listeners(network.name)}
                may = wanted | grace | {self.vtep_of[n]
                                for n in self.world.perhaps_listeners(network.name)}
            wanted, leads = wanted or {"0.0.0.0"}, leads - (may - wanted) or {"0.0.0.0"}
            self.out.exact("list entries",
                           {f"bridge fdb {mac} dev {device} dst {dst}" for dst in wanted},
                           {f"bridge fdb {mac} dev {device} dst {dst}" for dst in leads})

    def members(self, network):
        return self.world.members(network.name)

    def stale_members(self, network):
        """Hosts that left it while nobody could be told: the controller gives them some seconds."""
        return {h.name for h in self.world.hosts.values() if network.name in h.stale}

    def _seen_from(self, network, endpoint):
        """The entry's target VNI, or why there may be none."""
        if endpoint is None:
            return None, "nobody has it"
        if endpoint.host is None:
            return None, f"{endpoint.name} is nowhere"
        if not self.world.routes(network.name, endpoint.network):
            return None, f"{endpoint.name} may not be reached"
        if endpoint.network == network.name:
            return network.vni, ""
        return self.world.networks[endpoint.network].vni, ""

    def _by(self, network, has):
        """The endpoint of the network's tenant that `has`, the own network's first."""
        found = [e for e in self.world.endpoints.values()
                 if self.world.networks[e.network].tenant == network.tenant and has(e)]
        return next(iter(sorted(found, key=lambda e: e.network != network.name)), None)

    def _judge_remote(self, network, row):
        line = fdb_line(row)
        endpoint = self._by(network, lambda e: e.mac == row["mac"])
        target, why = self._seen_from(network, endpoint)
        if target is None:
            return False, line, why
        vtep = self.vtep_of[endpoint.host]
        if target == network.vni and vtep == self.host.vtep:
            return False, line, f"{endpoint.name} is on this host"
        right = row["dst"] == vtep and row.get("vni", network.vni) == target \
            and row["state"] in ("", "dynamic")
        return right, line, f"{endpoint.name} is at {vtep} in {target}"

    def _neighbours(self, device, network, remotes, locals_):
        there = {ip: row for ip, row in self.kernel.neighbours.get(device, {}).items()
                 if "lladdr" in row and not ipaddress.ip_address(ip).is_multicast}
        gateways = set(network.subnets.values())
        if network.name in self.world.ghosts:  # as its host was told last
            gateways = {ip for ip, row in there.items() if row["lladdr"] == ROUTER}
        self.out.exact("gateways",
                       {f"ip neigh {ip} dev {device} lladdr {ROUTER}" for ip in gateways},
                       {f"ip neigh {ip} dev {device} lladdr {row['lladdr']}"
                        for ip, row in there.items() if ip in gateways or row["lladdr"] == ROUTER})
        for ip, row in there.items():
            if ip not in gateways and row["lladdr"] != ROUTER:
                self.out.check("neighbours", *self._judge_neighbour(network, device, ip, row))
                self._led_to(device, ip, row["lladdr"], remotes | locals_)

    def _led_to(self, device, ip, mac, known):
        """It is withdrawn with the entry of its MAC; what ages just now is looked at again."""
        if mac not in known:
            self.out.ageing.append(f"wrong: ip neigh {ip} dev {device} lladdr {mac}: there is no "
                                   "bridge fdb entry of its MAC")

    def _judge_neighbour(self, network, device, ip, row):
        line = f"ip neigh {ip} dev {device} lladdr {row['lladdr']} {' '.join(row['state'])}"
        address = str(ipaddress.ip_address(ip))
        own = ipaddress.ip_address(ip).is_link_local
        endpoint = self._by(network, lambda e: address in e.ips or (
            own and link_local(e.mac) == address and e.network == network.name))
        target, why = self._seen_from(network, endpoint)
        if target is None:
            return False, line, why
        right = row["lladdr"] == endpoint.mac and row["state"] == ["PERMANENT"]
        return right, line, f"{endpoint.name} has the MAC {endpoint.mac}"

    # --- walls
    def _walls(self):
        nft = self.kernel.nft
        ports = [p for p in self.host.ports.values() if p.state != "lost"]
        walled = {p.device: p for p in ports if p.state != "absent" or p.walled}
        perhaps = {p.device for p in ports if p.state == "absent" and p.walled is None}
        for family in ("inet", "arp", "bridge"):
            there = nft.elements(family, "ports") - perhaps
            self.out.exact("walls", {f"nft {family} ports {name}" for name in walled},
                           {f"nft {family} ports {name}" for name in there})
        chains = {name: chain for name, chain in nft.verdicts("bridge", "walled").items()
                  if name not in perhaps}
        self.out.exact("walls", {f"nft walled {name}" for name in walled},
                       {f"nft walled {name}" for name in chains})
        for name, port in walled.items():
            if name in chains and port.state != "absent":
                self._security(port, chains[name])
        others = set(self.vtep_of.values()) - {self.host.vtep}
        vteps = "vteps6" if self.version == 6 else "vteps"
        if self.kernel.networks():
            self.out.exact("walls", {f"nft vteps {v}" for v in others},
                           {f"nft vteps {v}" for v in nft.elements("inet", vteps)})
        self._policies()

    def _security(self, port, chain):
        nft = self.kernel.nft
        endpoint = self.world.endpoints.get(port.endpoint)
        ips = list(endpoint.ips if endpoint else []) + [link_local(port.mac)]
        self.out.exact("walls", {f"nft {port.device} sends from {port.mac} . {ip}" for ip in ips},
                       {f"nft {port.device} sends from {element}" for version in (4, 6)
                        for element in nft.elements("bridge", f"{chain}-own{version}")})
        self.out.exact("walls", {f"nft {port.device} is {port.mac}"},
                       {f"nft {port.device} is {nft.sender(chain)}"})

    def _policies(self):
        nft = self.kernel.nft
        denied = {vni: self.world.denied(name) for vni, name in self.here.items()
                  if name in self.world.networks}
        ghosts = {f"dvx{vni}" for vni in set(self.here) - set(denied)}  # as they were told last
        wanted = {f"dvx{vni}" for vni, prefixes in denied.items() if prefixes}
        for way in ("to", "from"):
            there = set(nft.verdicts("bridge", f"denied_{way}")) - ghosts
            self.out.exact("policies", {f"nft denied {way} {name}" for name in wanted},
                           {f"nft denied {way} {name}" for name in there})
        for vni, prefixes in denied.items():
            there = {prefix for version in (4, 6)
                     for prefix in nft.elements("bridge", f"denied{version}-{vni}")}
            self.out.exact("policies", {f"nft denied to {vni} {p}" for p in prefixes},
                           {f"nft denied to {vni} {p}" for p in there})
