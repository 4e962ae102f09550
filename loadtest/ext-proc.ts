import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { exchangeOf } from "./ext-proc-messages.ts";
import { cpuMsOf, runExchange } from "./ext-proc-exchange.ts";
import { peerScorers, pickerDocument, scorersIn } from "./picker-document.ts";

const { values } = parseArgs({
  options: {
    address: { type: "string" },
    endpoints: { type: "string", default: "8" },
    streams: { type: "string", default: "32" },
    connections: { type: "string", default: "2" },
    "body-bytes": { type: "string", default: "2048" },
    seconds: { type: "string", default: "10" },
    rate: { type: "string", default: "0" },
    scorers: { type: "string", default: peerScorers },
    authority: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const help = `Usage: node loadtest/ext-proc.ts [options]

Drives an ext_proc server the way a proxy does in full duplex, request and response phase, and
prints one JSON line. Without --address it starts simulated engines and a picker of its own.

  --address HOST:PORT   cleartext picker to drive instead (loopback only)
  --endpoints N         simulated engines (default 8)
  --streams N           concurrent streams (default 32)
  --connections N       HTTP/2 connections (default 2)
  --body-bytes N        size of request bodies (default 2048)
  --seconds N           measured time, after 2 s of warm-up (default 10)
  --rate N              requests a second, open loop; 0: as fast as they finish (default 0)
  --scorers TYPE=WEIGHT,...   scorers of the picker it starts (default: those of llm-d-router,
                        queue-scorer=2,kv-cache-utilization-scorer=2,prefix-cache-scorer=3)
  --authority NAME      the name that the picker is called by (default: its address)
`;

const warmUpMs = 2_000;

async function load(address: string, pid: number | undefined): Promise<object> {
  const streams = Number(values.streams);
  const rate = Number(values.rate);
  const { authority } = values;
  const exchanges = Array.from({ length: 256 }, (_, i) => {
    const exchange = exchangeOf(Number(values["body-bytes"]), i);
    return authority === undefined ? exchange : { ...exchange, authority };
  });
  const sessions = Array.from({ length: Number(values.connections) }, () =>
    connect(`http://${address}`),
  );
  const startMs = performance.now();
  const measureMs = startMs + warmUpMs;
  const endMs = measureMs + Number(values.seconds) * 1_000;
  const latenciesMs: number[] = [];
  const errors: Record<string, number> = {};
  let next = 0;
  let cpuAtStartMs: number | undefined;
  const worker = async () => {
    for (;;) {
      const index = next++;
      const dueMs = rate > 0 ? startMs + (index / rate) * 1_000 : performance.now();
      if (dueMs > endMs) return;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const isMeasured = performance.now() >= measureMs;
      if (isMeasured) cpuAtStartMs ??= pid === undefined ? undefined : cpuMsOf(pid);
      const session = sessions[index % sessions.length];
      const exchange = exchanges[index % exchanges.length];
      if (session === undefined || exchange === undefined) return;
      try {
        const latencyMs = await runExchange(session, exchange);
        if (isMeasured) latenciesMs.push(latencyMs);
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        errors[message] = (errors[message] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: streams }, worker));
  const cpuMs = pid === undefined ? 0 : cpuMsOf(pid) - (cpuAtStartMs ?? 0);
  for (const session of sessions) session.close();
  latenciesMs.sort((a, b) => a - b);
  const quantile = (q: number) =>
    Math.round((latenciesMs[Math.floor(q * (latenciesMs.length - 1))] ?? Number.NaN) * 1_000) /
    1_000;
  return {
    requests: latenciesMs.length,
    errors,
    requestsPerSecond: Math.round(latenciesMs.length / Number(values.seconds)),
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    serverCpuUsPerRequest:
      pid === undefined ? undefined : Math.round((cpuMs * 1_000) / latenciesMs.length),
  };
}

function start(argv: readonly string[]): ChildProcess {
  const main = path.join(import.meta.dirname, "..", "src", "main.ts");
  return spawn(process.execPath, [main, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
}

/** The first line of a process's output that matches. */
function lineOf(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      // What follows is a log line per request.
      if (output.length < 100_000) output += text;
      const found = output.split("\n").find((line) => pattern.test(line));
      if (found !== undefined) resolve(found);
    });
    child.on("exit", (code) => reject(new Error(`a child ended with ${code}`)));
  });
}

async function withOwnPicker(): Promise<object> {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-loadtest-"));
  const endpoints = path.join(folder, "endpoints.json");
  const config = path.join(folder, "config.yaml");
  const children: ChildProcess[] = [];
  try {
    const sim = start([
      "sim",
      "--port",
      "0",
      "--admin-port",
      "0",
      "--engines",
      values.endpoints,
      "--endpoints-file",
      endpoints,
    ]);
    children.push(sim);
    await lineOf(sim, /^admin http/);
    await writeFile(config, pickerDocument(endpoints, scorersIn(values.scorers)));
    const serve = start([
      ...[
        "serve",
        "--config-file",
        config,
        "--secure-serving=false",
        "--bind-address",
        "127.0.0.1",
      ],
      ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    ]);
    children.push(serve);
    const { grpc } = JSON.parse(await lineOf(serve, /"msg":"listening"/)) as { grpc: number };
    return await load(`127.0.0.1:${grpc}`, serve.pid);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

function loopbackOnly(address: string): string {
  if (/^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/.test(address)) return address;
  throw new Error(`--address ${address}: loads go to loopback addresses only`);
}

if (values.help) process.stdout.write(help);
else {
  const result =
    values.address === undefined
      ? await withOwnPicker()
      : await load(loopbackOnly(values.address), undefined);
  process.stdout.write(`${JSON.stringify({ ...values, ...result })}\n`);
}
