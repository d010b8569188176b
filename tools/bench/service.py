"""How fast `serve` is there, and how much memory it takes."""

import contextlib
import statistics
import threading
import time

import accounts
import first_load
from measure import Figure, fail, say
from syncflow import Project, one_table

SAMPLE_SECONDS = 0.01
IDLE_SECONDS = 3
STARTS = 20
LOADS_AT_ONCE = 4


@contextlib.contextmanager
def sampled(service):
    """The highest resident and anonymous memory of the service while the block runs."""
    highest = {"resident": 0.0, "anonymous": 0.0}
    done = threading.Event()

    def sample():
        while not done.is_set():
            now = service.memory_mib()
            for name in highest:
                highest[name] = max(highest[name], now[name])
            done.wait(SAMPLE_SECONDS)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield highest
    finally:
        done.set()
        thread.join()


def await_completed(service, count):
    """Until that many jobs are over; all of them well."""
    while True:
        jobs = service.ask("GET", "/jobs?limit=1000")[1]["jobs"]
        if any(job["status"] == "failed" for job in jobs):
            fail(f"a job failed: {jobs}")
        if sum(job["status"] == "completed" for job in jobs) >= count:
            return
        time.sleep(0.05)


def syncs_of(count):
    """One sync for each of so many destination tables, all of one source table."""
    return [{"name": f"accounts-{number}", "source": "from", "destination": "to", "schedule": "every 1 hour",
             "tables": [{"source": "public.pgbench_accounts", "destination": f"public.accounts_{number}"}]}
            for number in range(1, count + 1)]


def connections_of(setting):
    return {"from": setting.postgresql.connection("bench_source"), "to": setting.postgresql.connection("bench_destination")}


def while_loading(setting, loads):
    """The highest memory of a `serve` that makes so many first loads at once."""
    setting.postgresql.fresh("bench_destination")
    with Project(setting.program, connections_of(setting), syncs_of(loads)) as project, project.serve() as service:
        with sampled(service) as highest:
            await_completed(service, loads)
        count = int(setting.postgresql.value("bench_destination", f"SELECT count(*) FROM accounts_{loads}"))
        if count < setting.rows:
            fail(f"service: {count} of {setting.rows} rows arrived")
        highest["resident"] = max(highest["resident"], service.memory_mib()["highest"])
        return highest


def start_and_rest(setting):
    """Seconds until ready of each start, and the memory of a `serve` that has nothing to do."""
    setting.sqlite.fresh("bench_few")
    setting.sqlite.fresh("bench_few_copy")
    setting.sqlite.sql("bench_few", accounts.SQLITE_TABLE + "INSERT INTO accounts VALUES (1, 1, 1, 'x', '2024-01-01 00:00:00');")
    connections = {"from": setting.sqlite.connection("bench_few"), "to": setting.sqlite.connection("bench_few_copy")}
    with Project(setting.program, connections, one_table("accounts", "accounts")) as project:
        project.run()
        starts = []
        for _ in range(STARTS):
            with project.serve() as service:
                starts.append(service.ready_seconds)
        with project.serve() as service:
            time.sleep(IDLE_SECONDS)
            memory = service.memory_mib()
    return starts, memory


def serve(setting):
    """Start-up time and memory of `serve`: idle, during a first load, during four at once"""
    say("serve: starting it")
    starts, idle = start_and_rest(setting)
    yield Figure("serve-start", 1000 * statistics.median(starts), "ms until /readyz answers", at_most=100,
                 details={"slowest (ms)": 1000 * max(starts), "starts": STARTS})
    yield Figure("serve-idle-memory", idle["anonymous"], "MiB anonymous", at_most=20, details={"resident MiB": idle["resident"]})
    say(f"serve: making {setting.rows:,} rows")
    first_load.make_pgbench_accounts(setting.postgresql, setting.rows)
    one = while_loading(setting, 1)
    yield Figure("serve-loading-memory", one["resident"], "MiB resident during a first load", at_most=64,
                 details={"anonymous MiB": one["anonymous"], "rows": setting.rows})
    many = while_loading(setting, LOADS_AT_ONCE)
    yield Figure("serve-busy-memory", many["resident"], f"MiB resident during {LOADS_AT_ONCE} first loads at once",
                 details={"anonymous MiB": many["anonymous"], "rows each": setting.rows})
