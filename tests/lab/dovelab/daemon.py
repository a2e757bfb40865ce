"""A program of ours that keeps running: started in a namespace, recorded, ended by its id."""
import contextlib
import os
import signal
import subprocess
import time

from .run import wait_until


class Daemon:
    """`log` is appended to over restarts. Not thread-safe."""

    def __init__(self, journal, label, netns, argv, log):
        self.label, self.netns, self.argv, self.log = label, netns, [str(w) for w in argv], log
        self._journal, self._process = journal, None
        self.crashes = []  # ends nobody asked for, and ends that went wrong

    def start(self, environment=None):
        """`environment`: what differs from this process's own."""
        self.check()
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._journal.recorded(self.label, ["ip", "netns", "exec", self.netns, *self.argv]),
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    @property
    def pid(self):
        return self._process.pid if self._process else None

    def running(self):
        return self._process is not None and self._process.poll() is None

    def check(self):
        """Notes an end that end() did not cause."""
        if self._process is not None and self._process.poll() is not None:
            self.crashes.append(self._process.returncode)
            self._process = None
        return not self.crashes

    def end(self, number=signal.SIGTERM, timeout=30):
        """Sends the signal and waits for the end; SIGKILL when there is none."""
        if self._process is None:
            return
        self.check()
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.crashes.append(f"no end within {timeout} s of signal {int(number)}")
        if number == signal.SIGTERM and process.returncode != 0:
            self.crashes.append(process.returncode)  # a sanitizer's, too

    def kill(self):
        self.end(signal.SIGKILL)

    @contextlib.contextmanager
    def paused(self):
        """It does nothing meanwhile."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def log_text(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_ready(self, ready, timeout=15):
        """Waits until `ready()`; an end before that is an error that shows the log."""
        def now():
            if not self.running():
                raise RuntimeError(f"{self.label} ended: {self.log_text()[-2000:]}")
            return ready()
        started = time.monotonic()
        wait_until(f"{self.label} is ready", now, timeout)
        return time.monotonic() - started
