#!/usr/bin/python3
"""Sums up JUnit files of ctest and pytest: what failed, what was skipped and why, and one line.

    totals.py [--no-skips] FILE...      exits 1 when anything failed, or nothing ran
"""
import os
import sys
import xml.etree.ElementTree as xml


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def reason(case):
    """ctest says only that a test was skipped; the test's own last words say why."""
    skipped = case.find("skipped")
    words = skipped.get("message", "") if skipped is not None else ""
    output = (case.findtext("system-out") or "").strip().splitlines()
    return output[-1] if "SKIP_RETURN_CODE" in words and output else words


def main(arguments):
    no_skips = "--no-skips" in arguments
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for path in (a for a in arguments if not a.startswith("--")):
        if not os.path.exists(path):
            print(f"FAILED  {os.path.basename(path)}: no results")
            counts["failed"] += 1
            continue
        for case in xml.parse(path).iter("testcase"):
            result = outcome(case)
            name = f"{os.path.basename(path)[:-4]}: {case.get('classname')} {case.get('name')}"
            counts[result] += 1
            if result == "failed":
                print(f"FAILED  {name}")
            elif result == "skipped":
                print(f"SKIPPED {name}: {reason(case)}")
    bad = counts["failed"] or not counts["passed"] or (no_skips and counts["skipped"])
    if no_skips and counts["skipped"]:
        print("this machine must run every test: a skipped one is a failure")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
