#!/usr/bin/python3
"""Sums up JUnit files of ctest and pytest: what failed, what was skipped and why, and one line.

    totals.py [--no-skips] FILE...      exits 1 when anything failed, or nothing ran
    totals.py --failed FILE             the modules of pytest that failed, if they are few enough for
                                        another run, which is FILE with "-again" behind its name

What failed, and in the other run passed with all of its module, is listed as unsteady.
"""
import os
import sys
import xml.etree.ElementTree as xml


MOST_UNSTEADY = 3  # of more than these the machine is not to blame


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


def cases(path):
    return list(xml.parse(path).iter("testcase"))


def failed(path):
    return [case for case in cases(path) if outcome(case) == "failed"]


def passed_again(path):
    """The tests that passed in the other run, of modules of which every one did. Errors are no
    matter of time: a program that crashed, or what a sanitizer said."""
    again = path.removesuffix(".xml") + "-again.xml"
    if not os.path.exists(again) or len(failed(path)) > MOST_UNSTEADY:
        return set()
    wrong = {case.get("classname") for case in failed(again)
             + [case for case in failed(path) if case.find("error") is not None]}
    return {(case.get("classname"), case.get("name")) for case in cases(again)
            if case.get("classname") not in wrong and outcome(case) == "passed"}


def failed_modules(path):
    wrong = failed(path)
    if len(wrong) <= MOST_UNSTEADY:
        for module in sorted({case.get("classname") for case in wrong}):
            print(module.replace(".", "/") + ".py")


def main(arguments):
    if arguments[:1] == ["--failed"]:
        return failed_modules(arguments[1])
    no_skips = "--no-skips" in arguments
    counts = {"passed": 0, "failed": 0, "skipped": 0, "unsteady": 0}
    for path in (a for a in arguments if not a.startswith("--")):
        if not os.path.exists(path):
            print(f"FAILED  {os.path.basename(path)}: no results")
            counts["failed"] += 1
            continue
        steady = passed_again(path)
        for case in cases(path):
            result = outcome(case)
            if result == "failed" and (case.get("classname"), case.get("name")) in steady:
                result = "unsteady"
            name = f"{os.path.basename(path)[:-4]}: {case.get('classname')} {case.get('name')}"
            counts[result] += 1
            if result == "failed":
                print(f"FAILED  {name}")
            elif result == "unsteady":
                print(f"UNSTEADY {name}: failed beside others, passed with its module alone")
            elif result == "skipped":
                print(f"SKIPPED {name}: {reason(case)}")
    bad = counts["failed"] or not counts["passed"] or (no_skips and counts["skipped"])
    if no_skips and counts["skipped"]:
        print("this machine must run every test: a skipped one is a failure")
    print("{passed} passed, {failed} failed, {skipped} skipped, {unsteady} unsteady".format(**counts))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
