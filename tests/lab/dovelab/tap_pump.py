"""Carries frames between a TAP in a host's namespace and one in a guest's, as a hypervisor does
between its TAP and the guest's own device.

    tap_pump.py HOST-NETNS HOST-DEV GUEST-NETNS GUEST-DEV GUEST-MAC
"""
import fcntl
import os
import select
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from dovelab.netns import inside  # noqa: E402

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def open_tap(netns, name):
    with inside(netns):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return fd


def drain(source, sink):
    while True:
        try:
            frame = os.read(source, 65536)
        except BlockingIOError:
            return
        try:
            os.write(sink, frame)
        except OSError:
            pass  # the device is down or its queue is full: a frame is lost, as on any wire


def main(host_netns, host_dev, guest_netns, guest_dev, mac):
    host, guest = open_tap(host_netns, host_dev), open_tap(guest_netns, guest_dev)
    subprocess.run(["ip", "-n", guest_netns, "link", "set", guest_dev, "address", mac], check=True)
    while True:
        try:
            for fd in select.select([host, guest], [], [])[0]:
                drain(fd, guest if fd == host else host)
        except OSError:
            select.select([], [], [], 0.01)  # a TAP that is down cannot be read


if __name__ == "__main__":
    main(*sys.argv[1:])
