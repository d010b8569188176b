"""10,000 changed rows of a large table, carried incrementally, PostgreSQL to PostgreSQL."""

import statistics

import first_load
from accounts import FIELDS
from measure import Figure, fail, say, timed_pipe
from syncflow import Project, one_table

CHANGED_ROWS = 10_000


def change_rows(server, rows, number):
    """Rows all over the table, other ones each round."""
    every = max(1, rows // CHANGED_ROWS)
    before = server.value("bench_source", "SELECT clock_timestamp()")
    server.sql("bench_source", f"UPDATE pgbench_accounts SET abalance = abalance + 1, updated_at = now() "
                               f"WHERE aid % {every} = {number % every};\nCHECKPOINT;")
    return before


def bare_statements(server, since):
    """What carries the same rows without any care: by the index, into a temporary table, and an upsert."""
    out = (f"COPY (SELECT {FIELDS} FROM pgbench_accounts WHERE updated_at > '{since}' ORDER BY updated_at, aid) "
           "TO STDOUT (FORMAT binary)")
    into = ["BEGIN", "CREATE TEMPORARY TABLE changed (LIKE pgbench_accounts) ON COMMIT DROP",
            f"COPY changed ({FIELDS}) FROM STDIN (FORMAT binary)",
            f"INSERT INTO pgbench_accounts ({FIELDS}) SELECT {FIELDS} FROM changed ON CONFLICT (aid) DO UPDATE SET "
            "bid = excluded.bid, abalance = excluded.abalance, filler = excluded.filler, updated_at = excluded.updated_at",
            "COMMIT"]
    options = [word for statement in into for word in ("-c", statement)]
    return timed_pipe(server.psql("bench_source", "-c", out), server.psql("bench_copy", *options))


def changed_rows(setting):
    """10,000 changed rows of the table, beside the bare statements that do the same"""
    server, name = setting.postgresql, "changed-rows"
    say(f"{name}: making {setting.rows:,} rows, twice")
    first_load.make_pgbench_accounts(server, setting.rows)
    first_load.copy_through_pipe(server)
    server.fresh("bench_destination")
    connections = {"from": server.connection("bench_source"), "to": server.connection("bench_destination")}
    table = "public.pgbench_accounts"
    bare, whole, inside, ratios = [], [], [], []
    with Project(setting.program, connections, one_table(table, table)) as project:
        project.run()
        for number in range(setting.rounds):
            since = change_rows(server, setting.rows, number)
            bare.append(bare_statements(server, since).seconds)
            went, report = project.run()
            if report["written"] < min(CHANGED_ROWS, setting.rows):
                fail(f"{name}: the run did not carry the changes: {report}")
            whole.append(went.seconds)
            inside.append(report["seconds"])
            ratios.append(bare[-1] / whole[-1])
            say(f"{name}, round {number + 1}: bare {bare[-1]:.2f} s, syncflow {whole[-1]:.2f} s, {inside[-1]:.2f} s of it in the run")
    for database in ("bench_destination", "bench_copy"):
        if not first_load.same_pgbench_rows(server, database):
            fail(f"{name}: {database} does not hold the rows of the source")
    return [Figure(name, statistics.median(ratios), "of the bare statements' speed", details={
        "rows": setting.rows, "changed": CHANGED_ROWS, "bare (s)": statistics.median(bare),
        "syncflow run (s)": statistics.median(whole), "of it in the run (s)": statistics.median(inside)})]
