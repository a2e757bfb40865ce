"""Every refusal names what was wrong, exits as the contract says, and changes nothing."""
import signal
import socket
import subprocess

import pytest
from dovelab import run, wait_until

USAGE, REFUSED = 1, 2
SUBNETS = ["10.1.0.0/24", "fd00:1::/64"]
LAB = {"hosts": ["h1"], "tenants": {"red": {"red-net": {"vni": 100, "subnets": SUBNETS}}},
       "guests": {"red1": {"network": "red-net", "host": "h1", "mac": "02:00:00:00:00:01",
                           "ips": ["10.1.0.11", "fd00:1::11"]},
                  "spare": {"network": "red-net", "mac": "02:00:00:00:00:02",
                            "ips": ["10.1.0.12"]}}}

NET = "network add bad tenant red"
END = "endpoint add bad network red-net"
# What is said, the exit code, and words that stderr must contain.
TO_THE_CONTROLLER = [
    ("frobnicate show", USAGE, ["frobnicate"]),
    ("tenant frobnicate", USAGE, ["frobnicate"]),
    ("tenant add", USAGE, ["not complete"]),
    ("tenant add a/b", (USAGE, REFUSED), ["a/b"]),
    ("tenant add .hidden", (USAGE, REFUSED), [".hidden"]),
    ("tenant add " + "x" * 64, (USAGE, REFUSED), ["63"]),
    ("tenant del nosuch", REFUSED, ["nosuch"]),
    ("tenant del red", REFUSED, ["red"]),
    ("tenant show nosuch", REFUSED, ["nosuch"]),
    ("tenant set red routing maybe", USAGE, ["maybe"]),
    (NET + " vni 0", (USAGE, REFUSED), ["0"]),
    (NET + " vni 16777216", (USAGE, REFUSED), ["16777216"]),
    (NET + " vni -1", (USAGE, REFUSED), ["-1"]),
    (NET + " vni ten", USAGE, ["ten"]),
    (NET + " vni 100", REFUSED, ["100"]),
    ("network add bad tenant nosuch", REFUSED, ["nosuch"]),
    ("network add a/b tenant red", (USAGE, REFUSED), ["a/b"]),
    (NET + " subnet 10.1.0.0/25", REFUSED, ["10.1.0.0/25"]),
    (NET + " subnet 10.0.0.0/8", REFUSED, ["10.0.0.0/8"]),
    (NET + " subnet 10.9.0.0/33", USAGE, ["10.9.0.0/33"]),
    (NET + " subnet 10.9.0.1/24", (USAGE, REFUSED), ["10.9.0.1/24"]),
    (NET + " subnet 10.9.0.0/24 gateway 10.8.0.1", (USAGE, REFUSED), ["10.8.0.1"]),
    (NET + " frob 1", USAGE, ["frob"]),
    ("network add red-net tenant red vni 101", REFUSED, ["red-net"]),
    ("network del red-net", REFUSED, ["red-net"]),
    (END + " mac 03:00:00:00:00:01", (USAGE, REFUSED), ["03:00:00:00:00:01"]),
    (END + " mac 00:00:00:00:00:00", (USAGE, REFUSED), ["00:00:00:00:00:00"]),
    (END + " mac 02:00:00:00:00", USAGE, ["02:00:00:00:00"]),
    (END + " mac 02:00:00:00:00:01", REFUSED, ["02:00:00:00:00:01"]),
    (END + " ip 10.2.0.1", REFUSED, ["10.2.0.1"]),
    (END + " ip 10.1.0.11", REFUSED, ["10.1.0.11"]),
    (END + " ip fd00:1::11", REFUSED, ["fd00:1::11"]),
    (END + " ip 10.1.0", USAGE, ["10.1.0"]),
    (END + " ip 10.1.0.0", REFUSED, ["10.1.0.0"]),
    (END + " ip 10.1.0.255", REFUSED, ["10.1.0.255"]),
    (END + " ip 10.1.0.1", REFUSED, ["10.1.0.1"]),
    ("endpoint add bad network nosuch", REFUSED, ["nosuch"]),
    ("endpoint add b/d network red-net", (USAGE, REFUSED), ["b/d"]),
    ("endpoint add spare network red-net mac 02:00:00:00:00:03", REFUSED, ["spare"]),
    ("endpoint set spare ip 10.2.0.1", REFUSED, ["10.2.0.1"]),
    ("endpoint set spare mac 02:00:00:00:00:01", REFUSED, ["02:00:00:00:00:01"]),
    ("endpoint del nosuch", REFUSED, ["nosuch"]),
    ("host del nosuch", REFUSED, ["nosuch"]),
]
TO_DOVED = [
    ("port add nosuchdev endpoint spare", REFUSED, ["nosuchdev"]),
    ("port add free endpoint nosuch", REFUSED, ["nosuch"]),
    ("port add p-red1 endpoint spare", REFUSED, ["p-red1"]),
    ("port add lo endpoint spare", REFUSED, ["lo"]),
    ("port add dvbr100 endpoint spare", REFUSED, ["dvbr100"]),
    ("port add dvx100 endpoint spare", REFUSED, ["dvx100"]),
    ("port add eth0 endpoint spare", REFUSED, ["eth0"]),
    ("port add taken endpoint spare", REFUSED, ["taken"]),
    ("port add free", USAGE, ["endpoint"]),
    ("port add a/b endpoint spare", (USAGE, REFUSED), ["a/b"]),
    ("port add a-name-of-more-than-15 endpoint spare", (USAGE, REFUSED), ["a-name-of-more-than-15"]),
    ("port del nosuchdev", REFUSED, ["nosuchdev"]),
    ("port del free", REFUSED, ["free"]),
]


@pytest.fixture(scope="module")
def devices(lab):
    """A device that is nobody's, and one that is already a port of somebody else's bridge."""
    host = lab.hosts["h1"]
    host.ip("link", "add", "free", "type", "veth", "peer", "name", "free-peer")
    host.ip("link", "add", "theirs", "type", "bridge")
    host.ip("link", "add", "taken", "master", "theirs", "type", "veth", "peer", "name", "taken-peer")
    return host


def everything(lab):
    """All there is to see of the lab's state."""
    shown = {kind: lab.show(kind, "show") for kind in ("tenant", "network", "endpoint")}
    host = lab.hosts["h1"]
    shown["port"] = host.show("port", "show")
    shown["master"] = {link["ifname"]: link.get("master") for link in host.links()}
    shown["fdb"] = sorted(str((row["mac"], row["dst"])) for row in host.fdb(100))
    return shown


def assert_refused(done, code, words):
    codes = code if isinstance(code, tuple) else (code,)
    assert done.code in codes, done
    assert done.out == "", done
    assert len(done.err.strip().splitlines()) == 1, done
    for word in words:
        assert word in done.err, done


@pytest.mark.parametrize("line,code,words", TO_THE_CONTROLLER)
def test_the_controller_refuses(lab, line, code, words):
    before = everything(lab)
    assert_refused(lab.dovectl(*line.split(), check=False), code, words)
    assert_refused(lab.dovectl("-j", *line.split(), check=False), code, words)
    assert everything(lab) == before


@pytest.mark.parametrize("line,code,words", TO_DOVED)
def test_doved_refuses(lab, devices, line, code, words):
    before = everything(lab)
    assert_refused(devices.dovectl(*line.split(), check=False), code, words)
    assert everything(lab) == before


def test_control_a_good_command_changes_something(lab):
    before = everything(lab)
    lab.dovectl("tenant", "add", "good")
    assert everything(lab) != before
    lab.dovectl("tenant", "del", "good")


def test_add_of_the_same_is_done_already(lab):
    words = ["endpoint", "add", "spare", "network", "red-net", "mac", "02:00:00:00:00:02",
             "ip", "10.1.0.12"]
    before = everything(lab)
    assert lab.dovectl(*words).out == ""
    assert everything(lab) == before


def test_nobody_is_there(lab):
    done = run(lab.program("dovectl"), "-Controller", "unix:/nonexistent/socket", "tenant", "show",
               check=False)
    assert_refused(done, REFUSED, ["/nonexistent/socket"])
    done = run(lab.program("dovectl"), "-Socket", "/nonexistent/socket", "port", "show", check=False)
    assert_refused(done, REFUSED, ["/nonexistent/socket"])


def test_a_device_name_of_ours_that_is_somebody_elses(lab):
    """doved adopts what it made, and touches nothing else of that name."""
    lab.dovectl("network", "add", "foreign", "tenant", "red", "vni", "555", "subnet", "10.5.0.0/24")
    lab.dovectl("endpoint", "add", "stranger", "network", "foreign", "ip", "10.5.0.9")
    host = lab.hosts["h1"]
    host.ip("link", "add", "dvbr555", "type", "bridge")
    host.ip("link", "add", "dvx555", "type", "vxlan", "id", "556", "dstport", "4790", "local",
            "127.0.0.1")
    host.ip("link", "add", "alone", "type", "veth", "peer", "name", "alone-peer")
    try:
        done = host.dovectl("port", "add", "alone", "endpoint", "stranger", check=False)
        assert_refused(done, REFUSED, ["555"])
        assert host.has_device("dvbr555") and host.has_device("dvx555")
        assert lab.show("endpoint", "show", "stranger")[0]["host"] is None
    finally:
        for device in ("dvx555", "dvbr555", "alone"):
            host.ip("link", "del", device)
        lab.dovectl("endpoint", "del", "stranger")
        lab.dovectl("network", "del", "foreign")


# --- programs that refuse to start

def refuses(argv, words, netns=None, timeout=20):
    """It ends by itself, with a failure, and says why."""
    done = run(*argv, netns=netns, check=False, timeout=timeout)
    assert done.code not in (0, -signal.SIGSEGV, -signal.SIGABRT), done
    for word in words:
        assert word in done.err + done.out, done
    return done


def controller(lab, store, socket_path):
    return [lab.program("dove-controller"), "--listen", f"unix:{socket_path}", "--store",
            f"sqlite:{store}"]


def test_a_store_that_is_no_database(lab, tmp_path):
    store = tmp_path / "store.db"
    store.write_text("this is no database, but it is somebody's\n" * 100)
    content = store.read_bytes()
    refuses(controller(lab, store, tmp_path / "socket"), [str(store)])
    assert store.read_bytes() == content


def test_a_second_controller_on_the_same_store(lab, tmp_path):
    store = lab.journal.dir / "store.db"
    refuses(controller(lab, store, tmp_path / "socket"), [str(store)])
    assert lab.show("tenant", "show"), "the first goes on"


def test_a_controllers_socket_in_use(lab, tmp_path):
    refuses(controller(lab, tmp_path / "store.db", lab.socket), [str(lab.socket)])
    assert lab.show("tenant", "show"), "the first still answers there"


def test_tcp_beyond_loopback_needs_a_word(lab, tmp_path):
    argv = [lab.program("dove-controller"), "--listen", "10.99.0.2:7999", "--store",
            f"sqlite:{tmp_path}/store.db"]
    refuses(argv, ["insecure"], netns=lab.controller.netns)


@pytest.fixture(scope="module")
def bare(lab):
    """A host on the underlay where no doved runs: its namespace and its address."""
    name = f"{lab.name}-bare"
    lab.connect(name, "bare", "10.99.0.89")
    return name, "10.99.0.89"


def doved(lab, tmp_path, **changes):
    """A doved's command line, with some of its options changed."""
    argv = [str(word) for word in lab.hosts["h1"].command()]
    wanted = {"host": "bare", "local": "10.99.0.89", "socket": tmp_path / "doved.sock",
              "state_dir": tmp_path / "state", **changes}
    for option, value in wanted.items():
        argv[argv.index("--" + option.replace("_", "-")) + 1] = str(value)
    return argv


def test_doveds_socket_in_use(lab, bare, tmp_path):
    socket_path = lab.hosts["h1"].socket
    refuses(doved(lab, tmp_path, socket=socket_path), [str(socket_path)], netns=bare[0])
    assert lab.hosts["h1"].status()["connected"]


def test_a_second_doved_on_one_host(lab, tmp_path):
    refuses(doved(lab, tmp_path, local=lab.hosts["h1"].vtep), ["another doved"],
            netns=lab.hosts["h1"].netns)
    assert lab.hosts["h1"].status()["connected"]


@pytest.mark.parametrize("option,value", [
    ("local", "10.99.0.300"), ("local", "10.99.0.77"), ("miss_mode", "guess"), ("host", "a/b"),
    ("controller", "nowhere"), ("state_dir", "/proc/nosuch"), ("socket", "/nonexistent/dir/s")])
def test_doved_refuses_a_wrong_option(lab, bare, tmp_path, option, value):
    refuses(doved(lab, tmp_path, **{option: value}), [value], netns=bare[0])


def test_doved_without_its_capability(lab, bare, tmp_path):
    refuses(["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
             *doved(lab, tmp_path)], ["CAP_NET_ADMIN"], netns=bare[0])


def test_doved_without_tun(lab, bare, tmp_path):
    command = 'mount -t tmpfs none /dev/net && exec "$@"'
    refuses(["unshare", "-m", "sh", "-c", command, "sh", *doved(lab, tmp_path)], ["/dev/net/tun"],
            netns=bare[0])


def test_a_cloned_host_is_told_so(lab, tmp_path):
    """A second live session of the same name is refused, naming the first; the first goes on."""
    host = lab.hosts["h1"]
    name = f"{lab.name}-clone"
    lab.connect(name, "clone", "10.99.0.88")
    argv = doved(lab, tmp_path, host="h1", local="10.99.0.88", socket=tmp_path / "s")
    clone = subprocess.Popen(lab.journal.recorded("clone", ["ip", "netns", "exec", name, *argv]),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        def told():
            done = run(lab.program("dovectl"), "-Socket", tmp_path / "s", "-j", "status", check=False)
            return clone.poll() is not None or "h1" in done.out and '"problem"' in done.out
        wait_until("the clone is refused", told, 10)
        assert host.status()["connected"]
        assert lab.show("host", "show", "h1")[0]["vtep"] == host.vtep
    finally:
        clone.kill()
        clone.communicate()


# --- bytes that nobody sends by mistake

@pytest.mark.parametrize("which", ["controller", "doved"])
def test_garbage_on_a_socket_hurts_nobody(lab, which):
    path = lab.socket if which == "controller" else lab.hosts["h1"].socket
    for garbage in (b"", b"\0" * 5000, b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                    + b"\xff" * 3000):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(path))
            try:
                stranger.sendall(garbage)
            except OSError:
                pass
    assert lab.show("tenant", "show") and lab.hosts["h1"].status()["connected"]


def test_malformed_frames_of_a_guest_hurt_nobody(lab):
    guest = lab.guests["red1"]
    header = bytes.fromhex("ffffffffffff") + bytes.fromhex(guest.mac.replace(":", ""))
    bodies = [kind + bytes([fill]) * size for kind in (b"\x08\x06", b"\x86\xdd", b"\x08\x00",
                                                      b"\x80\x35", b"\x81\x00", b"\x00\x04")
              for fill in (0, 0xFF, 0x58) for size in (0, 1, 8, 27, 28, 40, 60, 1400)]
    guest.send_frames([header + body for body in bodies])
    unknown = bytes.fromhex("020000007788") + header[6:]
    guest.send_frames([unknown + body for body in bodies])
    assert lab.hosts["h1"].status()["connected"]
    assert not lab.problems()
