#!/usr/bin/python3
"""Adds up what CTest has reported, and says in its last line: N passed, N failed, N skipped.

    tools/count_tests.py [--skips-fail] [--excuse TEXT]... FOLDER

FOLDER holds the files that ctest --output-junit has written. With --skips-fail a skipped test counts as
failed, unless its output contains one of the TEXTs. The exit status is 0 if tests ran and none failed.
"""

import argparse
import collections
import pathlib
import sys
import xml.etree.ElementTree

# CTest says "notrun" of a skipped test and of one that was never built; only the reason tells them apart.
SKIP_MARKS = {"SKIP_REGULAR_EXPRESSION_MATCHED", "SKIP_RETURN_CODE"}


def outcome_of(case, skips_fail=False, excuses=()):
    """Returns ("passed" | "failed" | "skipped", and the reason for the latter two)."""
    status = case.get("status")
    if status == "run":
        return "passed", ""
    output = case.findtext("system-out") or ""
    if status == "disabled":
        reason = "disabled"
    elif mark_of(case, "skipped") in SKIP_MARKS:
        reason = reason_of_skip(output)
    else:
        return "failed", mark_of(case, "failure") or mark_of(case, "skipped") or "its output is above"
    if skips_fail and not any(text in output for text in excuses):
        return "failed", "skipped, which counts as failed here: " + reason
    return "skipped", reason


def mark_of(case, kind):
    mark = case.find(kind)
    return None if mark is None else mark.get("message")


def reason_of_skip(output):
    """The line that GoogleTest prints below `file:line: Skipped`."""
    lines = output.splitlines()
    for number, line in enumerate(lines[:-1]):
        if line.endswith(": Skipped") and lines[number + 1].strip():
            return lines[number + 1].strip()
    return "no reason given"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--skips-fail", action="store_true")
    parser.add_argument("--excuse", action="append", default=[])
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()

    counts = collections.Counter()
    skips = collections.Counter()
    for report in sorted(arguments.folder.glob("*.xml")):
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            outcome, reason = outcome_of(case, arguments.skips_fail, arguments.excuse)
            counts[outcome] += 1
            if outcome == "failed":
                print(f"failed ({report.stem}): {case.get('name')}: {reason}")
            if outcome == "skipped":
                skips[reason] += 1
    for reason, count in skips.items():
        print(f"skipped {count}: {reason}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 0 if counts["passed"] and not counts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
