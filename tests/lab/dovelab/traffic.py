"""Traffic as guests make it, with what became of each packet."""
import itertools
import os
import re
import signal
import socket
import tempfile
import threading
import time

from . import netns
from .run import start, wait_until

_TIME = re.compile(r"icmp_seq=(\d+) .*time=([\d.]+) ms")
_ECHO_REPLY = (0, 129)  # RFC 792, RFC 4443
_echo_ids = itertools.count(os.getpid() * 64)
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")


def counted(output):
    """Sent and received, as ping sums up."""
    summary = _SUMMARY.search(output)
    return (int(summary[1]), int(summary[2])) if summary else (0, 0)


class PingResult:
    """`times`: sequence number -> milliseconds, of those that were answered."""

    def __init__(self, output):
        self.output = output
        self.times = {int(n): float(ms) for n, ms in _TIME.findall(output)}
        self.sent, self._received = counted(output)

    def leave_out_the_end(self, most):
        """Of one that was interrupted: lines that it did not come to write, of answers that it has
        counted; and up to so many packets at the very end, whose answers it did not wait for."""
        self.sent -= max(self._received - len(self.times), 0)
        last = max(self.times, default=0)
        if last and 0 < self.sent - last <= most:
            self.sent = last

    @property
    def lost(self):
        return self.sent - len(self.times)

    def lost_after(self, number):
        """Of the packets behind the first so many."""
        return sum(n not in self.times for n in range(number + 1, self.sent + 1))

    @property
    def first(self):
        """Milliseconds of the first packet; None when it was lost."""
        return self.times.get(1)

    def __repr__(self):
        return f"{len(self.times)} of {self.sent} answered: {self.times or self.output}"


def ping_command(address, *options):
    scope = "%eth0" if address.startswith("fe80") else ""
    return ["ping", "-n", *options, address + scope]


def ping(guest, address, count=3, interval=0.01, wait=2, *options):
    """Runs to its end. A packet without an answer `wait` seconds after the last is lost."""
    echo_id = next(_echo_ids) % 0xffff + 1
    with LateAnswers(guest, address, echo_id) as late:
        command = ping_command(address, "-e", echo_id, "-c", count, "-i", interval, "-W", wait,
                               *options)
        result = PingResult(guest.run(*command, check=False, timeout=wait + count * 3 + 10).out)
        if result.times:
            late.add_to(result, wait)
    return result


class LateAnswers:
    """ping(8) waits as long as it was told for a first answer only; behind one it leaves an interval
    after its last packet, whatever is still on its way or in its own socket."""

    def __init__(self, guest, address, echo_id):
        with netns.inside(guest.netns):
            self._raw = (socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
                         if ":" in address else
                         socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        self._echo_id = echo_id
        self._began = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._raw.close()

    def add_to(self, result, wait):
        """What has come, or comes within `wait` seconds."""
        deadline = time.monotonic() + wait
        while result.lost > 0:
            self._raw.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                message = self._raw.recv(0xffff)
            except TimeoutError:
                return
            if self._raw.family == socket.AF_INET:  # with its header
                message = message[(message[0] & 0x0f) * 4:]
            kind, echo_id, number = message[0], message[4:6], int.from_bytes(message[6:8], "big")
            if kind in _ECHO_REPLY and echo_id == self._echo_id.to_bytes(2, "big"):
                result.times.setdefault(number, (time.monotonic() - self._began) * 1000)


class RunningPing:
    """A ping that goes on while a test does something; stop() gives its result."""

    def __init__(self, guest, address, interval=0.05, wait=2):
        command = ping_command(address, "-i", str(interval), "-W", str(wait))
        self._under_way = int(0.2 / interval) + 1  # at most, in 200 ms
        # A file: of a pipe that nobody reads ping would wait for room, and send nothing meanwhile.
        self._output = tempfile.TemporaryFile("w+")
        self._process = start(guest.lab.journal.recorded(f"ping of {guest.name}", command),
                              guest.netns, stdout=self._output, text=True,
                              start_new_session=True)

    def _answers(self):
        return len(_TIME.findall(os.pread(self._output.fileno(), 1 << 22, 0).decode()))

    def wait_answered(self):
        """Until it has had an answer."""
        wait_until("the ping is answered", lambda: self._answers() > 0)

    def wait_goes_on(self, count=10):
        """Until it has had so many more answers."""
        before = self._answers()
        wait_until("the ping goes on", lambda: self._answers() >= before + count)

    def stop(self):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=10)
        with self._output as output:
            output.seek(0)
            result = PingResult(output.read())
        result.leave_out_the_end(self._under_way)
        return result


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp_exchange(client, server, address, payload=b"hello", timeout=10):
    """A connection from cold, a request and its echo: milliseconds to (connected, answered)."""
    listener = server.socket(family_of(address), socket.SOCK_STREAM)
    listener.bind((address, 0))
    listener.listen()
    listener.settimeout(timeout)
    echo = threading.Thread(target=_echo_once, args=(listener,), daemon=True)
    echo.start()
    with client.socket(family_of(address), socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        started = time.monotonic()
        connection.connect((address, listener.getsockname()[1]))
        connected = time.monotonic()
        connection.sendall(payload)
        assert connection.recv(len(payload)) == payload
        answered = time.monotonic()
    echo.join()
    listener.close()
    return (connected - started) * 1000, (answered - started) * 1000


def _echo_once(listener):
    try:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(connection.recv(4096))
    except OSError:
        pass  # the client's own error tells


def udp_exchange(client, server, address, payload=b"hello", timeout=10):
    """One datagram and its echo, never repeated: milliseconds, or None if either was lost."""
    responder = server.socket(family_of(address), socket.SOCK_DGRAM)
    responder.bind((address, 0))
    responder.settimeout(timeout)
    thread = threading.Thread(target=_answer_once, args=(responder,), daemon=True)
    thread.start()
    with client.socket(family_of(address), socket.SOCK_DGRAM) as request:
        request.settimeout(timeout)
        started = time.monotonic()
        request.sendto(payload, responder.getsockname()[:2])
        try:
            request.recv(4096)
        except TimeoutError:
            return None
        finally:
            thread.join()
            responder.close()
        return (time.monotonic() - started) * 1000


def _answer_once(responder):
    try:
        data, peer = responder.recvfrom(4096)
        responder.sendto(data, peer)
    except OSError:
        pass  # lost: the client's own time-out tells
