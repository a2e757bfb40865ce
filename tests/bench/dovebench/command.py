"""The frame of a benchmark command."""
import argparse
import os
import signal
import sys

from dovelab import CommandFailed


def parser(doc):
    options = argparse.ArgumentParser(description=doc,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true",
                         help="a short run that shows that all of it works; its figures say little")
    options.add_argument("-j", "--json", action="store_true", help="the figures as one JSON object")
    return options


def say(text):
    """Progress, beside the figures."""
    print(text, file=sys.stderr, flush=True)


def missing():
    """Why this machine cannot run it, or nothing."""
    return "it makes network namespaces and needs root" if os.geteuid() != 0 else None


def main(measure):
    """Runs `measure`, which returns whether everything was as it must be. Exit codes: 0; 2 it could
    not be measured; 3 measured, and something was lost; 77 not on this machine."""
    if missing():
        print(f"skipped: {missing()}", file=sys.stderr)
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lab goes
    try:
        sys.exit(0 if measure() else 3)
    except (CommandFailed, OSError, RuntimeError) as problem:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
