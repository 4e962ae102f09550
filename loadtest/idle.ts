import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:http2";
import path from "node:path";
import { parseArgs } from "node:util";
import { Crew } from "../src/demo/crew.ts";
import { systemClock } from "../src/std/clock.ts";
import { cpuMsOf, holdExchange, runExchange } from "./ext-proc-exchange.ts";
import { exchangeOf } from "./ext-proc-messages.ts";
import { freePort } from "../test/support/free-port.ts";
import { peerScorers, pickerDocument, scorersIn } from "./picker-document.ts";

const { values } = parseArgs({
  options: {
    endpoints: { type: "string", default: "8,64,256,1024" },
    seconds: { type: "string", default: "20" },
    "settle-seconds": { type: "string", default: "10" },
    "probe-rate": { type: "string", default: "20" },
    held: { type: "string", default: "4" },
    rounds: { type: "string", default: "1" },
    page: { type: "string", default: "" },
    "serve-command": { type: "string", default: "" },
    "serve-pages": { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});

const help = `Usage: node loadtest/idle.ts [options]

CPU of a picker that has nothing to do but to read its endpoints, in percent of a core: first quite
idle, then with a probe of a few requests a second and a few that are held open, whose endpoints
are busy. Prints a JSON line for each number of endpoints and round. Linux only; loopback only.

  --endpoints N,...     pool sizes (default 8,64,256,1024)
  --seconds N           measured time of each phase (default 20)
  --settle-seconds N    before it (default 10)
  --probe-rate N        probe requests a second (default 20)
  --held N              requests held open (default 4)
  --rounds N            times that everything is done (default 1)
  --page FILE           the metrics page of each endpoint (default: a vLLM page of 0.8 KB)
  --serve-command CMD   another picker, to which the flags of serve are added
`;

const host = "127.0.0.1";
const smallPage = `vllm:num_requests_waiting{model_name="m"} 0
vllm:num_requests_running{model_name="m"} 0
vllm:kv_cache_usage_perc{model_name="m"} 0.25
vllm:lora_requests_info{max_lora="4",running_lora_adapters="a",waiting_lora_adapters=""} 1.7e9
vllm:cache_config_info{block_size="16",num_gpu_blocks="20000"} 1
${"# HELP vllm:something Something that nobody reads.\n".repeat(10)}`;

/** The child that stands for all engines: as many ports, one page. */
async function servePages(count: number): Promise<void> {
  const page = values.page === "" ? smallPage : readFileSync(values.page, "utf8");
  const ports = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer((_, response) => {
        response.setHeader("content-type", "text/plain; version=0.0.4");
        response.end(page);
      });
      server.keepAliveTimeout = 60_000;
      return new Promise<number>((resolve) => {
        server.listen(0, host, () => {
          const address = server.address();
          resolve(typeof address === "object" && address !== null ? address.port : 0);
        });
      });
    }),
  );
  process.stdout.write(`ports ${ports.join(",")}\n`);
}

async function measure(count: number, crew: Crew): Promise<object> {
  const pages = crew.start({
    name: "the pages",
    program: process.execPath,
    argv: [import.meta.filename, "--serve-pages", String(count), "--page", values.page],
    env: { PATH: process.env["PATH"] },
  });
  const line = await Promise.race([pages.line(/^ports /), crew.death]);
  const ports = line.slice("ports ".length).split(",");
  const endpointsFile = path.join(crew.folder, "endpoints.yaml");
  const configFile = path.join(crew.folder, "config.yaml");
  const endpoints = ports.map((port, index) => ({ name: `e${index}`, address: host, port }));
  await writeFile(endpointsFile, JSON.stringify({ endpoints }));
  await writeFile(configFile, pickerDocument(endpointsFile, scorersIn(peerScorers)));
  const grpcPort = await freePort();
  const metricsPort = await freePort();
  const own = [process.execPath, path.join(import.meta.dirname, "..", "src", "main.ts"), "serve"];
  const command =
    values["serve-command"] === ""
      ? [...own, "--bind-address", host]
      : values["serve-command"].split(" ");
  const [program = "", ...argv] = command;
  const picker = crew.start({
    name: "the picker",
    program,
    argv: [
      ...[...argv, "--config-file", configFile, "--secure-serving=false", "--v", "1"],
      ...["--grpc-port", String(grpcPort), "--grpc-health-port", String(await freePort())],
      ...["--metrics-port", String(metricsPort)],
    ],
    env: { PATH: process.env["PATH"] },
  });
  const pid = picker.pid ?? 0;
  await Promise.race([pause(Number(values["settle-seconds"])), crew.death]);
  const idle = await share(pid, pause(Number(values.seconds)));
  const probe = await probed(pid, grpcPort, metricsPort);
  return { endpoints: count, idlePercent: idle, ...probe };
}

async function measureOne(count: number): Promise<void> {
  const crew = await Crew.open(systemClock);
  try {
    process.stdout.write(`${JSON.stringify(await measure(count, crew))}\n`);
  } finally {
    await crew.close(AbortSignal.abort());
  }
}

/** Percent of a core that a process uses meanwhile. */
async function share(pid: number, meanwhile: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  const cpuMs = cpuMsOf(pid);
  await meanwhile;
  const percent = (100 * (cpuMsOf(pid) - cpuMs)) / (performance.now() - startMs);
  return Math.round(percent * 100) / 100;
}

function pause(seconds: number): Promise<void> {
  return systemClock.sleep(seconds * 1_000);
}

async function probed(pid: number, grpcPort: number, metricsPort: number): Promise<object> {
  const session = connect(`http://${host}:${grpcPort}`);
  const exchanges = Array.from({ length: 64 }, (_, index) => exchangeOf(2_048, index));
  const at = (index: number) => {
    const exchange = exchanges[index % exchanges.length];
    if (exchange === undefined) throw new Error("there are exchanges");
    return exchange;
  };
  const held = await Promise.all(
    Array.from({ length: Number(values.held) }, (_, index) => holdExchange(session, at(index))),
  );
  const latenciesMs: number[] = [];
  const agesMs: number[] = [];
  const requests = Number(values["probe-rate"]) * Number(values.seconds);
  const probe = async () => {
    for (let index = 0; index < requests; index += 1) {
      const startMs = performance.now();
      latenciesMs.push(await runExchange(session, at(index)));
      if (index % 100 === 50) agesMs.push(...(await busyAgesMs(metricsPort)));
      const restMs = 1_000 / Number(values["probe-rate"]) - (performance.now() - startMs);
      await systemClock.sleep(Math.max(0, restMs));
    }
  };
  const probePercent = await share(pid, probe());
  for (const request of held) request.end();
  session.close();
  return {
    probePercent,
    probeP50Ms: quantile(latenciesMs, 0.5),
    probeP99Ms: quantile(latenciesMs, 0.99),
    busySignalsAgeMsMax: agesMs.length === 0 ? undefined : quantile(agesMs, 1),
  };
}

/** How old the signals of endpoints with requests in flight are; none where the picker has no such page. */
async function busyAgesMs(metricsPort: number): Promise<readonly number[]> {
  const response = await fetch(`http://${host}:${metricsPort}/debug/pool`).catch(() => undefined);
  if (response?.ok !== true) return [];
  // The page of our own picker, whose shape its tests hold.
  const pool = (await response.json()) as {
    endpoints: readonly { inFlightRequests: number; signalsAgeMs: number | null }[];
  };
  return pool.endpoints
    .filter(({ inFlightRequests }) => inFlightRequests > 0)
    .map(({ signalsAgeMs }) => signalsAgeMs ?? Number.POSITIVE_INFINITY);
}

function quantile(numbers: readonly number[], q: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN) * 100) / 100;
}

if (values.help) process.stdout.write(help);
else if (values["serve-pages"] !== "") await servePages(Number(values["serve-pages"]));
else {
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const count of values.endpoints.split(",").map(Number)) await measureOne(count);
  }
}
