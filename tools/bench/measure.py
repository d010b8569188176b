"""What every benchmark uses: running commands by the clock, and figures held against their goals."""

import dataclasses
import os
import subprocess
import sys
import tempfile
import time


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def fail(text):
    raise SystemExit(f"bench: {text}")


class LeftOut(Exception):
    """A benchmark, or a peer of it, cannot run on this machine; the text says why."""


@dataclasses.dataclass
class Timed:
    """How a command went that ended well."""

    seconds: float
    cpu_seconds: float  # of the process and of its children, not of the servers
    peak_mib: float  # resident, of the process itself
    output: str
    complaints: str


def timed(command, environment=None, ends_with=0, **options):
    """Runs a command to its end; stops the benchmarks when it ends with another code."""
    began = time.monotonic()
    # A file takes what is said on standard error, which nobody reads meanwhile.
    with tempfile.TemporaryFile(mode="w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True,
                                   env={**os.environ, **(environment or {})}, **options)
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        complaints = errors.read()
    if process.returncode != ends_with:
        fail(f"{command[0]} ended with {process.returncode}\n{output}\n{complaints}")
    return Timed(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output, complaints)


def timed_pipe(writer, reader, environment=None):
    """From the start of both commands to their end, one writing what the other one reads."""
    # Bash, for pipefail: a writer that dies early would look fast.
    script = "set -o pipefail; w=(); while [ \"$1\" != '|' ]; do w+=(\"$1\"); shift; done; shift; \"${w[@]}\" | \"$@\""
    return timed(["bash", "-c", script, "bash", *writer, "|", *reader], environment)


@dataclasses.dataclass
class Figure:
    """One line of the report: what was measured, and the goal that it is held against, if it has one."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    details: dict = dataclasses.field(default_factory=dict)

    @property
    def met(self):
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def line(self):
        text = f"{self.name}: {number(self.value)} {self.unit}"
        if self.met is not None:
            goal = f"at least {number(self.at_least)}" if self.at_least is not None else f"at most {number(self.at_most)}"
            text += f" ({goal}: {'met' if self.met else 'MISSED'})"
        details = ", ".join(f"{name} {number(value)}" for name, value in self.details.items())
        return f"{text}; {details}" if details else text

    def as_json(self):
        return {**dataclasses.asdict(self), "met": self.met}


def number(value):
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
