"""What arrives where: packet sockets in many namespaces at once, read by one thread.

    with Capture({"red2": (guest.netns, "eth0")}) as seen:
        ...
    seen.at("red2")     frames that came in, in order

A capture hears everything from the moment the block is entered; a look reads first what the kernel
has queued until then, however late the thread is, and so does leaving it.
"""
import ctypes
import errno
import selectors
import socket
import struct
import threading
import time
from collections import namedtuple

from . import netns

_ETH_P_ALL, _PACKET_OUTGOING, _RCVBUFFORCE, _TIMESTAMPNS = 3, 4, 33, 35
_ATTACH_FILTER = 26  # asm-generic/socket.h
# linux/filter.h: load the first byte of the destination; is its group bit set? Then nothing, else all.
_IS_UNICAST = ((0x30, 0, 0, 0), (0x45, 1, 0, 1), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
_MOST_QUEUED = 20000  # frames in a buffer of 16 MiB; who sends on and on holds nobody up
Frame = namedtuple("Frame", "at outgoing data")


class Capture:
    def __init__(self, where, snap=2048, keep=lambda frame: True, unicast=False,
                 kernel_time=False):
        """`where`: label -> (namespace, device). `keep` chooses, early and cheaply; with `unicast`
        the kernel does so before, where more comes to groups than this reads. A frame's `at` is
        when it was read, by the monotonic clock; with `kernel_time` when it was seen, by the
        real-time clock."""
        self._where, self._snap, self._keep, self._unicast = where, snap, keep, unicast
        self._kernel_time = kernel_time
        self._frames = {label: [] for label in where}
        self._sockets = {}
        self._stop = False
        self._lock = threading.Lock()

    @staticmethod
    def of_guests(guests, **options):
        return Capture({g.name: (g.netns, "eth0") for g in guests}, **options)

    @staticmethod
    def of_hosts(hosts, device="eth0", **options):
        return Capture({h.name: (h.netns, device) for h in hosts}, **options)

    def __enter__(self):
        self._selector = selectors.DefaultSelector()
        for label, (name, device) in self._where.items():
            raw = _open(name, device, self._unicast)
            if self._kernel_time:
                raw.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
            self._sockets[label] = raw
            self._selector.register(raw, selectors.EVENT_READ, label)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join()
        for label, raw in self._sockets.items():
            self._drain(raw, label)
            raw.close()
        self._sockets = {}
        self._selector.close()

    def _read(self):
        while not self._stop:
            for key, _ in self._selector.select(timeout=0.02):
                with self._lock:
                    self._drain(key.fileobj, key.data)

    def _drain(self, raw, label):
        for _ in range(_MOST_QUEUED):
            try:
                data, ancillary, _, address = raw.recvmsg(self._snap, 64)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # said once when the device goes
                    raise
                continue
            at = _kernel_time(ancillary) if self._kernel_time else time.monotonic()
            frame = Frame(at, address[2] == _PACKET_OUTGOING, data)
            if self._keep(frame):
                self._frames[label].append(frame)

    def all(self, label):
        with self._lock:
            if label in self._sockets:
                self._drain(self._sockets[label], label)
            return list(self._frames[label])

    def at(self, label):
        """Frames that came in."""
        return [frame for frame in self.all(label) if not frame.outgoing]

    def count(self, label, tag):
        """How many frames came in that contain these bytes."""
        return sum(tag in frame.data for frame in self.at(label))

    def counts(self, tag):
        return {label: self.count(label, tag) for label in self._where}


def _kernel_time(ancillary):
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
    return seconds + nanoseconds / 1e9


def _open(name, device, unicast):
    """On one device, or with None on every one of the namespace."""
    with netns.inside(name):
        everywhere = socket.htons(_ETH_P_ALL) if device is None else 0
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, everywhere)
    if unicast:
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in _IS_UNICAST))
        raw.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER,
                       struct.pack("HP", len(_IS_UNICAST), ctypes.addressof(program)))
    raw.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 16 << 20)
    raw.setblocking(False)
    if device is not None:
        raw.bind((device, _ETH_P_ALL))
    return raw
