"""Network namespaces: entering one from this process, and the settings that live in one."""
import contextlib
import ctypes
import os

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, "setns: " + os.strerror(error))


@contextlib.contextmanager
def inside(name):
    """This thread is in the namespace for the length of the block. A socket made there stays there
    for good; a thread started there would too, so start none."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def sysctl(name, key, value):
    """Sets net.* of a namespace: sysctl("h1", "ipv4.ip_forward", 1)."""
    with inside(name):
        with open("/proc/sys/net/" + key.replace(".", "/"), "w") as file:
            file.write(str(value))


def read_sysctl(name, key):
    with inside(name):
        with open("/proc/sys/net/" + key.replace(".", "/")) as file:
            return file.read().strip()


def exists(name):
    return os.path.exists(f"/run/netns/{name}")
