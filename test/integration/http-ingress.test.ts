import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
  type RequestListener,
  type Server,
} from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterEach, expect, it } from "vitest";
import type { RequestRecord } from "../../src/core/request-record.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { buildConfig } from "../../src/gateway/build-config.ts";
import { createDataPlane } from "../../src/gateway/data-plane.ts";
import { createPool } from "../../src/gateway/pool.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { MetricsRegistry } from "../../src/telemetry/metrics-registry.ts";
import { startHttpIngress } from "#test/support/http-ingress.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const document = `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
  - type: queue-scorer
  - type: max-score-picker
    parameters: {maxNumOfEndpoints: 2}
schedulingProfiles:
  - name: default
    plugins: [{pluginRef: queue-scorer}, {pluginRef: max-score-picker}]
modelRewrites:
  - matches: [{model: {value: alias}}]
    targets: [{modelRewrite: sim-model}]
`;

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** The address of an HTTP ingress in front of endpoints at these ports, and the records of its requests. */
async function anIngress(ports: readonly number[]) {
  const { logger: log } = createLogger("warn");
  const registry = new MetricsRegistry();
  const memory = new PluginMemory();
  const pool = createPool({ clock: systemClock, log, registry, memory });
  pool.store.apply(
    ports.map((port) => ({
      id: `default/e${port}`,
      namespace: "default",
      name: `e${port}`,
      address: "127.0.0.1",
      port,
      labels: {},
    })),
  );
  const result = buildConfig(document, { memory, random: seededRandom(1), allowsTestOnly: false });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  const options = { ignoresSubset: false, bodyBytesMax: 2 ** 20, log: new DecisionLog() };
  const routing = new Routing(result.build.dataPlane, options);
  const records: RequestRecord[] = [];
  const followers = [{ ended: (record: RequestRecord) => void records.push(record) }];
  const dataPlane = createDataPlane({
    clock: systemClock,
    pool,
    routing: () => routing,
    followers,
  });
  const ingress = await startHttpIngress(dataPlane);
  opened.push(ingress.close);
  const ask = (body: object | string, init: RequestInit = {}, path = "/v1/chat/completions") =>
    fetch(`http://127.0.0.1:${ingress.port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
    });
  return { ask, records, pool, port: ingress.port };
}

async function anEngine(settings: object = {}): Promise<number> {
  const simulator = await startEngines({
    engines: 1,
    settings: { ...fastEngine, ...settings },
  });
  opened.push(() => simulator.close());
  return simulator.engines[0]?.port ?? 0;
}

/** An engine that keeps the headers and bodies that reach it; `answer` runs when it has the whole request. */
async function anEcho(answer: RequestListener = (_, response) => response.end("{}")) {
  const seen: IncomingHttpHeaders[] = [];
  const bodies: string[] = [];
  const server: Server = createServer((request, response) => {
    seen.push(request.headers);
    void text(request).then((body) => {
      bodies.push(body);
      answer(request, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  // A server that listens on TCP has an address with a port.
  return { port: (server.address() as AddressInfo).port, seen, bodies };
}

const chat = { model: "sim-model", messages: [{ role: "user", content: "hi" }], max_tokens: 5 };

it("streams a completion from an engine, and gives the client's name of the model back", async () => {
  const { ask, records } = await anIngress([await anEngine()]);
  const response = await ask({ ...chat, model: "alias", stream: true });
  const stream = await response.text();
  expect(response.status).toBe(200);
  expect(stream.trimEnd().endsWith("data: [DONE]")).toBe(true);
  expect([stream.includes('"alias"'), stream.includes('"sim-model"')]).toEqual([true, false]);
  expect(records).toMatchObject([
    { end: "complete", failure: undefined, request: { targetModel: "sim-model" } },
  ]);
  expect(records[0]?.firstTokenMs).toBeGreaterThan(0);
});

it("does not pass on a client's copies of headers that only a picker may set", async () => {
  const echo = await anEcho();
  const { ask } = await anIngress([echo.port]);
  const headers = {
    "content-type": "application/json",
    "x-prefiller-host-port": "evil:1",
    "x-gateway-destination-endpoint": "evil:2",
    "x-data-parallel-host-port": "evil:3",
    "x-other": "kept",
  };
  await (await ask(chat, { headers })).text();
  expect(Object.keys(echo.seen[0] ?? {}).filter((name) => name.startsWith("x-"))).toEqual([
    "x-other",
  ]);
});

it("goes to the next target if the first refuses the connection, and tells health", async () => {
  const [port, gone] = [await anEngine(), await anEngine()];
  await opened.pop()?.();
  const { ask, records } = await anIngress([gone, port]);
  for (let sent = 0; sent < 6; sent += 1) {
    const response = await ask(chat);
    expect([response.status, (await response.text()).includes("choices")]).toEqual([200, true]);
  }
  const failed = records.filter(({ failedBefore }) => failedBefore.length > 0);
  expect(failed.length).toBeGreaterThan(0);
  expect(failed[0]?.failedBefore[0]?.port).toBe(gone);
});

it("answers errors in the shape of the API", async () => {
  const { ask, records } = await anIngress([]);
  const refused = await ask(chat);
  expect([refused.status, await refused.json()]).toMatchObject([
    503,
    { error: { code: "no_endpoints" } },
  ]);
  const malformed = await ask("{", {}, "/v1/messages");
  expect([malformed.status, await malformed.json()]).toMatchObject([
    400,
    { type: "error", error: { type: "invalid_request_error" } },
  ]);
  expect(records.map(({ end }) => end)).toEqual(["refused", "refused"]);
});

it("ends the engine's work when the client leaves", async () => {
  const port = await anEngine({ stepBaseMs: 20 });
  const { ask, records, pool } = await anIngress([port]);
  const leave = new AbortController();
  const response = await ask(
    { ...chat, stream: true, max_tokens: 1_000 },
    { signal: leave.signal },
  );
  await response.body?.getReader().read();
  leave.abort();
  const record = await eventually("the end of the request", () => records[0]);
  expect(record).toMatchObject({ end: "aborted", endedBy: "client" });
  expect(pool.ledger.totalRequests).toBe(0);
});

it("ends a request whose client leaves during the upload, or before the engine answers", async () => {
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const echo = await anEcho((_, response) => {
    response.on("close", () => left.resolve());
    arrived.resolve();
  });
  const { ask, records, pool, port } = await anIngress([echo.port]);
  const socket = connect(port, "127.0.0.1");
  socket.write("POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{");
  await once(socket, "connect");
  // The ingress has begun once another request is answered.
  await (await ask("{")).text();
  socket.destroy();
  await eventually("the end of the upload", () => records[1]);

  const leave = new AbortController();
  const asked = ask(chat, { signal: leave.signal }).catch(() => undefined);
  await arrived.promise;
  leave.abort();
  await asked;
  await eventually("the end of the request", () => records[2]);
  await left.promise;
  expect(records.map(({ end, endedBy }) => [end, endedBy])).toEqual([
    ["refused", undefined],
    ["aborted", "client"],
    ["aborted", "client"],
  ]);
  expect([pool.ledger.totalRequests, records[1]?.decision]).toEqual([0, undefined]);
});

it("passes chunked requests, heads without a body and unchanged objects", async () => {
  const echo = await anEcho(({ method }, response) => {
    response.writeHead(method === "POST" ? 200 : 304, { etag: '"1"' }).end();
  });
  const { records, port } = await anIngress([echo.port]);
  const statuses: unknown[] = [];
  for (const method of ["POST", "HEAD", "GET"]) {
    const outgoing = httpRequest({ port, method, path: "/v1/chat/completions" });
    // Without a length, Node sends chunks.
    if (method === "POST") outgoing.write(JSON.stringify(chat));
    outgoing.end();
    // An `IncomingMessage` is all that this event carries.
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    statuses.push([response.statusCode, response.headers["etag"], await text(response)]);
  }
  expect(statuses).toEqual([
    [200, '"1"', ""],
    [304, '"1"', ""],
    [304, '"1"', ""],
  ]);
  expect(echo.bodies).toEqual([JSON.stringify(chat), "", ""]);
  expect(echo.seen[0]).toMatchObject({ "content-length": String(echo.bodies[0]?.length) });
  expect(echo.seen[0]).not.toHaveProperty("transfer-encoding");
  expect(records.map(({ end }) => end)).toEqual(["complete", "complete", "complete"]);
});

it("breaks off with an engine that closes within its body", async () => {
  const echo = await anEcho((_, response) => {
    response.writeHead(200, { "content-length": 100 }).write("{");
    setImmediate(() => response.destroy());
  });
  const { ask, records, pool } = await anIngress([echo.port]);
  const response = await ask(chat);
  await expect(response.text()).rejects.toThrow("terminated");
  const record = await eventually("the end of the request", () => records[0]);
  expect(record).toMatchObject({ end: "aborted", endedBy: "engine" });
  expect(pool.ledger.totalRequests).toBe(0);
});

it("asks for a plain answer to a rewritten model, and keeps a compressed one as it is", async () => {
  const answer = JSON.stringify({ model: "sim-model", choices: [] });
  const echo = await anEcho((_, response) => {
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    response.writeHead(200, headers).end(gzipSync(answer));
  });
  const { ask, records } = await anIngress([echo.port]);
  expect(await (await ask({ ...chat, model: "alias" })).text()).toBe(answer);
  expect(echo.seen[0]).toMatchObject({ "accept-encoding": "identity" });
  expect(records).toMatchObject([{ end: "complete", keepsTargetName: true }]);
});
