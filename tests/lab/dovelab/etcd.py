"""A member of the etcd cluster that has a lab's store: a process in the controller's namespace."""
import signal

from .daemon import Daemon

_CLIENT, _PEER = 2379, 2479  # and upwards, a number for each member


class EtcdMember:
    def __init__(self, lab, number):
        self.name = f"etcd{number}"
        self.address = f"127.0.0.1:{_CLIENT + number}"
        peers = [f"etcd{n}=http://127.0.0.1:{_PEER + n}" for n in range(lab.spec["etcd"])]
        peer = f"http://127.0.0.1:{_PEER + number}"
        self.daemon = _Etcd(
            lab.journal, self.name, f"{lab.name}-controller",
            ["etcd", "--name", self.name, "--data-dir", lab.journal.dir / self.name,
             "--listen-client-urls", f"http://{self.address}",
             "--advertise-client-urls", f"http://{self.address}",
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", ",".join(peers)],
            lab.journal.dir / f"{self.name}.log")


class _Etcd(Daemon):
    def end(self, number=signal.SIGKILL, timeout=10):
        """Always at once: it is not what is tested, and it leaves by the signal that it got."""
        super().end(signal.SIGKILL, timeout)
