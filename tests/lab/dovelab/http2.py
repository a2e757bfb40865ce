"""A gRPC client that keeps to no rule unless it wants to: HTTP/2 frames written by hand (RFC 9113), on
a plain socket. And as much of protobuf's wire format as an agent's words need."""
import select
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1

SESSION = "/dove.v1.AgentSession/Session"
CHANGE = "/dove.v1.Management/Change"
STATUS = "/dove.v1.Local/Status"
PORT_ADD = "/dove.v1.Local/PortAdd"


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def _integer(value, prefix):
    """HPACK's (RFC 7541 5.1), in an octet whose other bits are 0."""
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([value])
    out, value = bytes([limit]), value - limit
    while value >= 128:
        out, value = out + bytes([value % 128 | 128]), value // 128
    return out + bytes([value])


def header(name, value):
    """Never indexed, not compressed."""
    return (b"\x10" + _integer(len(name), 7) + name.encode() + _integer(len(value), 7)
            + value.encode())


def call(stream, path, extra=b""):
    """The beginning of a call."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "dove"),
              ("content-type", "application/grpc"), ("te", "trailers")]
    return frame(HEADERS, END_HEADERS, stream, b"".join(header(*f) for f in fields) + extra)


def message(stream, body, flags=0, length=None):
    """One gRPC message, in frames of the size that is allowed to all. `length`: what it says of
    itself."""
    rest = b"\0" + struct.pack("!I", len(body) if length is None else length) + body
    frames = b""
    while True:
        part, rest = rest[:16384], rest[16384:]
        frames += frame(DATA, 0 if rest else flags, stream, part)
        if not rest:
            return frames


# --- protobuf

def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([value % 128 | 128]), value // 128
    return out + bytes([value])


def field(number, value):
    """A number, or bytes (of a message too)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def hello(host, vtep):
    return field(1, field(1, 1) + field(3, host) + field(4, socket.inet_aton(vtep))
                 + field(6, "boot") + field(9, "1"))


def request(number, what, body):
    return field(4, field(1, number) + field(what, body))


JOIN, LEAVE, PREPARE, ACTIVATE, DETACH, ANNOUNCE, LEARN, UNLEARN, KEEP = range(2, 11)


# --- the client

class Client:
    """A connection to `where`: the path of a Unix socket. send() is heedless; say() keeps within
    the windows that the other end opens, and listens meanwhile."""

    def __init__(self, where, speak=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(where))
        self.heard = b""    # bodies of data and headers, the end of it
        self.closed = False
        self._input = b""
        self._initial = 65535
        self._windows = {0: 65535}
        if speak:
            self.send(PREFACE + frame(SETTINGS, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, seconds=20):
        """False when the other end has hung up, or takes no more."""
        self.socket.settimeout(seconds)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True
        except TimeoutError:
            return False
        return not self.closed

    def begin(self, stream, path):
        self._windows[stream] = self._initial
        return self.send(call(stream, path))

    def say(self, stream, body, seconds=30):
        """A whole message; False when the call or the connection has ended before that."""
        rest = b"\0" + struct.pack("!I", len(body)) + body
        deadline = time.monotonic() + seconds
        while rest:
            room = min(16384, self._windows[0], self._windows.get(stream, 0))
            if room > 0:
                part, rest = rest[:room], rest[room:]
                self._windows[0] -= len(part)
                self._windows[stream] -= len(part)
                if not self.send(frame(DATA, 0, stream, part)):
                    return False
            elif time.monotonic() > deadline or not self.listen(1) or stream not in self._windows:
                return False
        return True

    def listen(self, seconds):
        """Takes what comes next within this time; False when the other end has hung up."""
        if not self.closed and select.select([self.socket], [], [], seconds)[0]:
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            self.closed = not data
            self._input += data
            while self._take_frame():
                pass
        return not self.closed

    def _take_frame(self):
        if len(self._input) < 9:
            return False
        length = struct.unpack("!I", b"\0" + self._input[:3])[0]
        kind, flags, stream = struct.unpack("!BBI", self._input[3:9])
        if len(self._input) < 9 + length:
            return False
        body, self._input = self._input[9:9 + length], self._input[9 + length:]
        self._take(kind, flags, stream, body)
        return True

    def _take(self, kind, flags, stream, body):
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(body), 6):
                name, value = struct.unpack_from("!HI", body, at)
                if name == 4:
                    for known in self._windows.keys() - {0}:
                        self._windows[known] += value - self._initial
                    self._initial = value
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, body))
        elif kind == WINDOW_UPDATE and stream in self._windows:
            self._windows[stream] += struct.unpack("!I", body)[0]
        elif kind in (DATA, HEADERS, GOAWAY):
            self.heard = (self.heard + body)[-(1 << 20):]
            if kind == DATA and body:
                more = struct.pack("!I", len(body))
                self.send(frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, stream, more))
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self._windows.pop(stream, None)

    def wait_for(self, wanted, seconds=20):
        """Listens until these bytes have come, or the end; what was heard of late."""
        deadline = time.monotonic() + seconds
        while wanted not in self.heard and time.monotonic() < deadline and self.listen(0.2):
            pass
        return self.heard

    def has_ended(self, stream):
        return self.closed or stream not in self._windows

    def is_hung_up(self, seconds=0.0):
        """Whether the other end closes within this time."""
        deadline = time.monotonic() + seconds
        while self.listen(0.05) and time.monotonic() < deadline:
            pass
        return self.closed
