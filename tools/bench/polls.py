"""What it costs to look at a table that has nothing new: the same at 10,000 rows as at any number."""

import json
import statistics
import time

import accounts
from measure import Figure, fail, say, timed
from syncflow import Project, one_table

FEW_ROWS = 10_000
LOOKS = 100
FEW_LOOKS = 10
FRESH_ROWS = 100
# The two ways a table may be found: nothing in it is younger than the overlap, or some rows are.
OVERLAPS = {"closed": "1s", "open": "1h"}
TOUCH = {"postgresql": "UPDATE accounts SET updated_at = now() WHERE aid <= {rows};",
         "mysql": "UPDATE accounts SET updated_at = now() WHERE aid <= {rows};",
         "sqlite": "UPDATE accounts SET updated_at = strftime('%Y-%m-%d %H:%M:%S', 'now') WHERE aid <= {rows};"}


def make(setting, source, rows):
    file = accounts.rows_file(setting.folder, rows)
    say(f"idle-poll: {source.name}: making {rows:,} rows")
    {"postgresql": accounts.make_in_postgresql, "mysql": accounts.make_in_mysql,
     "sqlite": accounts.make_in_sqlite}[source.provider](source, "bench_source", file)


def looks(setting, project, count=LOOKS):
    """Seconds of each look, as the poller of a warm `serve` makes it, and how many found something."""
    went = timed([setting.bench_program, "looks", str(project.file), "accounts", str(count)], cwd=project.folder)
    return json.loads(went.output)


def statements_of_a_look(setting, source, project):
    """By the server's own count. None: it does not count."""
    if not hasattr(source, "statements"):
        return None
    source.count_statements("bench_source")

    def counted(count):
        before = source.statements("bench_source")
        looks(setting, project, count)
        return source.statements("bench_source") - before

    # What one start of the program costs, and asking for the count, is in both.
    few = counted(FEW_LOOKS)
    return (counted(FEW_LOOKS + LOOKS) - few) / LOOKS


def measure(setting, source, window):
    """The median of a look in milliseconds, and its statements, as the overlap is open or closed."""
    setting.postgresql.fresh("bench_destination")
    connections = {"from": source.connection("bench_source"), "to": setting.postgresql.connection("bench_destination")}
    table = "public.accounts" if source.provider == "postgresql" else "accounts"
    with Project(setting.program, connections, one_table(table, "public.accounts", overlap=OVERLAPS[window])) as project:
        project.run()
        if window == "open":
            source.sql("bench_source", TOUCH[source.provider].format(rows=FRESH_ROWS))
            project.run()
        # What was begun while rows were read has ended; a look may want to see that once.
        time.sleep(2)
        looks(setting, project)
        found = looks(setting, project)
        if found["changed"]:
            fail(f"idle-poll: {source.name}, overlap {window}: {found['changed']} looks found something where nothing is")
        return found, statements_of_a_look(setting, source, project)


def idle_poll(setting):
    """A poll that finds nothing, at 10,000 rows and at --rows, per database"""
    sources = [setting.postgresql, *setting.every_mysql, setting.sqlite]
    for source in sources:
        medians = {}
        for rows in (FEW_ROWS, setting.rows):
            make(setting, source, rows)
            for window in OVERLAPS:
                found, statements = measure(setting, source, window)
                milliseconds = [1000 * seconds for seconds in found["seconds"]]
                medians[rows, window] = statistics.median(milliseconds)
                say(f"idle-poll: {source.name}, {rows:,} rows, overlap {window}: {medians[rows, window]:.2f} ms, "
                    f"{statements} statements")
                details = {"rows": rows, "90 % (ms)": statistics.quantiles(milliseconds, n=10)[-1],
                           "CPU (ms)": 1000 * found["cpu_seconds"] / LOOKS}
                if statements is not None:
                    details["statements"] = statements
                yield Figure(f"idle-poll-{source.name.lower()}-{window}", medians[rows, window], "ms a look", details=details)
        for window in OVERLAPS:
            yield Figure(f"idle-poll-{source.name.lower()}-{window}-growth",
                         medians[setting.rows, window] / medians[FEW_ROWS, window],
                         f"times the cost at {FEW_ROWS:,} rows, at {setting.rows:,}", at_most=1.5)
