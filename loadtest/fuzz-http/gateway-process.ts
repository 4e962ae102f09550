import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { start } from "../../test/support/child.ts";

/** What a process holds. */
export interface Held {
  readonly rssMb: number;
  /** After a full garbage collection. */
  readonly heapMb: number;
  readonly externalMb: number;
  /** Files and sockets. */
  readonly handles: number;
  readonly clientConnections: number;
  readonly requestsRunning: number;
  readonly requestsWaiting: number;
}

const main = path.join(import.meta.dirname, "..", "..", "src", "main.ts");

/** `pointsman gateway` in a process of its own, with an inspector to ask what it holds. */
export async function startGatewayProcess(
  enginePorts: readonly number[],
  flags: readonly string[],
) {
  const child = start(process.execPath, [
    ...["--inspect=127.0.0.1:0", main, "gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0"],
    ...["--endpoints", enginePorts.map((port) => `http://127.0.0.1:${port}`).join(","), ...flags],
  ]);
  const inspector = /ws:\S+/u.exec(await child.line(/Debugger listening on/u))?.[0] ?? "";
  const listening: unknown = JSON.parse(await child.line(/"msg":"listening"/u));
  // Greets once it knows the endpoints.
  await child.line(/^try {4}/u);
  const { http, metrics } = portsOf(listening);
  const metricsPage = async () => (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  return {
    child,
    port: http,
    held: async (): Promise<Held> => {
      const heap = await heapAfterCollection(inspector);
      const page = await metricsPage();
      return {
        ...heap,
        rssMb: rssMbOf(child.pid),
        handles: readdirSync(`/proc/${child.pid}/fd`).length,
        clientConnections: gaugeIn(page, "client_connections"),
        requestsRunning: gaugeIn(page, "requests_running"),
        requestsWaiting: gaugeIn(page, "requests_waiting"),
      };
    },
    rssMb: () => rssMbOf(child.pid),
  };
}

export type GatewayProcess = Awaited<ReturnType<typeof startGatewayProcess>>;

function portsOf(line: unknown): { readonly http: number; readonly metrics: number } {
  const ports = Object(line) as Partial<Record<"http" | "metrics", unknown>>;
  return { http: Number(ports.http), metrics: Number(ports.metrics) };
}

function gaugeIn(page: string, name: string): number {
  return Number(new RegExp(`^pointsman_gateway_${name} (\\d+)$`, "mu").exec(page)?.[1]);
}

function rssMbOf(pid: number): number {
  const kb = /^VmRSS:\s+(\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return rounded(Number(kb) / 1_024);
}

function rounded(number: number): number {
  return Math.round(number * 10) / 10;
}

/** Collects garbage over the inspector, and reads the size of the heap. */
async function heapAfterCollection(url: string) {
  const socket = new WebSocket(url);
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  let lastId = 0;
  const call = (method: string) =>
    new Promise<unknown>((resolve) => {
      lastId += 1;
      const id = lastId;
      const read = ({ data }: MessageEvent) => {
        const message = JSON.parse(String(data)) as { id?: number; result?: unknown };
        if (message.id !== id) return;
        socket.removeEventListener("message", read);
        resolve(message.result);
      };
      socket.addEventListener("message", read);
      socket.send(JSON.stringify({ id, method }));
    });
  await call("HeapProfiler.collectGarbage");
  await call("HeapProfiler.collectGarbage");
  // The answer of the DevTools protocol to this method.
  const usage = (await call("Runtime.getHeapUsage")) as Record<string, number | undefined>;
  socket.close();
  return {
    heapMb: mbOf(usage["usedSize"]),
    externalMb: mbOf(usage["backingStorageSize"]),
  };
}

function mbOf(bytes: number | undefined): number {
  return rounded((bytes ?? Number.NaN) / 2 ** 20);
}
