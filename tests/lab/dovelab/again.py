"""Frames that come again and again while a test does something."""
import contextlib
import struct
import sys
from pathlib import Path

from .run import start, wait_until

_PROGRAM = Path(__file__).with_name("send_again.py")


class Sent:
    """How many have been sent."""

    def __init__(self, path):
        self._path = path

    def count(self):
        return int(self._path.read_text() or 0)

    def wait(self, count):
        """Until there are so many more."""
        until = self.count() + count
        wait_until(f"{until} frames are sent", lambda: self.count() >= until, 30)


@contextlib.contextmanager
def sending(lab, namespace, frames, rate, device="eth0"):
    """These frames out of a device, from the first to the last and then from the first again, so
    many a second, for as long as the block lasts."""
    path = lab.journal.dir / f"{namespace}.frames"
    path.write_bytes(b"".join(struct.pack("!H", len(frame)) + frame for frame in frames))
    output = path.with_suffix(".sent")
    with open(output, "wb") as out:
        process = start(lab.journal.recorded("frames", [
            sys.executable, _PROGRAM, device, rate, path]), namespace, stdout=out)
    try:
        yield Sent(output)
    finally:
        process.terminate()
        process.wait(5)
