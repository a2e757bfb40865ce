"""A controller that forgets to tell: a proxy between a doved and its controller that keeps back, while
it is told to, messages of one kind. What else is on the stream passes, in order. It knows as much of
HTTP/2 (RFC 9113) and of gRPC's framing as that takes.
"""
import contextlib
import os
import socket
import threading
import time

# Numbers of FromController's fields (agent.proto).
HOSTS, BINDINGS, FLOOD_LIST, NETWORK, LOST, GROUP_LIST, READDRESSED, REPLICA = 2, 3, 5, 6, 8, 9, 10, 11
_DATA = 0
_LONGEST_FRAME = 16384


class Lossy:
    """Listens at `path`, for the controller at the Unix socket `target`."""

    def __init__(self, path, target):
        self.path, self._target = str(path), str(target)
        self.dropped, self.dropped_at, self._kinds = 0, 0.0, set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def losing(self, *kinds):
        """Messages of these kinds do not arrive meanwhile."""
        before, self._kinds = self.dropped, set(kinds)
        try:
            yield
            assert self.dropped > before, "control: there was nothing to lose"
        finally:
            self._kinds = set()

    def close(self):
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        os.unlink(self.path)

    def _accept(self):
        while True:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return
            controller = socket.socket(socket.AF_UNIX)
            try:
                controller.connect(self._target)
            except OSError:
                agent.close()
                continue
            self._open += [agent, controller]
            for source, sink, copy in [(agent, controller, self._pass), (controller, agent, self._sift)]:
                threading.Thread(target=self._run, args=(copy, source, sink), daemon=True).start()

    @staticmethod
    def _run(copy, source, sink):
        with contextlib.suppress(OSError):
            copy(source, sink)
        for one in [source, sink]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pass(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)

    def _sift(self, source, sink):
        partial = {}  # stream -> the beginning of a message
        with source.makefile("rb") as stream:
            while len(header := stream.read(9)) == 9:
                payload = stream.read(int.from_bytes(header[:3], "big"))
                if header[3] != _DATA:
                    sink.sendall(header + payload)
                    continue
                number = header[5:9]
                whole, partial[number] = self._kept(partial.get(number, b"") + payload)
                for at in range(0, len(whole), _LONGEST_FRAME):
                    part = whole[at:at + _LONGEST_FRAME]
                    sink.sendall(len(part).to_bytes(3, "big") + bytes([_DATA, 0]) + number + part)

    def _kept(self, data):
        """The whole messages that are to arrive, and the rest."""
        kept = b""
        while len(data) >= 5 and len(data) >= (end := 5 + int.from_bytes(data[1:5], "big")):
            message, data = data[:end], data[end:]
            if len(message) > 5 and message[5] >> 3 in self._kinds:
                self.dropped, self.dropped_at = self.dropped + 1, time.monotonic()
            else:
                kept += message
        return kept, data
