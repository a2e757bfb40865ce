"""Clients that keep to no rule, at the controller's socket and at doved's: whatever they send, memory
is bounded, others are served meanwhile, and when they have gone nothing is left of them."""
import os
import struct
import subprocess
import time

import pytest
from dovelab import http2, run, wait_until
from dovelab.http2 import Client

LAB = {"hosts": ["h1"], "tenants": {"red": {"red-net": {"vni": 100, "subnets": ["10.1.0.0/24"],
                                                        "learn": True}}},
       "guests": {"red1": {"network": "red-net", "host": "h1", "mac": "02:00:00:00:00:01",
                           "ips": ["10.1.0.11"]}}}
MIB = 1 << 20
GROWTH = 256 * MIB  # of a process's memory; a sanitized one's says nothing
BOTH = pytest.mark.parametrize("which", ["controller", "doved"])


class Victim:
    """The program whose socket it is."""

    def __init__(self, lab, which):
        host = lab.hosts["h1"]
        self.lab, self.which = lab, which
        self.daemon = lab.controller if which == "controller" else host.doved
        self.socket = lab.socket if which == "controller" else host.socket
        self.path = http2.CHANGE if which == "controller" else http2.PORT_ADD
        # Behind `ip netns exec`, which becomes the program.
        self.pid = self.daemon.pid

    def memory(self):
        with open(f"/proc/{self.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def serve(self):
        """Somebody else is served, and soon enough."""
        started = time.monotonic()
        if self.which == "controller":
            assert self.lab.show("tenant", "show", "red")
        else:
            assert self.lab.hosts["h1"].status()["connected"]
        assert time.monotonic() - started < 5


@pytest.fixture
def victim(lab, which, figures, request):
    """Checks, when the test is over, that nothing is left and that it was served all the while."""
    victim = Victim(lab, which)
    victim.serve()
    memory, descriptors = victim.memory(), victim.descriptors()
    yield victim
    victim.serve()
    wait_until("its descriptors are as before", lambda: victim.descriptors() <= descriptors + 1, 30)
    grown = victim.memory() - memory
    figures(f"{request.node.name}: {memory / MIB:.0f} MiB, {grown / MIB:+.1f} MiB")
    if "release" in str(lab.program("doved")):
        assert grown < GROWTH
    assert not lab.problems()


@BOTH
def test_a_thousand_who_say_nothing_more(victim):
    """Some say nothing at all, some only hello in HTTP/2, some begin a call and stop in its middle."""
    clients = []
    half = http2.call(1, victim.path) + http2.message(1, b"\x0a\x04ab", length=4000)
    for number in range(1000):
        clients.append(Client(victim.socket, speak=number % 3 != 0))
        if number % 3 == 2:
            clients[-1].send(half)
    wait_until("all are connected", lambda: victim.descriptors() > 1000, 20)
    for _ in range(5):
        victim.serve()
    silent = clients[0]
    assert silent.is_hung_up(30), "who says nothing is hung up on"
    for client in clients:
        client.socket.close()


@BOTH
def test_messages_too_large_and_without_end(victim):
    """A message over the limit is refused; one that says it has 4 GiB waits for no more than that."""
    with Client(victim.socket) as client:
        client.begin(1, victim.path)
        client.say(1, bytes(6 * MIB))
        assert b"grpc-status" in client.wait_for(b"grpc-status")
        victim.serve()
    with Client(victim.socket) as client:
        client.send(http2.call(1, victim.path) + http2.message(1, b"x", length=0xFFFFFFFF))
        for _ in range(256):
            if not client.send(http2.frame(http2.DATA, 0, 1, bytes(16384)), 2):
                break
        victim.serve()


@BOTH
def test_thousands_of_calls_on_one_connection(victim):
    with Client(victim.socket) as client:
        client.send(b"".join(http2.call(2 * n + 1, victim.path) for n in range(5000)), seconds=2)
        victim.serve()
    with Client(victim.socket) as client:
        both = b"".join(http2.call(2 * n + 1, victim.path)
                        + http2.frame(http2.RST_STREAM, 0, 2 * n + 1, struct.pack("!I", 8))
                        for n in range(5000))
        client.send(both, seconds=2)
        victim.serve()


@BOTH
def test_headers_without_end(victim):
    """A megabyte of metadata in one header, and in a header that never ends."""
    huge = http2.header("x-huge", "a" * MIB)
    with Client(victim.socket) as client:
        block = http2.call(1, victim.path)[9:] + huge
        frames = http2.frame(http2.HEADERS, 0, 1, block[:16384])
        for at in range(16384, len(block), 16384):
            frames += http2.frame(http2.CONTINUATION, 0, 1, block[at:at + 16384])
        client.send(frames, seconds=2)
        for _ in range(100):
            if not client.send(http2.frame(http2.CONTINUATION, 0, 1, huge[:10] + bytes(16000)), 2):
                break
        victim.serve()


@BOTH
def test_control_frames_without_end(victim):
    with Client(victim.socket) as client:
        ping = http2.frame(http2.PING, 0, 0, b"12345678")
        settings = http2.frame(http2.SETTINGS, 0, 0, struct.pack("!HI", 3, 100) * 50)
        client.send((ping + settings) * 5000, seconds=2)
        victim.serve()
    for garbage in (b"\xff" * 100000, http2.frame(http2.DATA, 0, 0, b"x" * 100),
                    http2.frame(9, 0, 7, b""), http2.frame(http2.WINDOW_UPDATE, 0, 0, b"\0" * 4)):
        with Client(victim.socket) as client:
            client.send(garbage * 10, seconds=2)
            victim.serve()


# --- an agent that is one

@pytest.fixture
def which():
    return "controller"


@pytest.fixture
def agent(victim):
    """A host of its own, let in."""
    with Client(victim.socket) as client:
        client.begin(1, http2.SESSION)
        client.say(1, http2.hello("hostile", "10.99.0.66"))
        assert b"hostile" in client.wait_for(b"hostile"), "the list of hosts names it"
        yield client
    wait_until("its session is over", lambda: victim.lab.show("host", "show", "hostile")[0]["state"]
               != "connected", 20)
    victim.lab.dovectl("host", "del", "hostile")


def keys(first, count):
    """IPs of the network, as many as asked for."""
    ips = b"".join(http2.field(3, struct.pack("!I", 0x0B000000 + n))
                   for n in range(first, first + count))
    return http2.field(2, http2.field(1, http2.field(1, 100) + ips))


def test_an_agent_that_asks_for_everything(agent, victim):
    """A million keys: it is told to begin anew, and its neighbours do not notice."""
    for first in range(0, 1 << 20, 8192):
        assert agent.say(1, keys(first, 8192)), "what it does is allowed"
    victim.serve()
    assert not agent.has_ended(1)


def test_an_agent_that_asks_too_much_at_once(agent):
    agent.say(1, keys(0, 20000))
    assert b"more than 16384 keys in one message" in agent.wait_for(b"in one message")


def test_an_agent_that_says_everything(agent, victim):
    """Joins of networks that are not, guests, addresses and groups without end: each is refused or
    counted, none touches what others have."""
    before = victim.lab.show("endpoint", "show", "red1")
    agent.say(1, http2.request(1, http2.JOIN, http2.field(2, 100)))
    for n in range(10000):
        mac = b"\x02\x66" + struct.pack("!I", n % 8000)
        ip = struct.pack("!I", 0x0A010020 + n % 200)
        guest = http2.field(1, 100) + http2.field(2, mac) + http2.field(3, ip)
        assert agent.say(1, http2.request(3 * n, http2.JOIN, http2.field(1, f"nosuch{n}")))
        assert agent.say(1, http2.request(3 * n + 1, http2.ANNOUNCE, guest))
        groups = http2.field(3, b"\x01\x00\x5e" + struct.pack("!I", n)[1:])
        assert agent.say(1, http2.field(6, http2.field(1, 100) + groups))
        if n < 200:
            agent.say(1, http2.request(3 * n + 2, http2.LEARN, guest + http2.field(4, 1)))
    victim.serve()
    agent.say(1, http2.request(99, http2.PREPARE, http2.field(1, "no-such-one")))
    assert b"no-such-one" in agent.wait_for(b"no-such-one")
    assert victim.lab.show("endpoint", "show", "red1") == before
    agent.say(1, http2.request(100, http2.KEEP, b""))
    wait_until("its guests are gone", lambda: len(victim.lab.show("endpoint", "show")) == 1, 20)


def test_an_agent_that_says_no_hello(victim):
    with Client(victim.socket) as client:
        client.begin(1, http2.SESSION)
        assert b"no hello came in time" in client.wait_for(b"in time", seconds=30)


# --- the limit of open files

def test_at_the_limit_of_open_files(lab, tmp_path):
    """More connections than the process may have descriptors: those beyond are hung up on, a session
    that was there goes on, and when there is room all are served again."""
    path = tmp_path / "socket"
    command = [lab.program("dove-controller"), "--listen", f"unix:{path}", "--store",
               f"sqlite:{tmp_path}/store.db"]
    process = subprocess.Popen(lab.journal.recorded("controller with few files",
                                                    ["prlimit", "--nofile=256:256", *command]))

    def shown():
        return run(lab.program("dovectl"), "-Controller", f"unix:{path}", "tenant", "show",
                   check=False)
    try:
        wait_until("it answers", lambda: shown().code == 0, 20)
        clients = [Client(path) for _ in range(400)]
        assert any(client.is_hung_up(5) for client in clients[-20:]), "the limit was not reached"
        assert shown().code != 0
        for client in clients:
            client.socket.close()
        wait_until("it answers again", lambda: shown().code == 0, 20)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(20) == 0
