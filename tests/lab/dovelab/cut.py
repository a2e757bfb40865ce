"""A host that cannot reach the controller, and is reached by all others."""
from .run import run
from .spec import CONTROLLER_PORT


class Cut:
    """What these hosts and the controller send each other vanishes; their tunnels do not care."""

    def __init__(self, lab, hosts):
        self._netns = lab.controller.netns
        addresses = ", ".join(host.vtep for host in hosts)
        rules = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; "
            f"ip {side} {{ {addresses} }} tcp {port} {CONTROLLER_PORT} counter drop; }}\n"
            for hook, side, port in (("input", "saddr", "dport"), ("output", "daddr", "sport")))
        run("nft", "-f", "-", netns=self._netns, stdin=f"table ip cut {{\n{rules}}}\n")

    def mend(self):
        run("nft", "delete", "table", "ip", "cut", netns=self._netns, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mend()
