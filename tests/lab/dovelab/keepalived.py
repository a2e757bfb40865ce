"""Debian's keepalived in guests: one VRRP instance for each address, in VRRPv3."""
import os
import shutil
import signal

from .daemon import Daemon

_CONFIG = """
global_defs {{
  router_id {name}
  vrrp_version 3
}}
"""
_INSTANCE = """
vrrp_instance {name} {{
  state BACKUP
  interface eth0
  virtual_router_id {router}
  priority {priority}
  advert_int {interval}
  {family}
  virtual_ipaddress {{ {address} }}
}}
"""


def is_there():
    return shutil.which("keepalived") is not None


class Keepalived:
    """In a namespace whose eth0 has its addresses already. The higher priority is the master."""

    def __init__(self, journal, netns, addresses, priority, interval=0.2):
        self.base = journal.dir / f"keepalived-{netns}"
        config = _CONFIG.format(name=netns)
        for number, address in enumerate(addresses):
            config += _INSTANCE.format(
                name=f"v{number}", router=51 + number, priority=priority, interval=interval,
                family="native_ipv6" if ":" in address else "", address=address)
        self.base.with_suffix(".conf").write_text(config)
        command = ["keepalived", "-n", "-l", "-P", "-f", self.base.with_suffix(".conf"),
                   "-p", self.base.with_suffix(".pid"), "-r", self.base.with_suffix(".vrrp.pid")]
        self.daemon = Daemon(journal, f"keepalived of {netns}", netns, command,
                             self.base.with_suffix(".log"))

    def start(self):
        for suffix in (".pid", ".vrrp.pid"):
            self.base.with_suffix(suffix).unlink(missing_ok=True)
        self.daemon.start()

    def stop(self):
        """Gives its addresses up, and says so."""
        self.daemon.end()

    def kill(self):
        """Without a word: what it had configured stays. The parent, which would start another child,
        does nothing meanwhile."""
        os.kill(self.daemon.pid, signal.SIGSTOP)
        _kill(int(self.base.with_suffix(".vrrp.pid").read_text()))
        self.daemon.end(signal.SIGKILL)


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
