"""Running commands, and waiting for what must become true."""
import contextlib
import signal
import subprocess
import sys
import time

from .netns import inside


class CommandFailed(Exception):
    """A command that had to succeed did not. `code`, `out` and `err` are what it left."""

    def __init__(self, argv, code, out, err):
        super().__init__(f"{' '.join(argv)}: exit {code}: {(err or out).strip()}")
        self.code, self.out, self.err = code, out, err


class Completed:
    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    def __repr__(self):
        return f"{' '.join(self.argv)}: exit {self.code}, out {self.out!r}, err {self.err!r}"


def exit_on_sigterm():
    """SIGTERM ends this program by SystemExit, so that it takes away what it has made. Not in the
    midst of subprocess, which would keep a lock for ever: a moment later then."""
    def end(_, frame):
        while frame is not None:
            if frame.f_code.co_filename == subprocess.__file__:
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                return
            frame = frame.f_back
        sys.exit(143)
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, end)


def run(*argv, netns=None, check=True, timeout=60, stdin=None, env=None):
    """Runs a command to its end, in a network namespace if one is named."""
    argv = [str(word) for word in argv]
    code, out, err = _run(argv, netns, stdin, timeout, env)
    if check and code != 0:
        raise CommandFailed(argv, code, out, err)
    return Completed(argv, code, out, err)


def start(argv, netns=None, **words):
    """A process, in a network namespace if one is named: it takes it from this thread, which costs a
    third of what `ip netns exec` does. Its /sys stays ours, so that is for programs that read none."""
    with inside(netns) if netns else contextlib.nullcontext():
        return subprocess.Popen([str(word) for word in argv], **words)


def _run(argv, netns, stdin, timeout, env):
    """A SIGTERM that ends us never leaves the command behind, to make what nobody takes away: it
    waits until we know the process. (The process itself has it blocked; it is killed by SIGKILL.)"""
    process = None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        process = start(argv, netns, stdin=subprocess.PIPE if stdin is not None
                        else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        text=True, env=env)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        out, err = process.communicate(stdin, timeout)
        return process.returncode, out, err
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def wait_until(what, condition, timeout=10.0, every=0.05):
    """Returns the first true value of `condition`; names `what` and its last value if none comes.
    It is looked at less and less often, as looking mostly takes a process. A look counts as a second
    at most: a machine that stood still meanwhile has done nothing that could be waited for."""
    longest = max(every, 0.1)
    left, before = timeout, time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        now = time.monotonic()
        left, before = left - min(now - before, 1.0), now
        if left < 0:
            raise TimeoutError(f"not within {timeout} s: {what} (last: {value!r})")
        time.sleep(every)
        every = min(every * 1.2, longest)


def give_time(condition, timeout=10.0):
    """Until it holds, or time is up: for what is judged behind it."""
    with contextlib.suppress(TimeoutError):
        wait_until("it holds", condition, timeout)
