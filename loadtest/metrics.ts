import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import path from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { cpuMsOf, runExchange } from "./ext-proc-exchange.ts";
import { exchangeOf } from "./ext-proc-messages.ts";
import { peerScorers, pickerDocument, scorersIn } from "./picker-document.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "100" },
    tenants: { type: "string", default: "100" },
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "20" },
    "scrape-ms": { type: "string", default: "1000" },
    scrapers: { type: "string", default: "1" },
    "no-gzip": { type: "boolean", default: false },
    root: { type: "string", default: path.join(import.meta.dirname, "..") },
    help: { type: "boolean", default: false },
  },
});

const help = `Usage: node loadtest/metrics.ts [options]

Offers each pair of a model and a tenant to a picker once, then goes on at a steady rate while /metrics
is scraped, and prints one JSON line: pick latency, memory, and the scrapes themselves.

  --models N --tenants N   pairs offered (default 100 x 100)
  --rate N                 requests a second while scraping (default 200)
  --seconds N              measured time (default 20)
  --scrape-ms N            milliseconds between two scrapes; 0 for none (default 1000)
  --scrapers N             scrapers at the same time (default 1)
  --no-gzip                scrapes do not ask for compression
  --root DIR               checkout whose picker is measured (default: this one)
`;

const bodyBytes = 2_048;
const settleMs = 3_000;
const engines = "8";

interface ScrapeResult {
  readonly ms: number;
  readonly bytes: number;
  readonly status: number | undefined;
}

/** One scrape; its time includes all of the body. */
function scrape(port: number): Promise<ScrapeResult> {
  const startMs = performance.now();
  const headers = values["no-gzip"] ? {} : { "accept-encoding": "gzip" };
  return new Promise((resolve) => {
    let bytes = 0;
    const done = (status: number | undefined) =>
      resolve({ ms: performance.now() - startMs, bytes, status });
    get({ host: "127.0.0.1", port, path: "/metrics", headers, timeout: 10_000 }, (response) => {
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.on("end", () => done(response.statusCode));
      response.on("error", () => done(undefined));
    })
      .on("timeout", function (this: { destroy(): void }) {
        this.destroy();
      })
      .on("error", () => done(undefined));
  });
}

/** Scrapes until it is told to stop, on a thread of its own so that reading does not delay the load. */
async function scraper(port: number): Promise<void> {
  const everyMs = Number(values["scrape-ms"]);
  const results: ScrapeResult[] = [];
  const stop = new AbortController();
  parentPort?.once("message", () => stop.abort());
  while (!stop.signal.aborted) {
    const startMs = performance.now();
    results.push(await scrape(port));
    const restMs = everyMs - ((performance.now() - startMs) % everyMs);
    await new Promise((resolve) => setTimeout(resolve, restMs));
  }
  parentPort?.postMessage(results);
}

async function scrapesWhile(port: number, work: () => Promise<void>): Promise<ScrapeResult[]> {
  const count = values["scrape-ms"] === "0" ? 0 : Number(values.scrapers);
  const workers = Array.from(
    { length: count },
    () =>
      new Worker(new URL(import.meta.url), { workerData: { port }, argv: process.argv.slice(2) }),
  );
  await work();
  const results = await Promise.all(
    workers.map(async (worker) => {
      const message = once(worker, "message");
      worker.postMessage("stop");
      // The worker sends the list of its scrapes and nothing else.
      const [found] = (await message) as [ScrapeResult[]];
      await worker.terminate();
      return found;
    }),
  );
  return results.flat();
}

interface Load {
  readonly rate: number;
  readonly count: number;
  /** Which pair the request with this number is for. */
  readonly pairOf: (index: number) => number;
}

/** Sends `count` requests, at a rate or (rate 0) as fast as 32 at a time finish; the latencies, sorted. */
async function run(
  sessions: readonly ClientHttp2Session[],
  { rate, count, pairOf }: Load,
): Promise<{ latencies: number[]; failures: number }> {
  const tenants = Number(values.tenants);
  const latencies: number[] = [];
  const startMs = performance.now();
  let failures = 0;
  let next = 0;
  const worker = async () => {
    for (;;) {
      const index = next++;
      if (index >= count) return;
      const dueMs = rate > 0 ? startMs + (index / rate) * 1_000 : 0;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const pair = pairOf(index);
      const names = {
        model: `model-${Math.floor(pair / tenants)}`,
        fairnessId: `tenant-${pair % tenants}`,
      };
      const session = sessions[index % sessions.length];
      if (session === undefined) return;
      try {
        latencies.push(await runExchange(session, exchangeOf(bodyBytes, index % 256, names)));
      } catch {
        failures += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  return { latencies: latencies.toSorted((a, b) => a - b), failures };
}

/** Memory of a process in MB: now, and the most it had. */
function memoryOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (name: string) =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1_024);
  return { now: megabytes("VmRSS"), most: megabytes("VmHWM") };
}

function round(ms: number | undefined): number {
  return Math.round((ms ?? Number.NaN) * 100) / 100;
}

function quantile(sorted: readonly number[], q: number): number {
  return round(sorted[Math.floor(q * (sorted.length - 1))]);
}

async function measured({ grpc, metrics, pid }: { grpc: number; metrics: number; pid: number }) {
  const sessions = [0, 1].map(() => connect(`http://127.0.0.1:${grpc}`));
  const pairs = Number(values.models) * Number(values.tenants);
  const rate = Number(values.rate);
  const seconds = Number(values.seconds);
  await run(sessions, { rate: 0, count: 2_000, pairOf: () => 0 });
  await scrape(metrics);
  const before = memoryOf(pid);
  const offered = await run(sessions, { rate: 0, count: pairs, pairOf: (index) => index });
  // The burst's garbage is not what is measured.
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const ownDelay = monitorEventLoopDelay({ resolution: 1 });
  ownDelay.enable();
  const cpuMs = cpuMsOf(pid);
  let steady = { latencies: [] as number[], failures: 0 };
  const scrapes = await scrapesWhile(metrics, async () => {
    steady = await run(sessions, {
      rate,
      count: rate * seconds,
      // A prime step visits the pairs in no order that caches could follow.
      pairOf: (index) => (index * 7_919) % pairs,
    });
  });
  const after = memoryOf(pid);
  for (const session of sessions) session.close();
  const scrapeMs = scrapes.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return {
    pickMs: [0.5, 0.99, 0.999, 1].map((q) => quantile(steady.latencies, q)),
    /** Of this program: latencies include its delays. */
    ownDelayMs: [0.99, 0.999, 1].map((q) => round(ownDelay.percentile(q * 100) / 1e6)),
    failures: offered.failures + steady.failures,
    memoryMb: { before: before.now, after: after.now, moreAtMost: after.most - before.now },
    cpuPercent: round((cpuMsOf(pid) - cpuMs) / seconds / 10),
    scrapes: scrapes.length,
    scrapesFailed: scrapes.filter(({ status }) => status !== 200).length,
    scrapeMs: [0.5, 1].map((q) => quantile(scrapeMs, q)),
    pageKb: Math.round(Math.max(0, ...scrapes.map(({ bytes }) => bytes)) / 1_000),
  };
}

function start(root: string, argv: readonly string[]): ChildProcess {
  const program = path.join(root, "src", "main.ts");
  return spawn(process.execPath, [program, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
}

/** The first line of a process's output that matches; what follows is read and dropped. */
function lineOf(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const read = (text: string) => {
      output += text;
      const found = output.split("\n").find((line) => pattern.test(line));
      if (found === undefined) return;
      child.stdout?.off("data", read).resume();
      resolve(found);
    };
    child.stdout?.setEncoding("utf8").on("data", read);
    child.on("exit", (code) => reject(new Error(`a child ended with ${code}`)));
  });
}

async function main(): Promise<object> {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-loadtest-"));
  const endpoints = path.join(folder, "endpoints.json");
  const config = path.join(folder, "config.yaml");
  const children: ChildProcess[] = [];
  try {
    const sim = start(values.root, [
      ...["sim", "--port", "0", "--admin-port", "0", "--engines", engines],
      ...["--endpoints-file", endpoints],
    ]);
    children.push(sim);
    await lineOf(sim, /^admin http/);
    await writeFile(config, pickerDocument(endpoints, scorersIn(peerScorers)));
    const serve = start(values.root, [
      ...["serve", "--config-file", config, "--secure-serving=false", "--bind-address"],
      ...["127.0.0.1", "--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    ]);
    children.push(serve);
    const ports = JSON.parse(await lineOf(serve, /"msg":"listening"/)) as {
      grpc: number;
      metrics: number;
    };
    return await measured({ ...ports, pid: serve.pid ?? 0 });
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

if (!isMainThread) {
  const { port } = workerData as { port: number };
  await scraper(port);
} else if (values.help) process.stdout.write(help);
else process.stdout.write(`${JSON.stringify({ ...values, ...(await main()) })}\n`);
