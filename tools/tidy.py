#!/usr/bin/python3
"""Runs clang-tidy over the sources in src/, and only over those that may have a new answer.

    tools/tidy.py FOLDER

FOLDER is a build folder with compile_commands.json. A source that passed is remembered in .cache/tidy under
a hash of all that the answer depends on: the source, the project's headers that it includes, the checks,
the compiler's options and clang-tidy itself. A change of a system header goes unnoticed; delete .cache then.
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PASSED = ROOT / ".cache" / "tidy"
TIDY = "/usr/bin/clang-tidy-14"
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


@functools.cache
def read(file):
    return file.read_bytes()


@functools.cache
def headers_of(file):
    """The project's headers that this file includes itself."""
    places = (ROOT / "src", file.parent)
    names = (name.decode() for name in INCLUDE.findall(read(file)))
    return frozenset(place / name for name in names for place in places if (place / name).is_file())


def all_headers_of(file):
    seen, to_visit = set(), [file]
    while to_visit:
        for header in headers_of(to_visit.pop()) - seen:
            seen.add(header)
            to_visit.append(header)
    return sorted(seen)


def key_of(file, command, common):
    parts = [common, command.encode()]
    for part in [file, *all_headers_of(file)]:
        parts += [str(part.relative_to(ROOT)).encode(), read(part)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def sources(folder):
    """Yields (file, its command) for what belongs to the program.

    Tests are left out: GoogleTest's headers make each of them cost as much as two other sources, and what
    the checks look for would fail the test anyway.
    """
    for entry in json.loads((folder / "compile_commands.json").read_text()):
        file = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if ROOT / "src" in file.parents and not file.name.endswith("_test.cpp"):
            yield file, entry["command"].replace(str(ROOT), "")


def tidy(folder, file, key):
    """Returns what clang-tidy complains of: nothing when the file passes."""
    # An option that only GCC knows is no fault of the source.
    answer = subprocess.run(
        [TIDY, "-p", folder, "--quiet", "--extra-arg=-Wno-error", "--extra-arg=-Wno-unknown-warning-option", file],
        capture_output=True, text=True, check=False)
    if answer.returncode == 0 and "Error parsing" not in answer.stderr:
        (PASSED / key).touch()
        return ""
    return answer.stdout or answer.stderr


def main():
    folder = pathlib.Path(sys.argv[1])
    PASSED.mkdir(parents=True, exist_ok=True)
    common = read(ROOT / ".clang-tidy") + subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    keys = {file: key_of(file, command, common) for file, command in sources(folder)}
    forget_all_but_recent()
    to_check = [file for file, key in keys.items() if not (PASSED / key).exists()]
    for file, key in keys.items():
        if file not in to_check:
            (PASSED / key).touch()

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for complaint in pool.map(lambda file: tidy(folder, file, keys[file]), to_check):
            failed += bool(complaint)
            print(complaint, end="", flush=True)
    print(f"clang-tidy: {len(to_check)} of {len(keys)} sources checked, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


def forget_all_but_recent(days=30):
    oldest = time.time() - days * 24 * 3600
    for entry in PASSED.iterdir():
        if entry.stat().st_mtime < oldest:
            entry.unlink()


if __name__ == "__main__":
    sys.exit(main())
