#!/usr/bin/python3
"""Times the release program beside what the systems themselves can do, in turn, and prints the ratios.

Called by script/bench, which starts the servers and names them in the environment.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

POSTGRESQL_PROGRAMS = "/usr/lib/postgresql/15/bin"
FIELDS = "aid, bid, abalance, filler, updated_at"


def say(text):
    print(text, file=sys.stderr, flush=True)


def timed(command, **options):
    """Runs a command to its end: wall seconds, peak resident MiB, standard output."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"bench: {command[0]} ended with {process.returncode}\n{output}\n{errors}")
    return seconds, usage.ru_maxrss / 1024, output


class PostgreSQL:
    """The server of the run, and databases of this benchmark's own on it."""

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)

    def database_url(self, database):
        return self.url._replace(path="/" + database).geturl()

    def sql(self, database, text):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.database_url(database)], input=text, text=True,
                       check=True, stdout=subprocess.DEVNULL)

    def value(self, database, query):
        return subprocess.run(["psql", "-X", "-At", "-c", query, self.database_url(database)], text=True, check=True,
                              capture_output=True).stdout.strip()

    def fresh(self, database):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE);\nCREATE DATABASE {database};")


def make_accounts(server, rows):
    """pgbench's accounts, with the last-modified field that a table of this size needs."""
    server.fresh("bench_source")
    subprocess.run([POSTGRESQL_PROGRAMS + "/pgbench", "-i", "-q", "-s", str(max(1, rows // 100_000)), "-h", server.url.hostname,
                    "-p", str(server.url.port), "-U", server.url.username, "bench_source"], check=True,
                   stderr=subprocess.DEVNULL)
    server.sql("bench_source", "ALTER TABLE pgbench_accounts ADD updated_at timestamptz NOT NULL DEFAULT now() - interval '1 day';"
                               "CREATE INDEX ON pgbench_accounts (updated_at, aid);"
                               "VACUUM (FREEZE, ANALYZE) pgbench_accounts; CHECKPOINT;")


def copy_through_pipe(server):
    """The limit: binary COPY out and in, into a table made as syncflow makes it."""
    server.fresh("bench_copy")
    server.sql("bench_copy", "CREATE TABLE pgbench_accounts (aid integer PRIMARY KEY, bid integer, abalance integer, "
                             "filler character(84), updated_at timestamptz); CHECKPOINT;")
    out = f"COPY (SELECT {FIELDS} FROM pgbench_accounts ORDER BY aid) TO STDOUT (FORMAT binary)"
    into = f"COPY pgbench_accounts ({FIELDS}) FROM STDIN (FORMAT binary)"
    pipe = f"psql -X -q -c \"$1\" \"$2\" | psql -X -q -c \"$3\" \"$4\""
    return timed(["sh", "-c", pipe, "sh", out, server.database_url("bench_source"), into, server.database_url("bench_copy")])[0]


def first_load(server, program):
    """syncflow run, from nothing: a new store, a missing destination table."""
    server.fresh("bench_destination")
    server.sql("bench_destination", "CHECKPOINT;")
    with tempfile.TemporaryDirectory(prefix="syncflow-bench.") as folder:
        config = {
            "version": 1,
            "store": f"sqlite:{folder}/syncflow.db",
            "connections": {
                "from": {"provider": "postgresql", "url": server.database_url("bench_source")},
                "to": {"provider": "postgresql", "url": server.database_url("bench_destination")},
            },
            "syncs": [{"name": "accounts", "source": "from", "destination": "to",
                       "tables": [{"source": "public.pgbench_accounts", "destination": "public.pgbench_accounts"}]}],
        }
        file = pathlib.Path(folder, "syncflow.yaml")
        file.write_text(json.dumps(config))  # JSON is YAML
        seconds, peak_mib, output = timed([program, "run", "-c", str(file), "--json"], cwd=folder)
    report = json.loads(output.splitlines()[-1])
    return seconds, peak_mib, report


def same_rows(server):
    query = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM (SELECT %s FROM pgbench_accounts) t" % FIELDS
    return server.value("bench_source", query) == server.value("bench_destination", query)


def postgresql_first_load(arguments):
    server = PostgreSQL(os.environ["SYNCFLOW_TEST_POSTGRESQL_URL"])
    say(f"bench: making {arguments.rows} rows")
    make_accounts(server, arguments.rows)
    copies, loads, peaks = [], [], []
    for number in range(arguments.rounds):
        copies.append(copy_through_pipe(server))
        seconds, peak_mib, report = first_load(server, arguments.program)
        loads.append(seconds)
        peaks.append(peak_mib)
        if report["read"] < arguments.rows or not same_rows(server):
            raise SystemExit(f"bench: the load is not complete: {report}")
        say(f"bench: round {number + 1}: COPY | COPY {copies[-1]:.2f} s, syncflow {seconds:.2f} s, peak {peak_mib:.0f} MiB")
    return {
        "name": "postgresql-first-load",
        "rows": arguments.rows,
        "limit_seconds": statistics.median(copies),
        "seconds": statistics.median(loads),
        "ratio": statistics.median(c / l for c, l in zip(copies, loads)),
        "rows_per_second": arguments.rows / statistics.median(loads),
        "peak_mib": max(peaks),
    }


BENCHMARKS = {"postgresql-first-load": postgresql_first_load}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--json")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name}; there are {', '.join(BENCHMARKS)}")
    results = [BENCHMARKS[name](arguments) for name in arguments.names or BENCHMARKS]
    for result in results:
        print(f"{result['name']}: {result['rows']:,} rows, limit {result['limit_seconds']:.2f} s, syncflow {result['seconds']:.2f} s, "
              f"ratio {result['ratio']:.2f}, {result['rows_per_second']:,.0f} rows/s, peak {result['peak_mib']:.0f} MiB")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
