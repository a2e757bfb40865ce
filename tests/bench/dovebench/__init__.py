"""What the benchmark commands share.

    plain     hosts without an agent, the setting of the comparators
    report    percentiles, medians, and the figures as text or JSON
    command   the frame of a command: options, cleaning up, exit codes
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab"))
