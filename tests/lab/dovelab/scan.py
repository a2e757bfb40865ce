"""A guest that looks for one address after the other, as fast as it can."""
import contextlib
import re
import subprocess

ADDRESSES = 1 << 20
# By ARP, by neighbour discovery, and by packets to addresses of another network.
KINDS = {"ARP": ("ask", 4), "ND": ("ask", 6), "routed IPv4": ("routed", 4), "routed IPv6": ("routed", 6)}


def words(guest, kind, targets, router, seconds):
    """`targets`: the first addresses, by IP version; of `ask` and of `routed`."""
    how, version = KINDS[kind]
    return [guest.lab.program("dove_flood"), how, "--mac", guest.mac,
            "--ip", guest.ipv4 if version == 4 else guest.ipv6,
            "--target", targets[how][version], "--span", str(ADDRESSES), "--router", router,
            "--seconds", str(seconds)]


@contextlib.contextmanager
def scanning(guest, kinds, targets, router, seconds=120):
    """All of `kinds` at once, for as long as the block lasts; what they sent is in the list."""
    said, processes = [], []
    try:
        for kind in kinds:
            # What is tested is who gets the host's queues and limits, not its processors.
            command = ["nice", "-n", "19", "ip", "netns", "exec", guest.netns,
                       *map(str, words(guest, kind, targets, router, seconds))]
            processes.append(subprocess.Popen(
                guest.lab.journal.recorded(f"scan of {guest.name}", command),
                stdout=subprocess.PIPE, text=True))
        yield said
    finally:
        for process in processes:
            process.terminate()
            said.append(int(re.search(r"(\d+) frames", process.communicate()[0])[1]))


def rss(host):
    """Of doved, in MiB."""
    with open(f"/proc/{host.doved.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024
