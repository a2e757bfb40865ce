"""A disk that is full: what cannot be kept is refused, naming the file, and nothing of it is done; what
was confirmed stays; reads go on; and when there is room again all is well, without a restart."""
import subprocess

import pytest
from dovelab import run, wait_until

LAB = {"hosts": ["h1"], "tenants": {"red": {"red-net": {"vni": 100, "subnets": ["10.1.0.0/24"]},
                                            "other": {"vni": 101, "subnets": ["10.2.0.0/24"]}}},
       "guests": {"red1": {"network": "red-net", "host": "h1", "mac": "02:00:00:00:00:01",
                           "ips": ["10.1.0.11"]},
                  "red2": {"network": "red-net", "host": "h1", "mac": "02:00:00:00:00:02",
                           "ips": ["10.1.0.12"]},
                  "spare": {"network": "red-net", "mac": "02:00:00:00:00:03",
                            "ips": ["10.1.0.13"]}}}


class Disk:
    """A small one at a directory, which has nothing else in it."""

    def __init__(self, where, size):
        self.where, self.size = where, size

    def __enter__(self):
        self.where.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={self.size}", "dove-test", self.where)
        return self

    def __exit__(self, *_):
        run("umount", "-l", self.where)

    def fill(self):
        """Also with what a file leaves free that is being replaced just now."""
        for _ in range(3):
            wait_until("nothing is being saved", lambda: not list(self.where.glob("*.new")), 10)
            self._fill_once()

    def _fill_once(self):
        with open(self.where / "filler", "ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def free(self):
        (self.where / "filler").unlink()


# --- the controller's

def controller(lab, directory, socket):
    return subprocess.Popen(
        lab.journal.recorded("controller on a small disk",
                             [lab.program("dove-controller"), "--listen", f"unix:{socket}",
                              "--store", f"sqlite:{directory}/store.db"]),
        stderr=subprocess.DEVNULL)


def test_the_controllers_disk_is_full(lab, tmp_path):
    socket = tmp_path / "socket"

    def dovectl(*words, **options):
        return run(lab.program("dovectl"), "-Controller", f"unix:{socket}", *words, check=False,
                   **options)

    def tenants():
        done = dovectl("tenant", "show")
        return set(done.out.split()[::2]) if done.code == 0 else None

    def start():
        process = controller(lab, disk.where, socket)
        wait_until("it answers", lambda: dovectl("tenant", "show").code == 0, 20)
        return process

    with Disk(tmp_path / "disk", "2m") as disk:
        process = start()
        try:
            assert dovectl("tenant", "add", "before").code == 0
            words = "".join(f"tenant set before routing {word}\n"
                            for _ in range(30) for word in ("deny", "allow"))
            assert dovectl("-batch", "-", stdin=words).code == 0
            disk.fill()
            assert dovectl("tenant", "set", "before", "routing", "deny").code == 0, \
                "what the log took up is enough"
            disk.fill()
            many = dovectl("-batch", "-", stdin="".join(f"tenant add t{n}\n" for n in range(5000)))
            assert many.code == 2 and f"{disk.where}/store.db" in many.err, many
            assert "full" in many.err
            refused = dovectl("tenant", "add", "late")
            assert refused.code == 2 and f"{disk.where}/store.db" in refused.err, refused
            shown = dovectl("-j", "tenant", "show")
            assert shown.code == 0 and '"before"' in shown.out and '"late"' not in shown.out
            disk.free()
            assert dovectl("tenant", "add", "late").code == 0, "there is room again"
            kept = dovectl("-j", "tenant", "show").out
            process.kill()
            process.wait()
            process = start()
            assert dovectl("-j", "tenant", "show").out == kept, "what was confirmed is there"
        finally:
            process.kill()
            process.wait()


# --- doved's

@pytest.fixture
def small(lab):
    """The host's state is on a disk of its own."""
    host = lab.hosts["h1"]
    host.doved.end()
    state = {path.name: path.read_bytes() for path in host.state_dir.iterdir() if path.is_file()}
    with Disk(host.state_dir, "256k") as disk:
        for name, content in state.items():
            (host.state_dir / name).write_bytes(content)
        host.start()
        yield disk
        host.doved.end()
        state = {path.name: path.read_bytes() for path in host.state_dir.iterdir()
                 if path.is_file() and path.name != "filler"}
    for name, content in state.items():
        (host.state_dir / name).write_bytes(content)
    host.start()


def ports(host):
    return {row["dev"]: row["state"] for row in host.show("port", "show")}


def test_doveds_disk_is_full(lab, small):
    host, red1, red2 = lab.hosts["h1"], lab.guests["red1"], lab.guests["red2"]
    host.ip("link", "add", "free", "type", "veth", "peer", "name", "free-peer")
    before = wait_until("both ports are confirmed", lambda: (
        found := ports(host)) and set(found.values()) == {"active"} and found, 10)
    assert len(before) == 2
    small.fill()
    for words in (["port", "del", red1.port], ["port", "add", "free", "endpoint", "spare"],
                  ["join", "other"]):
        done = host.dovectl(*words, check=False)
        assert done.code == 2 and f"{host.state_dir}/state.json" in done.err, done
        assert "No space left" in done.err
        assert ports(host) == before
    assert lab.show("endpoint", "show", "spare")[0]["host"] is None
    assert lab.show("endpoint", "show", "red1")[0]["host"] == "h1"
    wait_until("the network is not here", lambda: not host.has_device("dvbr101"), 30)
    red1.run("ping", "-c2", "-i0.2", "-W2", red2.ipv4)
    assert "state.json" in host.status()["problem"]
    small.free()
    host.dovectl("join", "other")
    host.dovectl("leave", "other")
    host.dovectl("port", "add", "free", "endpoint", "spare")
    host.dovectl("port", "del", red1.port)
    assert ports(host).keys() == {red2.port, "free"}
    assert lab.show("endpoint", "show", "red1")[0]["host"] is None
    host.dovectl(*red1.port_add())
    host.dovectl("port", "del", "free")
    host.ip("link", "del", "free")
    wait_until("nothing is wrong any more", lambda: not host.status()["problem"], 10)


def test_what_could_not_be_saved_is_saved_when_there_is_room(lab, small):
    """Without any command: the addresses of an endpoint change while the disk is full."""
    host = lab.hosts["h1"]
    small.fill()
    lab.dovectl("endpoint", "set", "red2", "ip", "10.1.0.12", "ip", "10.1.0.22")
    wait_until("it is known that the disk is full", lambda: host.status()["problem"], 10)
    assert b"10.1.0.22" not in (host.state_dir / "state.json").read_bytes()
    small.free()
    wait_until("it is saved", lambda: b"10.1.0.22" in (host.state_dir / "state.json").read_bytes(), 10)
    wait_until("nothing is wrong any more", lambda: not host.status()["problem"], 10)
    lab.dovectl("endpoint", "set", "red2", "ip", "10.1.0.12")
