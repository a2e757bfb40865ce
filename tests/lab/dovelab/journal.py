"""What a lab has made on this machine, written down before it is made, so that anybody can take it
away again: after a failure, from another process, twice.

A record is one line of JSON. A process is known by its id and its start time, so that a number
that was given out again is never signalled.
"""
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(os.environ.get("DOVE_LAB_ROOT", "/run/dove-lab"))


def start_time(pid):
    """Of a live process, in the kernel's ticks; None when there is none (or only its remains)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


_RECORDED = r"""
journal=$1 label=$2
shift 2
read -r stat </proc/$$/stat
start=$(set -- ${stat##*) }; echo "${20}")
printf '{"kind": "process", "pid": %d, "start": %d, "label": "%s"}\n' $$ "$start" "$label" >>"$journal"
exec "$@"
"""


class Journal:
    def __init__(self, name):
        self.dir = ROOT / name
        self._path = self.dir / "journal"

    @staticmethod
    def create(name):
        ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = Journal(name)
        journal.dir.mkdir(mode=0o711)  # fails when the name is taken
        return journal

    def add(self, kind, **what):
        with open(self._path, "a") as file:
            file.write(json.dumps({"kind": kind, **what}) + "\n")

    def add_process(self, pid, label):
        """For one that was started otherwise than by recorded()."""
        self.add("process", pid=pid, start=start_time(pid), label=label)

    def recorded(self, label, argv):
        """A command line that writes itself down before it becomes `argv`: there is no moment at
        which it runs and nobody knows."""
        return ["/bin/sh", "-c", _RECORDED, "sh", str(self._path), label, *map(str, argv)]

    def records(self):
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return []
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                pass  # the last line of a process that was killed while it wrote
        return records

    def processes(self):
        """Those still alive."""
        return [r for r in self.records()
                if r["kind"] == "process" and r["start"] is not None
                and start_time(r["pid"]) == r["start"]]

    def undo(self):
        """Takes everything away. Returns what could not be, as lines of text."""
        problems = self._end_processes()
        for record in reversed(self.records()):
            if record["kind"] == "netns":
                problems += _delete_namespace(record["name"])
        if not problems:
            shutil.rmtree(self.dir, ignore_errors=True)
        return problems

    def _end_processes(self, patience=3.0):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for record in self.processes():
                _signal(record["pid"], signal_number)
            deadline = time.monotonic() + patience
            while self.processes():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        return [f"process {r['pid']} ({r['label']}) does not end" for r in self.processes()]


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _delete_namespace(name):
    if not os.path.exists(f"/run/netns/{name}"):
        return []
    done = subprocess.run(["ip", "netns", "del", name], capture_output=True, text=True)
    return [] if done.returncode == 0 else [done.stderr.strip()]


def names():
    if not ROOT.is_dir():
        return []
    return sorted(entry.name for entry in ROOT.iterdir() if entry.is_dir())
