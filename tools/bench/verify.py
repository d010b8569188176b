"""`syncflow verify` of two equal PostgreSQL tables, beside reading both with COPY."""

import statistics

import accounts
from measure import Figure, fail, say, timed
from syncflow import Project, one_table

ROWS = 1_000_000


def copy_both(server):
    """Both tables as text to /dev/null, one after the other: the seconds of both."""
    seconds = 0
    for database in ("bench_source", "bench_destination"):
        command = server.psql(database, "-c", "COPY accounts TO STDOUT")
        seconds += timed(["bash", "-c", '"$@" > /dev/null', "bash", *command]).seconds
    return seconds


def checked_verify(project, name, rows, differing=0):
    """Seconds from start to end of a `verify` that found what is there."""
    went, found = project.verify(equal=differing == 0)
    table = found["tables"][0]
    if (table["equal"], table["differing"]) != (rows - differing, differing):
        fail(f"{name}: verify did not find what is there: {found}")
    return went.seconds


def verify(setting):
    """`syncflow verify` of two equal tables of a million rows, beside COPY of both to /dev/null"""
    server, name, rows = setting.postgresql, "verify", min(setting.rows, ROWS)
    say(f"{name}: making {rows:,} rows, twice")
    accounts.make_in_postgresql(server, "bench_source", accounts.rows_file(setting.folder, rows))
    server.fresh("bench_destination")
    connections = {"from": server.connection("bench_source"), "to": server.connection("bench_destination")}
    copies, verifies, ratios = [], [], []
    with Project(setting.program, connections, one_table("public.accounts", "public.accounts")) as project:
        project.run()
        server.sql("bench_destination", "VACUUM (FREEZE, ANALYZE) accounts;\nCHECKPOINT;")
        for number in range(setting.rounds):
            copies.append(copy_both(server))
            verifies.append(checked_verify(project, name, rows))
            ratios.append(copies[-1] / verifies[-1])
            say(f"{name}, round {number + 1}: COPY of both {copies[-1]:.2f} s, verify {verifies[-1]:.2f} s")
        server.sql("bench_destination", f"UPDATE accounts SET abalance = abalance + 1 WHERE aid = {rows // 2};")
        one_differs = checked_verify(project, name, rows, differing=1)
    return [Figure(name, statistics.median(ratios), "of the speed of COPY of both", at_least=1, details={
        "rows": rows, "COPY of both (s)": statistics.median(copies), "verify (s)": statistics.median(verifies),
        "one row differs (s)": one_differs})]
