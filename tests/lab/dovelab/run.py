"""Running commands, and waiting for what must become true."""
import subprocess
import time


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


def run(*argv, netns=None, check=True, timeout=60, stdin=None, env=None):
    """Runs a command to its end, in a network namespace if one is named."""
    argv = [str(word) for word in argv]
    full = (["ip", "netns", "exec", netns] if netns else []) + argv
    done = subprocess.run(full, stdin=None if stdin is not None else subprocess.DEVNULL,
                          input=stdin, capture_output=True, text=True, timeout=timeout, env=env)
    if check and done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stdout, done.stderr)
    return Completed(argv, done.returncode, done.stdout, done.stderr)


def wait_until(what, condition, timeout=10.0, every=0.02):
    """Returns the first true value of `condition`; names `what` and its last value if none comes."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what} (last: {value!r})")
        time.sleep(every)
