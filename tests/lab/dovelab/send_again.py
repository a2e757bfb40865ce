"""Sends frames out of a device again and again, in small bursts, until it is ended. How many it has
sent is what its output says, from the first byte on.

    send_again.py DEVICE FRAMES-A-SECOND FILE

In the file each frame comes behind two bytes: its length.
"""
import contextlib
import itertools
import os
import socket
import struct
import sys
import time

_BURST = 32


def read(path):
    with open(path, "rb") as file:
        while length := file.read(2):
            yield file.read(struct.unpack("!H", length)[0])


def main(device, rate, path):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((device, 0))
    frames, due = itertools.cycle(list(read(path))), time.monotonic()
    for sent in itertools.count(_BURST, _BURST):
        for frame in itertools.islice(frames, _BURST):
            with contextlib.suppress(OSError):  # a queue is full, or the device is down
                raw.send(frame)
        os.pwrite(1, str(sent).encode(), 0)
        due = max(due + _BURST / rate, time.monotonic() - _BURST / rate)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
