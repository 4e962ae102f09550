import { once } from "node:events";
import http, { type IncomingMessage, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { defaultConfigText } from "../../src/config/default-document.ts";
import type { DiscoveryOptions } from "../../src/control-plane/build.ts";
import { buildConfig, type BuildDeps } from "../../src/gateway/build-config.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import type { HttpOptions } from "../../src/gateway/http-front.ts";
import type { TlsOptions } from "../../src/listening/identities.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { PoolPolicies } from "../../src/state/pool-policies.ts";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { tracingIn } from "../../src/telemetry/traces/otel-environment.ts";
import { eventually } from "./wait.ts";

type LogLine = Readonly<Record<string, unknown>>;

export interface HttpGatewayOptions {
  /** Ports of engines on this machine, or URLs. */
  readonly engines: readonly (number | string)[];
  readonly document?: string;
  readonly http?: Partial<HttpOptions>;
  readonly tls?: TlsOptions["http"];
  /** Variables of OpenTelemetry, for traces; without them, requests are not traced. */
  readonly otel?: Readonly<Record<string, string>>;
  /** True to go on without the models of all engines. */
  readonly ignoresModels?: boolean;
}

/** The gateway as `pointsman gateway` composes it, on free ports, in the test's own process. */
export async function startHttpGateway(options: HttpGatewayOptions) {
  const discovery: DiscoveryOptions = {
    kind: "dns",
    addresses: options.engines.map((engine) =>
      typeof engine === "string" ? engine : `http://127.0.0.1:${engine}`,
    ),
    intervalMs: 60_000,
  };
  const memory = new PluginMemory();
  const random = seededRandom(1);
  const build: BuildDeps = {
    ...{ memory, random, allowsTestOnly: false, needsModels: true },
    ...(discovery.addresses.length === 0 ? {} : { discovery }),
  };
  const result = buildConfig(options.document ?? defaultConfigText, build);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  const lines: LogLine[] = [];
  const { logger: log } = createLogger("info", linesInto(lines));
  const gateway = await startGateway(
    {
      bindAddress: "127.0.0.1",
      tls: {
        limits: { minVersion: undefined, ciphers: undefined },
        grpc: { kind: "cleartext" },
        metrics: undefined,
        ...(options.tls === undefined ? {} : { http: options.tls }),
      },
      front: { ...usualHttp, ...options.http },
      admin: { port: 0, hasAuth: false, hasOlderMetricNames: false },
      requests: {
        bodyBytesMax: options.http?.bodyBytesMax ?? usualHttp.bodyBytesMax,
        ignoresSubset: true,
      },
      metrics: { poolName: "gateway", fairnessIdsMax: 10 },
      controlPlane: {
        cluster: undefined,
        scrape: { ...usualScrape, engineTls: options.http?.engineTls },
      },
      configFile: undefined,
      drain: { timeoutMs: 10_000, quietMs: 100 },
      tracing: tracingIn(options.otel ?? {}, { flag: undefined, serviceName: "gateway" }).settings,
    },
    { ...build, policies: new PoolPolicies(), first: result.build, clock: systemClock, log },
  );
  const { http: port = 0, metrics = 0 } = gateway.ports;
  const [stop, cut] = [new AbortController(), new AbortController()];
  const stopped = gateway.run({ stop: stop.signal, cut: cut.signal });
  const requests = () => lines.filter(({ msg }) => msg === "request");
  const origin = `http://127.0.0.1:${port}`;
  const page = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${metrics}${path}`);
    return response.text();
  };
  if (options.ignoresModels !== true) {
    await eventually("the models of the engines", async () => {
      const found = await gateway.findings();
      return found.every(({ models }) => models !== undefined) ? true : undefined;
    });
  }
  return {
    port,
    origin,
    lines,
    findings: () => gateway.findings(),
    /** Lines of the request log. */
    requests,
    /** A page of the admin port. */
    page,
    ask: (body: object | string, init: RequestInit = {}, path = "/v1/chat/completions") =>
      fetch(`${origin}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
      }),
    /** Begins to drain. */
    drain: () => stop.abort("SIGTERM"),
    stopped,
    close: async () => {
      stop.abort("SIGINT");
      cut.abort();
      await stopped;
    },
  };
}

/** Lets every request in. */
export const openGate: HttpOptions["gate"] = {
  requests: { heldMax: 1_000, waitingMax: 100, waitMs: 10_000 },
  bodyTimeoutMs: 10_000,
  readTimeoutMs: 30_000,
  heldBodyBytesMax: 2 ** 26,
  apiKeys: undefined,
  forwardsCredentials: false,
  corsOrigins: [],
  allowedHosts: undefined,
};

const usualHttp: HttpOptions = {
  kind: "http",
  port: 0,
  bodyBytesMax: 2 ** 20,
  totalTimeoutMs: 60_000,
  trustsForwarded: false,
  headTimeoutMs: 10_000,
  keepAliveMs: 10_000,
  headBytesMax: 16_384,
  connectionsMax: 10_000,
  connections: {
    connectTimeoutMs: 10_000,
    headTimeoutMs: 30_000,
    idleTimeoutMs: 30_000,
    perEndpointMax: 1_000,
  },
  gate: openGate,
  retries: { retriesMax: 2, budget: { ratio: 0.2, floor: 100 } },
};

const usualScrape = {
  scheme: "http",
  path: "/metrics",
  port: undefined,
  insecureSkipVerify: true,
  intervalMs: 50,
  engine: undefined,
} as const;

function linesInto(lines: LogLine[]): Writable {
  return new Writable({
    write(chunk: Buffer, _, done) {
      for (const line of chunk.toString().split("\n")) {
        // The log writes one JSON object a line.
        if (line !== "") lines.push(JSON.parse(line) as LogLine);
      }
      done();
    },
  });
}

/** A request as an engine has received it. */
interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** An engine with these models that keeps every other request; `answer` runs when it has the whole of it. */
export async function startScriptedEngine(
  answer: (request: IncomingMessage, response: http.ServerResponse, body: Buffer) => void,
  models: readonly string[] = ["m"],
) {
  const seen: SeenRequest[] = [];
  const listener: RequestListener = (request, response) => {
    const { url = "", method = "", headers, rawHeaders } = request;
    if (url === "/v1/models") {
      // The first request of a test finds no connection that it could use again.
      response.setHeader("connection", "close");
      return void response.end(JSON.stringify({ data: models.map((id) => ({ id })) }));
    }
    if (url === "/metrics") return void response.end("vllm:num_requests_waiting 0\n");
    void buffer(request).then(
      (body) => {
        seen.push({ method, url, headers, rawHeaders, body });
        answer(request, response, body);
      },
      () => undefined,
    );
  };
  const server = http.createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    // A server that listens on TCP has an address with a port.
    port: (server.address() as AddressInfo).port,
    seen,
    server,
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Ticks of a pause after which no further byte is awaited. */
const quietTicks = 10;
/** Milliseconds of ticks for which the first byte is awaited. */
const silentMs = 6_000;

/**
 * Sends bytes and collects what comes back until the connection closes, or has been silent. A gateway on the test's own
 * thread runs between two ticks: a busy machine delays both alike.
 */
export async function exchanged(port: number, text: string, quietMs = 300): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  const tickMs = quietMs / quietTicks;
  let ticks = 0;
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
    ticks = 0;
  });
  const tick = () => {
    ticks += 1;
    if (ticks > (received === "" ? silentMs / tickMs : quietTicks)) socket.destroy();
  };
  const timer = setInterval(tick, tickMs);
  socket.write(text, "latin1");
  await once(socket, "close");
  clearInterval(timer);
  return received;
}
