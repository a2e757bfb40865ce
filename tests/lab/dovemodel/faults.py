"""What is broken at random: devices, programs, sessions, and what somebody else does to a host."""
import time

DEVICES = [f"d{n}" for n in range(1, 7)]  # on each host
BURST = 20000  # entries that somebody puts in and takes out while doved does not look


class Faults:
    """A part of Operations, on whose `field`, `world`, `random` and choices it works."""

    # --- devices
    def remove_device(self):
        """Mostly of a port; doved may be dead meanwhile."""
        host = self.pick(self.world.hosts.values())
        device = self.pick(d for d in sorted(host.devices) if d in host.ports
                           and not host.ports[d].unsure)
        if not device:
            return False
        self.field.remove_device(host, device)
        return True

    def make_device(self):
        places = [(h, d) for h in self.world.hosts.values() for d in DEVICES if d not in h.devices]
        if not places:
            return False
        host, device = self.pick(places)
        if device in host.ports and host.ports[device].unsure:
            return False
        self.field.make_device(host, device)
        return True

    # --- faults
    def stop(self):
        host = self.pick(self._hosts())
        if not host:
            return False
        self.field.stop(host, killed=self.maybe(0.7))
        return True

    def start(self):
        host = self.pick(h for h in self.world.hosts.values() if not h.up)
        if not host:
            return False
        self.field.start(host)
        return True

    def restart_at_once(self):
        host = self.pick(self._hosts())
        if not host:
            return False
        self.field.stop(host, killed=True)
        self.field.start(host)
        return True

    def cut(self):
        host = self.pick(h for h in self.world.hosts.values() if not h.cut and not h.deaf)
        if not host:
            return False
        self.field.cut(host, silent=False)
        return True

    def cut_silently(self):
        host = self.pick(h for h in self.world.hosts.values()
                         if h.up and not h.cut and not h.deaf and self.world.certain(h))
        if not host:
            return False
        self.field.cut(host, silent=True)
        return True

    def mend(self):
        host = self.pick(h for h in self.world.hosts.values() if h.cut or h.deaf)
        if not host:
            return False
        self.field.mend(host)
        return True

    def kill_controller(self):
        if not self.world.controller or any(h.deaf for h in self.world.hosts.values()):
            return False
        self.field.kill_controller()
        return True

    def start_controller(self):
        if self.world.controller:
            return False
        self.field.start_controller()
        return True

    def forget_host(self):
        """An administrator thinks that it is gone; then it comes back."""
        host = self.pick(h for h in self._hosts() if self.world.certain(h))
        if not host:
            return False
        self.field.stop(host, killed=True)
        self.field.forget_host(host)
        if self.maybe(0.5):
            self.add_port()
        self.field.start(host)
        return True

    # --- others' hands
    def meddle(self):
        """What the kernel tells of, and so is undone within half a second; or, while doved is dead,
        anything of the kind."""
        host = self.pick(self.world.hosts.values())
        name = self.pick(sorted(host.networks()))
        if not name:
            return False
        vni = self.world.known(name).vni
        self.pick([self._take_entry, self._take_list, self._wrong_neighbour, self._wrong_entry,
                   self._device_down, self._off_the_bridge, self._no_walls])(host, vni)
        return True

    def _take_entry(self, host, vni):
        macs = [e.mac for e in self.world.endpoints.values()] + ["02:00:5e:64:00:01"]
        self.field.meddle(host, "bridge", "fdb", "del", self.pick(macs), "dev", f"dvx{vni}", "self")

    def _take_list(self, host, vni):
        vtep = self.pick(h.vtep for h in self.world.hosts.values() if h is not host)
        self.field.meddle(host, "bridge", "fdb", "del", "ff:ff:ff:ff:ff:ff", "dev", f"dvx{vni}",
                          "dst", vtep, "self")

    def _wrong_neighbour(self, host, vni):
        ips = [ip for e in self.world.endpoints.values() for ip in e.ips]
        self.field.meddle(host, "ip", "neigh", "replace", self.pick(ips or ["10.1.0.99"]), "lladdr",
                          "02:00:00:00:00:77", "dev", f"dvx{vni}", "nud", "permanent")

    def _wrong_entry(self, host, vni):
        mac = self.pick([e.mac for e in self.world.endpoints.values()] or ["02:00:00:00:00:77"])
        self.field.meddle(host, "bridge", "fdb", "replace", mac, "dev", f"dvx{vni}", "dst",
                          "10.99.0.99", "self", "permanent")

    def _device_down(self, host, vni):
        device = self.pick([f"dvx{vni}", f"dvbr{vni}"])
        self.field.meddle(host, "ip", "link", "set", device, "down")
        if device == f"dvbr{vni}":
            self._forget_listeners(p for p in host.ports.values() if p.vni == vni)

    @staticmethod
    def _forget_listeners(ports):
        """The bridge has: guests are asked again, but these answer nothing."""
        for port in ports:
            if port.listens:
                port.listens = None

    def _off_the_bridge(self, host, vni):
        ports = [p.device for p in host.ports.values() if p.vni == vni and p.device in host.devices]
        device = self.pick([*ports, f"dvx{vni}"])
        self.field.meddle(host, "ip", "link", "set", device, "nomaster")
        self._forget_listeners(p for p in host.ports.values() if p.device == device)

    def _no_walls(self, host, _):
        self.field.meddle(host, "nft", "delete", "table", self.pick(["inet", "bridge"]), "dove")

    def overrun(self):
        """doved does not look while more happens than its sockets hold: somebody puts in and takes
        out thousands of entries, guests call for who is not there, and the fabric changes."""
        host = self.pick(h for h in self._hosts() if self.world.certain(h) and h.networks())
        if not host:
            return False
        vni = self.world.known(self.pick(sorted(host.networks()))).vni
        lines = [f"fdb {verb} 06:00:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x} dev dvx{vni} "
                 f"{'dst 10.99.0.99 ' if verb == 'add' else ''}self"
                 for verb in ("add", "del") for n in range(BURST)]
        changes = [self.del_endpoint, self.set_ips, self.migrate, self.move, self.remove_device,
                   self.policy]
        with self.field.paused(host):
            started = time.monotonic()
            self.field.meddle(host, "bridge", "-force", "-batch", "-",
                              stdin="\n".join(lines) + "\n")
            for operation in self.random.sample(changes, 3):
                if time.monotonic() - started < 2:
                    operation()
        return True
