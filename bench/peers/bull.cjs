// A peer: a BullMQ worker of four, under a global concurrency of 2; with "send", it puts the jobs in line.
const { spawn } = require("node:child_process");
const { Queue, Worker } = require("bullmq");

const argv = JSON.parse(process.env.BENCH_ARGV);
const connection = { url: process.env.BENCH_REDIS, maxRetriesPerRequest: null };

function run() {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: "ignore" });
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code}`))));
  });
}

async function send() {
  const queue = new Queue("bench", { connection });
  await queue.setGlobalConcurrency(2);
  await queue.addBulk(Array.from({ length: Number(process.env.BENCH_COUNT) }, () => ({ name: "work", data: {} })));
  await queue.close();
}

if (process.argv[2] === "send") {
  send();
} else {
  const worker = new Worker("bench", run, { connection, concurrency: 4 });
  process.on("SIGTERM", () => worker.close().then(() => process.exit(0)));
}
