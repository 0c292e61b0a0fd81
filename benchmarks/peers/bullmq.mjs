// BullMQ on Node: concurrency 100; finished jobs and return values kept (its default). Same roles as base.py.
// Usage: node bullmq.mjs ROLE --count N --start N --sent FILE; BENCH_HOME holds node_modules.

import { createRequire } from 'node:module';
import fs from 'node:fs';
import { parseArgs } from 'node:util';

const load = createRequire(process.env.BENCH_HOME + '/');
const { Queue, Worker } = load('bullmq');
const IORedis = load('ioredis').Redis ?? load('ioredis');

const JOBS = Number(process.env.BENCH_JOBS ?? 20000);
const BATCH = 1000;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string', default: '0' }, start: { type: 'string', default: '0' }, sent: { type: 'string' } },
});
const role = positionals[0];
const first = Number(values.start);
const count = Number(values.count);
const wall = () => (performance.timeOrigin + performance.now()) / 1000;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const payload = (n) => ({ to: 'user@example.com', n });
const connect = () => new IORedis(process.env.BENCH_URL, { maxRetriesPerRequest: null });

// The journal: JOBS doubles (time of the last run), JOBS bytes (number of runs).
const journal = new ArrayBuffer(JOBS * 9);
const stamps = new Float64Array(journal, 0, JOBS);
const counts = new Uint8Array(journal, JOBS * 8, JOBS);

function describe() {
  const version = (name) => load(`${name}/package.json`).version;
  return {
    worker: [process.execPath, process.argv[1], 'worker'],
    left: [
      ['LLEN', 'bull:bench:wait'], ['LLEN', 'bull:bench:active'], ['ZCARD', 'bull:bench:prioritized'],
      ['ZCARD', 'bull:bench:delayed'],
    ],
    completed: [['ZCARD', 'bull:bench:completed']],
    note: 'concurrency 100; results kept',
    versions: { bullmq: version('bullmq'), ioredis: version('ioredis'), node: process.version },
  };
}

function work() {
  const file = fs.openSync(process.env.BENCH_JOURNAL, 'r+');
  const bytes = new Uint8Array(journal);
  let dirty = false;
  setInterval(() => {
    if (dirty) {
      dirty = false;
      fs.writeSync(file, bytes, 0, bytes.length, 0);
    }
  }, 20);
  const worker = new Worker('bench', async (job) => {
    const n = job.data.n;
    stamps[n] = wall();
    counts[n] += 1;
    dirty = true;
  }, { connection: connect(), concurrency: 100 });
  worker.on('error', (error) => console.error(error.message));
  process.on('SIGTERM', async () => { await worker.close(); process.exit(0); });
}

async function produce() {
  const queue = new Queue('bench', { connection: connect() });
  await queue.waitUntilReady();
  const started = performance.now();
  const cpu = process.cpuUsage();
  const end = first + count;
  if (role === 'one') {
    for (let n = first; n < end; n++) await queue.add('send_email', payload(n));
  } else if (role === 'tasks') {
    let next = first;
    const sender = async () => { while (next < end) await queue.add('send_email', payload(next++)); };
    await Promise.all(Array.from({ length: 100 }, sender));
  } else if (role === 'bulk') {
    for (let at = first; at < end; at += BATCH) {
      const jobs = [];
      for (let n = at; n < Math.min(at + BATCH, end); n++) jobs.push({ name: 'send_email', data: payload(n) });
      await queue.addBulk(jobs);
    }
  } else if (role === 'pickup') {
    for (let n = first; n < end; n++) {
      await sleep(5 + 5 * Math.random());
      stamps[n] = wall();
      await queue.add('send_email', payload(n));
    }
  } else if (role === 'delay') {
    const start = wall() + 2;
    for (let n = first; n < end; n++) {
      stamps[n] = Math.round((start + 4 * Math.random()) * 1000) / 1000;
      await queue.add('send_email', payload(n), { delay: Math.ceil((stamps[n] - wall()) * 1000) });
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  if (values.sent) fs.writeFileSync(values.sent, new Uint8Array(journal));
  await queue.close();
  console.log(JSON.stringify({ jobs: count, seconds, client_us: (used.user + used.system) / count }));
  process.exit(0);
}

if (role === 'describe') console.log(JSON.stringify(describe()));
else if (role === 'worker') work();
else await produce();
