// node pg_boss.mjs DATABASE-URL CONCURRENCY JOBS BATCH: JOBS that do nothing, through pg-boss, fetched and
// completed BATCH at a time by CONCURRENCY workers without its pauses between two fetches.
import { PgBoss } from "pg-boss";

const [url, concurrency, jobs, batch] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const boss = new PgBoss({ connectionString: url, max: concurrency + 2, supervise: false, schedule: false });
boss.on("error", (error) => { throw error; });
await boss.start();
await boss.createQueue("nothing");
for (let made = 0; made < jobs; made += 1000)
  await boss.insert("nothing", Array.from({ length: Math.min(1000, jobs - made) }, () => ({ data: {} })));

let done = 0;
async function work() {
  for (;;) {
    const fetched = await boss.fetch("nothing", { batchSize: batch });
    if (fetched.length === 0) return;
    await boss.complete("nothing", fetched.map((job) => job.id));
    done += fetched.length;
  }
}

const began = process.hrtime.bigint();
await Promise.all(Array.from({ length: concurrency }, work));
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
await boss.stop({ graceful: false });
console.log(JSON.stringify({ seconds, completed: done }));
process.exit(0);
