"""First loads: syncflow beside the fastest way that the two databases have themselves, and beside pgloader."""

import pathlib
import shutil
import statistics
import subprocess

import accounts
from accounts import FIELDS
from measure import Figure, LeftOut, fail, say, timed, timed_pipe
from syncflow import Project, one_table

POSTGRESQL_PROGRAMS = "/usr/lib/postgresql/15/bin"
MOST_MIB = 64


def load(setting, source, destination, table="accounts", of_source="accounts"):
    """syncflow run, from nothing: a new store, a missing destination table."""
    destination.fresh("bench_destination")
    connections = {"from": source.connection("bench_source"), "to": destination.connection("bench_destination")}
    with Project(setting.program, connections, one_table(of_source, table)) as project:
        return project.run()


def compare(setting, name, unit, at_least, peer, ours, same):
    """Rounds of `peer()` and `ours()` (a run), in turn; `same()` tells whether the rows arrived."""
    beside, loads = [], []
    for number in range(setting.rounds):
        beside.append(peer())
        went, report = ours()
        if report["read"] < setting.rows or not same():
            fail(f"{name}: the load is not complete: {report}")
        loads.append(went)
        say(f"{name}, round {number + 1}: beside it {beside[-1].seconds:.2f} s, syncflow {went.seconds:.2f} s, "
            f"peak {went.peak_mib:.0f} MiB")
    seconds = middle(loads, "seconds")
    return Figure(name, statistics.median(b.seconds / l.seconds for b, l in zip(beside, loads)), unit, at_least=at_least, details={
        "rows": setting.rows, "beside it (s)": middle(beside, "seconds"), "syncflow (s)": seconds,
        "rows/s": setting.rows / seconds, "peak MiB": max(load.peak_mib for load in loads),
        "CPU beside it (s)": middle(beside, "cpu_seconds"), "CPU (s)": middle(loads, "cpu_seconds")})


def middle(runs, what):
    return statistics.median(getattr(run, what) for run in runs)


def peak(name, figure):
    return Figure(f"{name}-peak", figure.details["peak MiB"], "MiB resident", at_most=MOST_MIB)


# --- PostgreSQL to PostgreSQL ---


def make_pgbench_accounts(server, rows):
    """pgbench's own, with the last-modified field that a table of this size needs."""
    server.fresh("bench_source")
    subprocess.run([POSTGRESQL_PROGRAMS + "/pgbench", "-i", "-q", "-s", str(max(1, rows // 100_000)), "-h", server.url.hostname,
                    "-p", str(server.url.port), "-U", server.url.username, "bench_source"], check=True,
                   stderr=subprocess.DEVNULL)
    server.sql("bench_source", "ALTER TABLE pgbench_accounts ADD updated_at timestamptz NOT NULL DEFAULT now() - interval '1 day';"
                               "CREATE INDEX ON pgbench_accounts (updated_at, aid);"
                               "VACUUM (FREEZE, ANALYZE) pgbench_accounts; CHECKPOINT;")


def copy_through_pipe(server, database="bench_copy"):
    """The limit: binary COPY out and in, into a table made as syncflow makes it."""
    server.fresh(database)
    server.sql(database, "CREATE TABLE pgbench_accounts (aid integer PRIMARY KEY, bid integer, abalance integer, "
                         "filler character(84), updated_at timestamptz); CHECKPOINT;")
    out = f"COPY (SELECT {FIELDS} FROM pgbench_accounts ORDER BY aid) TO STDOUT (FORMAT binary)"
    into = f"COPY pgbench_accounts ({FIELDS}) FROM STDIN (FORMAT binary)"
    return timed_pipe(server.psql("bench_source", "-c", out), server.psql(database, "-c", into))


def same_pgbench_rows(server, database="bench_destination"):
    query = f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM (SELECT {FIELDS} FROM pgbench_accounts) t"
    return server.value("bench_source", query) == server.value(database, query)


def postgresql_first_load(setting):
    """PostgreSQL to PostgreSQL, beside binary COPY … | COPY …"""
    server = setting.postgresql
    say(f"making {setting.rows:,} rows")
    make_pgbench_accounts(server, setting.rows)
    name = "postgresql-first-load"
    figure = compare(setting, name, "of COPY | COPY", 0.8, lambda: copy_through_pipe(server),
                     lambda: load(setting, server, server, "public.pgbench_accounts", "public.pgbench_accounts"),
                     lambda: same_pgbench_rows(server))
    return [figure, peak(name, figure)]


# --- MySQL to PostgreSQL ---

PGLOADER = """LOAD DATABASE FROM {source} INTO {destination}
  WITH include drop, create tables, create indexes, no foreign keys
  SET timezone TO 'UTC'
  ALTER SCHEMA 'bench_source' RENAME TO 'public';
"""


def pgloader(setting, source):
    """pgloader with its usual settings, into a table that it makes itself, with the same key."""
    setting.postgresql.fresh("bench_pgloader")
    file = pathlib.Path(setting.folder, "accounts.load")
    file.write_text(PGLOADER.format(source=source.database_url("bench_source"),
                                    destination=setting.postgresql.database_url("bench_pgloader")))
    went = timed(["pgloader", str(file)], cwd=setting.folder)
    # It ends well even when it could not log in.
    if setting.postgresql.value("bench_pgloader", "SELECT to_regclass('public.accounts') IS NOT NULL") != "t":
        raise LeftOut(f"pgloader loaded nothing from {source.name}: {first_complaint(went.output + went.complaints)}")
    if accounts.digest_in(setting.postgresql, "bench_pgloader") != accounts.digest_in(source, "bench_source"):
        raise LeftOut(f"pgloader did not load the same rows from {source.name}: {first_complaint(went.output + went.complaints)}")
    return went


def first_complaint(output):
    lines = [line for line in output.splitlines() if "ERROR" in line or "Failed" in line] or output.splitlines()[:1]
    return " ".join(lines[:2])


def read_into_copy(setting, source):
    """The limit: the client streams the rows out as text, and COPY takes them in."""
    server = setting.postgresql
    server.fresh("bench_copy")
    server.sql("bench_copy", accounts.POSTGRESQL_TABLE + "CHECKPOINT;")
    out = source.client("bench_source", "--quick", "-N", "-B", "-e", f"SELECT {FIELDS} FROM accounts ORDER BY aid")
    into = server.psql("bench_copy", "-c", "SET timezone = 'UTC'", "-c", f"COPY accounts ({FIELDS}) FROM STDIN")
    return timed_pipe(out, into, source.environment)


def from_mysql(setting, source):
    name = f"{source.name.lower()}-to-postgresql"
    say(f"{name}: making {setting.rows:,} rows")
    accounts.make_in_mysql(source, "bench_source", accounts.rows_file(setting.folder, setting.rows), index=False)
    wanted = accounts.digest_in(source, "bench_source")

    def ours():
        return load(setting, source, setting.postgresql, "public.accounts")

    def same():
        return accounts.digest_in(setting.postgresql, "bench_destination") == wanted

    figure = compare(setting, f"{name}-limit", "of mariadb --quick | COPY", None, lambda: read_into_copy(setting, source),
                     ours, same)
    yield figure
    yield peak(name, figure)
    if not shutil.which("pgloader"):
        raise LeftOut("there is no pgloader")
    yield compare(setting, f"{name}-pgloader", "times pgloader", 4, lambda: pgloader(setting, source), ours, same)


def mysql_to_postgresql(setting):
    """MySQL to PostgreSQL, beside the client | COPY and beside pgloader"""
    return from_mysql(setting, setting.mysql)


def mariadb_to_postgresql(setting):
    """MariaDB to PostgreSQL, beside the client | COPY and beside pgloader"""
    return from_mysql(setting, setting.mariadb)


# --- into other databases ---


def rows_out(setting):
    """The command that writes the rows of the source as text that the others read too."""
    copy = f"COPY ({accounts.ROWS_OF_POSTGRESQL.format(table='accounts')}) TO STDOUT"
    return setting.postgresql.psql("bench_source", "-c", "SET timezone = 'UTC'", "-c", copy)


def load_data(setting, destination):
    destination.fresh("bench_copy")
    destination.sql("bench_copy", accounts.MYSQL_TABLE)
    out = rows_out(setting)
    into = destination.client("bench_copy", "--local-infile=1", "-e", "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE accounts")
    return timed_pipe(out, into, destination.environment)


def into_mysql(setting, destination):
    name = f"{destination.name.lower()}-destination"
    say(f"{name}: making {setting.rows:,} rows")
    accounts.make_in_postgresql(setting.postgresql, "bench_source", accounts.rows_file(setting.folder, setting.rows))
    wanted = accounts.digest_in(setting.postgresql, "bench_source")
    figure = compare(setting, name, "of COPY | LOAD DATA LOCAL INFILE", None, lambda: load_data(setting, destination),
                     lambda: load(setting, setting.postgresql, destination, of_source="public.accounts"),
                     lambda: accounts.digest_in(destination, "bench_destination") == wanted)
    return [figure, peak(name, figure)]


def mysql_destination(setting):
    """PostgreSQL to MySQL, beside COPY … | LOAD DATA LOCAL INFILE"""
    return into_mysql(setting, setting.mysql)


def mariadb_destination(setting):
    """PostgreSQL to MariaDB, beside COPY … | LOAD DATA LOCAL INFILE"""
    return into_mysql(setting, setting.mariadb)


def import_into_sqlite(setting):
    setting.sqlite.fresh("bench_copy")
    setting.sqlite.sql("bench_copy", accounts.SQLITE_TABLE)
    out = rows_out(setting)
    into = ["sqlite3", "-batch", "-bail", setting.sqlite.file("bench_copy"), ".mode tabs", ".import /dev/stdin accounts"]
    return timed_pipe(out, into)


def sqlite_destination(setting):
    """PostgreSQL to SQLite, beside COPY … | sqlite3 .import"""
    name = "sqlite-destination"
    say(f"{name}: making {setting.rows:,} rows")
    accounts.make_in_postgresql(setting.postgresql, "bench_source", accounts.rows_file(setting.folder, setting.rows))
    wanted = accounts.digest_in(setting.postgresql, "bench_source")
    figure = compare(setting, name, "of COPY | sqlite3 .import", None, lambda: import_into_sqlite(setting),
                     lambda: load(setting, setting.postgresql, setting.sqlite, of_source="public.accounts"),
                     lambda: accounts.digest_in(setting.sqlite, "bench_destination") == wanted)
    return [figure, peak(name, figure)]
