"""The table that the benchmarks carry, in each database: pgbench's accounts with a last-modified field.

(aid, bid, abalance, filler, updated_at); the same rows everywhere, made from their numbers.
"""

import datetime
import pathlib

from measure import say

FIELDS = "aid, bid, abalance, filler, updated_at"
FIRST_STAMP = "2024-01-01 00:00:00"
# A second between two rows; rows that follow one another in the key do so in the stamp.
ROWS_PER_BRANCH = 100_000

POSTGRESQL_TABLE = ("CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler varchar(84), "
                    "updated_at timestamptz NOT NULL);")
MYSQL_TABLE = ("CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler varchar(84), "
               "updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP) CHARACTER SET utf8mb4;")
SQLITE_TABLE = ("CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler varchar(84), "
                "updated_at timestamp NOT NULL);")

# The same text from each, for digests.
ROWS_OF_POSTGRESQL = "SELECT aid, bid, abalance, filler, updated_at::timestamp FROM {table} ORDER BY aid"
ROWS_OF_MYSQL = "SELECT aid, bid, abalance, filler, CAST(updated_at AS DATETIME) FROM {table} ORDER BY aid"
ROWS_OF_SQLITE = ("SELECT aid, bid, abalance, filler, strftime('%Y-%m-%d %H:%M:%S', updated_at) FROM {table} ORDER BY aid")


def write_rows(file, rows):
    """As tab-separated text, which COPY, LOAD DATA and .import read alike."""
    first = datetime.datetime.fromisoformat(FIRST_STAMP)
    days = [(first + datetime.timedelta(days=day)).strftime("%Y-%m-%d ") for day in range(rows // 86_400 + 2)]
    seconds = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)]
    with open(file, "w", encoding="ascii", buffering=1 << 20) as out:
        for aid in range(1, rows + 1):
            mixed = aid * 2_654_435_761 & 0xFFFF_FFFF
            out.write(f"{aid}\t{aid // ROWS_PER_BRANCH + 1}\t{mixed % 200_001 - 100_000}\t{f'{mixed:08x}' * 10}{aid % 10_000:04}\t"
                      f"{days[aid // 86_400]}{seconds[aid % 86_400]}\n")


def rows_file(folder, rows):
    """Made once a run for each number of rows."""
    file = pathlib.Path(folder, f"accounts-{rows}.tsv")
    if not file.exists():
        say(f"writing {rows:,} rows")
        write_rows(file, rows)
    return file


def make_in_postgresql(server, database, file):
    server.fresh(database)
    server.sql(database, POSTGRESQL_TABLE + f"\nSET timezone = 'UTC';\n\\copy accounts FROM '{file}'\n"
                         "CREATE INDEX ON accounts (updated_at, aid);\nVACUUM (FREEZE, ANALYZE) accounts;\nCHECKPOINT;")


def make_in_mysql(server, database, file, index=True):
    server.fresh(database)
    server.sql(database, MYSQL_TABLE)
    server.sql(database, f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE accounts;"
                         + ("CREATE INDEX by_stamp ON accounts (updated_at, aid);" if index else "")
                         + "ANALYZE TABLE accounts;")


def make_in_sqlite(database_files, database, file):
    database_files.fresh(database)
    database_files.sql(database, SQLITE_TABLE + f"\n.mode tabs\n.import {file} accounts\n"
                                 "CREATE INDEX by_stamp ON accounts (updated_at, aid);\nANALYZE;")


def digest_in(server, database, table="accounts"):
    """What the rows of the table are, in the form that all databases share."""
    rows = {"postgresql": ROWS_OF_POSTGRESQL, "mysql": ROWS_OF_MYSQL, "sqlite": ROWS_OF_SQLITE}[server.provider]
    return server.digest(database, rows.format(table=table))
