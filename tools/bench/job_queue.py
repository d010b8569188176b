"""Jobs that do nothing, through the whole queue: how many a second, beside two job queues on PostgreSQL.

Every queue is durable here: what is committed has reached the disk.
"""

import json
import pathlib
import shutil
import statistics
import subprocess

from measure import Figure, LeftOut, fail, say, timed

CONCURRENCIES = (1, 4, 24)
JOBS = {1: 1_000, 4: 4_000, 24: 10_000}
GOAL_A_SECOND = 6_000
GOAL_TIMES = {"graphile-worker": 3}
STORES = ("sqlite", "postgresql")
HERE = pathlib.Path(__file__).parent / "peers"


def install_peers(folder):
    """The peers and the Node that they want, from npm. Does nothing when they are there."""
    wanted = (HERE / "package.json").read_text(encoding="utf-8")
    have = folder / "package.json"
    if have.exists() and have.read_text(encoding="utf-8") == wanted and (folder / "node_modules/.bin/node").exists():
        return
    if not shutil.which("npm"):
        raise LeftOut("there is no npm to install graphile-worker and pg-boss")
    say("installing graphile-worker and pg-boss")
    folder.mkdir(parents=True, exist_ok=True)
    have.write_text(wanted, encoding="utf-8")
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        have.unlink()
        raise LeftOut(f"npm could not install graphile-worker and pg-boss: {done.stderr.strip()[-300:]}")


class Peer:
    def __init__(self, setting, name, script, *options):
        self.setting = setting
        self.name = name
        self.script = script
        self.options = options

    def jobs_a_second(self, concurrency, jobs):
        folder = pathlib.Path(self.setting.peers)
        self.setting.postgresql.fresh("bench_jobs")
        for file in HERE.glob("*.mjs"):
            shutil.copy(file, folder)
        went = timed([str(folder / "node_modules/.bin/node"), str(folder / self.script),
                      self.setting.postgresql.database_url("bench_jobs"), str(concurrency), str(jobs), *self.options],
                     {"NO_LOG_SUCCESS": "1"}, cwd=folder)
        return checked_speed(self.name, went.output, jobs)


class Syncflow:
    def __init__(self, setting, store):
        self.setting = setting
        self.name = f"syncflow on {store}"
        self.store = store

    def jobs_a_second(self, concurrency, jobs):
        folder = pathlib.Path(self.setting.folder)
        store = self.store
        if store == "sqlite":
            file = folder / "jobs.db"
            for ending in ("", "-wal", "-shm", ".lock"):
                pathlib.Path(str(file) + ending).unlink(missing_ok=True)
            store = f"sqlite:{file}"
        else:
            self.setting.postgresql.fresh("bench_jobs")
            store = self.setting.postgresql.database_url("bench_jobs")
        went = timed([self.setting.bench_program, "jobs", store, str(concurrency), str(jobs)], cwd=folder)
        return checked_speed(self.name, went.output, jobs)


def checked_speed(name, output, jobs):
    report = json.loads(output.splitlines()[-1])
    if report["completed"] != jobs:
        fail(f"{name}: {report['completed']} of {jobs} jobs were completed")
    return jobs / report["seconds"]


def jobs(setting):
    """Jobs a second at concurrency 1, 4 and 24, on either store, beside graphile-worker and pg-boss"""
    peers, why = [], None
    try:
        install_peers(pathlib.Path(setting.peers))
        peers = [Peer(setting, "graphile-worker", "graphile_worker.mjs"),
                 Peer(setting, "graphile-worker in batches", "graphile_worker.mjs", "100"),
                 Peer(setting, "pg-boss", "pg_boss.mjs", "1"), Peer(setting, "pg-boss in batches", "pg_boss.mjs", "100")]
    except LeftOut as reason:
        why = reason
    setting.postgresql.set_durable(True)
    try:
        yield from side_by_side(setting, peers)
    finally:
        setting.postgresql.set_durable(False)
    if why:
        raise why


def side_by_side(setting, peers):
    queues = [Syncflow(setting, store) for store in setting.stores] + peers
    for concurrency in CONCURRENCIES:
        speeds = {}
        for number in range(setting.rounds):
            for queue in queues:
                speed = queue.jobs_a_second(concurrency, JOBS[concurrency])
                speeds.setdefault(queue.name, []).append(speed)
                say(f"jobs: round {number + 1}, concurrency {concurrency}, {queue.name}: {speed:,.0f} jobs/s")
        medians = {name: statistics.median(values) for name, values in speeds.items()}
        yield from compared(concurrency, setting.stores, medians)


def compared(concurrency, stores, speeds):
    """For each store its own speed and how many times that of each peer it is, which takes its jobs one by one too."""
    peers = {name: speed for name, speed in speeds.items() if not name.startswith("syncflow")}
    goals = concurrency == CONCURRENCIES[-1]
    for store in stores:
        ours = speeds[f"syncflow on {store}"]
        yield Figure(f"jobs-{store}-{concurrency}", ours, "jobs/s", at_least=GOAL_A_SECOND if goals else None,
                     details={f"{name} (jobs/s)": speed for name, speed in peers.items()})
        for name in ("graphile-worker", "pg-boss"):
            if name in peers:
                yield Figure(f"jobs-{store}-{concurrency}-ratio-{name}", ours / peers[name], f"times {name}",
                             at_least=GOAL_TIMES.get(name) if goals else None)
