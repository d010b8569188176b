#!/usr/bin/python3
"""Times the release program beside what the systems themselves can do, in turn, and prints the ratios.

Called by script/bench, which starts the servers and names them in the environment.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

import changes
import first_load
import job_queue
import polls
import service
import verify
from databases import MySQL, PostgreSQL, SQLite
from measure import LeftOut, say

BENCHMARKS = {
    "postgresql-first-load": first_load.postgresql_first_load,
    "mysql-to-postgresql": first_load.mysql_to_postgresql,
    "mariadb-to-postgresql": first_load.mariadb_to_postgresql,
    "mysql-destination": first_load.mysql_destination,
    "mariadb-destination": first_load.mariadb_destination,
    "sqlite-destination": first_load.sqlite_destination,
    "changed-rows": changes.changed_rows,
    "idle-poll": polls.idle_poll,
    "verify": verify.verify,
    "jobs": job_queue.jobs,
    "serve": service.serve,
}


class Setting:
    """What every benchmark is given: the programs, the servers, and how much to do."""

    def __init__(self, arguments, folder):
        self.program = arguments.program
        self.bench_program = arguments.bench_program
        self.peers = arguments.peers
        self.rows = arguments.rows
        self.rounds = arguments.rounds
        self.stores = [arguments.store] if arguments.store else job_queue.STORES
        self.folder = folder
        self.postgresql = PostgreSQL(os.environ["SYNCFLOW_TEST_POSTGRESQL_URL"], arguments.postgresql_log)
        self.mariadb = MySQL("MariaDB", os.environ["SYNCFLOW_TEST_MARIADB_URL"])
        self.sqlite = SQLite(folder)

    @property
    def mysql(self):
        url = os.environ.get("SYNCFLOW_TEST_MYSQL_URL")
        if not url:
            raise LeftOut("there is no MySQL server: it could not be downloaded")
        return MySQL("MySQL", url)

    @property
    def every_mysql(self):
        return [self.mariadb] + ([self.mysql] if "SYNCFLOW_TEST_MYSQL_URL" in os.environ else [])


def parse():
    described = "\n".join(f"  {name:<24}{function.__doc__}" for name, function in BENCHMARKS.items())
    parser = argparse.ArgumentParser(prog="script/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="NAME is one of:\n" + described)
    parser.add_argument("--program", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--bench-program", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peers", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--postgresql-log", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", choices=job_queue.STORES, help="of the benchmark jobs; both unless given")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name}; there are {', '.join(BENCHMARKS)}")
    return arguments


def main():
    arguments = parse()
    figures, left_out = [], []
    with tempfile.TemporaryDirectory(prefix="syncflow-bench.") as folder:
        # The databases' clients and servers may run as somebody else.
        os.chmod(folder, 0o755)
        for name in arguments.names or BENCHMARKS:
            try:
                for figure in BENCHMARKS[name](Setting(arguments, folder)):
                    figures.append(figure)
                    print(figure.line(), flush=True)
            except LeftOut as reason:
                left_out.append({"name": name, "reason": str(reason)})
                say(f"{name}: left out: {reason}")
    if arguments.json:
        results = {"figures": [figure.as_json() for figure in figures], "left_out": left_out}
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
