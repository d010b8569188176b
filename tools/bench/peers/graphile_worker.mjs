// node graphile_worker.mjs DATABASE-URL CONCURRENCY JOBS [BATCH]: JOBS that do nothing, through graphile-worker.
// BATCH: fetched and completed so many at a time, its fastest way.
import { Logger, run, runMigrations } from "graphile-worker";
import pg from "pg";

const [url, concurrency, jobs, batch] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const quiet = new Logger(() => () => {});
const pool = new pg.Pool({ connectionString: url, max: concurrency + 2 });
pool.on("error", (error) => { throw error; });

await runMigrations({ pgPool: pool, logger: quiet });
await pool.query("SELECT graphile_worker.add_job('nothing', '{}'::json) FROM generate_series(1, $1)", [jobs]);

let done = 0;
let finished;
const all = new Promise((resolve) => { finished = resolve; });
const batches = batch ? { localQueue: { size: batch }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {};

const began = process.hrtime.bigint();
const runner = await run({
  pgPool: pool,
  logger: quiet,
  noHandleSignals: true,
  preset: { worker: { concurrentJobs: concurrency, pollInterval: 100, ...batches } },
  taskList: { nothing: async () => { if (++done === jobs) finished(); } },
});
await all;
// Done is done when the queue knows it.
let left;
do {
  left = Number((await pool.query("SELECT count(*) FROM graphile_worker._private_jobs")).rows[0].count);
} while (left > 0);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
await runner.stop();
await pool.end();
console.log(JSON.stringify({ seconds, completed: done }));
