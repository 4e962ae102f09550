import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { startSimulator } from "../../src/simulator/simulator.ts";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import { type GatewayProcess, type Held, startGatewayProcess } from "./gateway-process.ts";
import { preface, settingsOf } from "./http2-frames.ts";

interface IdleReport {
  readonly connections: number;
  readonly before: Held;
  readonly idle: Held;
  readonly after: Held;
  readonly rssKbPerConnection: number;
  /** Of usual requests, one after another, on connections of their own. */
  readonly msBefore: Times;
  readonly msMeanwhile: Times;
  readonly requestsFailed: number;
}

interface Times {
  readonly p50: number;
  readonly p99: number;
}

const probes = 200;

/** Clients that connect and wait: silently, after a request, and after the greeting of HTTP/2. */
const beginnings: readonly (string | Buffer)[] = [
  "",
  "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
  Buffer.concat([preface, settingsOf([])]),
];

/** Holds so many connections of clients open, and measures what they take and whether others are served. */
export async function runIdle(connections: number): Promise<IdleReport> {
  const settings = { stepBaseMs: 0.1, decodeMsPerSequence: 0, prefillTokensPerSecond: 1e7 };
  const simulator = await startSimulator(
    { engines: 2, port: 0, settings },
    { clock: systemClock, random: seededRandom(1) },
  );
  const ports = simulator.engines.map(({ port }) => port);
  const gateway = await startGatewayProcess(ports, []);
  try {
    await timesOf(gateway);
    const first = await timesOf(gateway);
    const before = await gateway.held();
    const sockets = await opened(gateway.port, connections);
    const meanwhile = await timesOf(gateway);
    const idle = await gateway.held();
    for (const socket of sockets) socket.destroy();
    await systemClock.sleep(1_000);
    const after = await gateway.held();
    return {
      ...{ connections, before, idle, after, msBefore: first.ms, msMeanwhile: meanwhile.ms },
      rssKbPerConnection: Math.round(((idle.rssMb - before.rssMb) * 1_024) / connections),
      requestsFailed: first.failed + meanwhile.failed,
    };
  } finally {
    await gateway.child.close();
    await simulator.close();
  }
}

async function opened(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index += 1) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    const beginning = beginnings[index % beginnings.length] ?? "";
    if (beginning !== "") {
      socket.write(beginning);
      await once(socket, "data");
      socket.resume();
    }
    sockets.push(socket);
  }
  return sockets;
}

async function timesOf({ port }: GatewayProcess) {
  const times: number[] = [];
  let failed = 0;
  for (let probe = 0; probe < probes; probe += 1) {
    const startMs = systemClock.nowMs();
    const body = JSON.stringify({ model: "sim-model", prompt: `probe ${probe}`, max_tokens: 2 });
    const headers = { "content-type": "application/json" };
    const url = `http://127.0.0.1:${port}/v1/completions`;
    const response = await fetch(url, { method: "POST", headers, body });
    await response.text();
    if (response.status !== 200) failed += 1;
    times.push(systemClock.nowMs() - startMs);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(100 * (sorted[Math.floor(share * probes)] ?? 0)) / 100;
  return { ms: { p50: at(0.5), p99: at(0.99) }, failed };
}
