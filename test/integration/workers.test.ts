import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { RequestRecord } from "../../src/core/request-record.ts";
import type { ToWorker } from "../../src/data-plane/ingress/workers/thread-messages.ts";
import { WorkerIngress } from "../../src/data-plane/ingress/workers/worker-ingress.ts";
import { createDataPlane } from "../../src/gateway/data-plane.ts";
import type { ThreadOptions } from "../../src/gateway/ext-proc-front.ts";
import { type Clock, systemClock } from "../../src/std/clock.ts";
import { type Child, startPointsman } from "#test/support/child.ts";
import {
  ExtProcClient,
  type OpenRequest,
  type ProxiedRequest,
  type ProxiedResponse,
} from "#test/support/ext-proc-client.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { quietPool } from "#test/support/quiet-pool.ts";
import { type Script, ScriptedRouting } from "#test/support/scripted-routing.ts";
import { eventually } from "#test/support/wait.ts";

/** Rewrites a model, sets a header on responses, and refuses bodies beyond 10,000 bytes. */
const document = (endpoints: string) => `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- {type: file-discovery, parameters: {path: ${endpoints}}}
- {type: session-affinity-scorer}
- {type: expected-latency-scorer}
schedulingProfiles:
- name: default
  plugins: [{pluginRef: session-affinity-scorer}, {pluginRef: expected-latency-scorer}]
modelRewrites:
- matches: [{model: {value: short}}]
  targets: [{modelRewrite: a-longer-name}]
dataLayer: {discovery: {pluginRef: file-discovery}}
`;

const body = (fields: object) => JSON.stringify({ model: "m", prompt: "hello", ...fields });
const token = 'data: {"choices":[{"index":0,"text":"a"}]}\n\n';
const usage =
  '{"model":"a-longer-name","usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}';
const stream = { "content-type": "text/event-stream" };
const json = { "content-type": "application/json" };

const cases: readonly (readonly [string, ProxiedRequest, ProxiedResponse])[] = [
  ["a whole answer", { body: body({}) }, { headers: json, chunks: [usage] }],
  ["no body", { body: "", path: "/v1/models" }, { chunks: [] }],
  [
    "a stream with usage",
    { body: body({ stream: true }) },
    { headers: stream, chunks: [token, token, `data: ${usage}\n\ndata: [DONE]\n\n`] },
  ],
  [
    "a stream that ends early",
    { body: body({ stream: true }) },
    { headers: stream, chunks: [token], hasTrailers: true },
  ],
  [
    "a stream whose client leaves",
    { body: body({ stream: true }) },
    { headers: stream, chunks: [token, token], isCut: true },
  ],
  ["trailers", { body: body({}) }, { headers: json, chunks: [usage], hasTrailers: true }],
  [
    "another name of the model",
    { body: body({ model: "short" }) },
    { headers: json, chunks: [usage.slice(0, 12), usage.slice(12)] },
  ],
  [
    "another name of the model in a stream",
    { body: body({ model: "short", stream: true }) },
    { headers: stream, chunks: [`data: ${usage}\n\n`, "data: [DONE]\n\n"] },
  ],
  [
    "another name of the model in a compressed answer",
    { body: body({ model: "short" }) },
    { headers: { ...json, "content-encoding": "gzip" }, chunks: ["..."] },
  ],
  ["an error of the engine", { body: body({}) }, { headers: { ":status": "503" }, chunks: ["no"] }],
  [
    "an error in a stream",
    { body: body({ stream: true }) },
    { headers: stream, chunks: ['data: {"error":{"message":"no","code":500}}\n\n'] },
  ],
  ["a body in pieces", { body: body({ prompt: "x".repeat(9_000) }), chunkBytes: 1_000 }, {}],
  ["a body beyond the limit", { body: body({ prompt: "x".repeat(11_000) }) }, {}],
  ["a body that is no JSON", { body: "{" }, {}],
  [
    "another content type",
    { body: "hello", headers: { "content-type": "text/plain" } },
    { headers: { "content-type": "text/plain" }, chunks: ["x"] },
  ],
];

/** Fields of a request's line that differ from run to run. */
const passing = new Set([
  "time",
  "requestId",
  "decision",
  "predictedTtftMs",
  "decidedMs",
  "ttftMs",
  "durationMs",
]);

let folder = "";
let children: readonly Child[] = [];
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-workers-"));
  const endpoints = path.join(folder, "endpoints.yaml");
  // Nothing listens there: the test answers in the engine's place.
  await writeFile(endpoints, "endpoints: [{name: e, address: 127.0.0.1, port: 9}]\n");
  const config = path.join(folder, "config.yaml");
  await writeFile(config, document(endpoints));
  children = ["1", "3"].map((workers) =>
    startPointsman([
      ...["serve", "--config-file", config, "--bind-address", "127.0.0.1", "--workers", workers],
      ...["--secure-serving=false", "--request-body-limit", "10000"],
      ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    ]),
  );
});
afterAll(async () => {
  await Promise.all(children.map((child) => child.close()));
  await rm(folder, { recursive: true, force: true });
});

/** What the proxy and the log saw of one request. */
async function seen(child: Child, request: ProxiedRequest, response: ProxiedResponse) {
  const { grpc } = JSON.parse(await child.line(/"msg":"listening"/)) as { grpc: number };
  await child.line(/endpoints file loaded/);
  const client = new ExtProcClient(grpc);
  const id = `r-${Math.random()}`;
  try {
    const open = client.open({ ...request, headers: { ...request.headers, "x-request-id": id } });
    const picked = await open.picked;
    if (picked.refused === undefined) await open.finish(response).catch(() => undefined);
    const line = await child.line(new RegExp(`"requestId":"${id}".*"msg":"request"`));
    const fields = Object.entries(JSON.parse(line) as object);
    const settled = fields.map(([name, value]) => [name, passing.has(name) ? "there" : value]);
    return { picked, received: open.received, line: Object.fromEntries(settled) };
  } finally {
    client.close();
  }
}

describe("serve with worker threads", () => {
  it.each(cases)("answers and logs as without them: %s", async (_, request, response) => {
    const [without, withThem] = await Promise.all(
      children.map((child) => seen(child, request, response)),
    );
    expect(withThem).toEqual(without);
  });

  it("sets headers of responses that plugins make of who served", async () => {
    for (const child of children) {
      const { received } = await seen(child, { body: body({}) }, { chunks: ["a", "b"] });
      expect(received.headers).toHaveProperty("x-session-token");
      expect(received.body).toBe("ab");
    }
  });
});

it("uses bodies by the configuration in force", async () => {
  const config = path.join(folder, "changing.yaml");
  const whole = document(path.join(folder, "endpoints.yaml"));
  await writeFile(config, `${whole}requestHandler: {parsers: [{pluginRef: passthrough-parser}]}\n`);
  const child = startPointsman([
    ...["serve", "--config-file", config, "--bind-address", "127.0.0.1", "--workers", "2"],
    ...["--secure-serving=false", "--grpc-port", "0", "--grpc-health-port", "0"],
    ...["--metrics-port", "0"],
  ]);
  try {
    const request = { body: body({}) };
    const { line } = await seen(child, request, {});
    expect(line).toMatchObject({ api: "passthrough", rulesSkipped: "no_parser" });
    await writeFile(config, whole);
    await child.line(/configuration applied/);
    expect((await seen(child, request, {})).line).toMatchObject({ api: "completions", model: "m" });
  } finally {
    await child.close();
  }
});

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).toReversed()) close();
});

/** Two workers of a data plane on this thread, which a test can make fail. */
async function workersOf(script: Script = {}, workers = 2, clock: Clock = systemClock) {
  const records: RequestRecord[] = [];
  const logged: string[] = [];
  const pool = quietPool();
  const routing = new ScriptedRouting({ bodyUse: () => "none", ...script });
  const dataPlane = createDataPlane({
    clock: systemClock,
    pool,
    routing: () => routing,
    followers: [{ ended: (record) => void records.push(record) }],
  });
  const options: ThreadOptions = {
    tls: { kind: "cleartext" },
    transport: "http2",
    receivedBytesMax: 2 ** 20,
    sentBytesMax: undefined,
    hasHealth: false,
    bodyBytesMax: 2 ** 20,
    waitTimeoutMs: 0,
  };
  const rules = { parsers: [], usesModel: false };
  const log = (_: object, message: string) => void logged.push(message);
  const ingress = new WorkerIngress(
    {
      workers,
      entry: new URL("../support/failing-worker.ts", import.meta.url),
      options: () => options,
    },
    { dataPlane, rules: () => rules, clock, log: { warn: log, error: log } },
  );
  opened.push(() => ingress.abort());
  const port = await ingress.listen("127.0.0.1", 0);
  /** A request of a connection of its own. */
  const send = (): OpenRequest => {
    const client = new ExtProcClient(port);
    opened.push(() => client.close());
    return client.open({ body: "hello" });
  };
  /** The same, once it is routed. */
  const open = async (): Promise<OpenRequest> => {
    const request = send();
    await request.picked;
    return request;
  };
  return { ingress, dataPlane, records, logged, port, send, open };
}

describe("worker threads", () => {
  it("share the connections of one port", async () => {
    const { ingress, open } = await workersOf();
    // The kernel spreads connections by hash: that all 32 are on one of two has a chance of 2 to the power of -31.
    await Promise.all(Array.from({ length: 32 }, open));
    await eventually("the count of streams", () =>
      ingress.openRequests === 32 ? true : undefined,
    );
    const { counts } = ingress;
    expect(counts.every((count) => count > 0)).toBe(true);
  });

  it("are started again if they fail, and the counts of their requests leave with them", async () => {
    const { ingress, open, records, logged } = await workersOf();
    await Promise.all(Array.from({ length: 8 }, open));
    ingress.tellAll({ kind: "go-wrong" } as unknown as ToWorker);
    await eventually("the end of all requests", () => (records.length === 8 ? true : undefined));
    expect(new Set(records.map(({ end }) => end))).toEqual(new Set(["aborted"]));
    await eventually("two workers again", () =>
      logged.filter((message) => message === "worker restarted").length === 2 ? true : undefined,
    );
    expect(ingress.openRequests).toBe(0);
    const again = await open();
    await again.finish();
    const last = await eventually("its record", () => records[8]);
    expect(last).toMatchObject({ end: "complete" });
  });

  it("are replaced if they hang, after ten pings without an answer", async () => {
    const clock = new FakeClock();
    const { ingress, open, records, logged } = await workersOf({}, 2, clock);
    await Promise.all(Array.from({ length: 8 }, open));
    ingress.tellAll({ kind: "hang" } as unknown as ToWorker);
    await clock.advance(10_000);
    expect(logged).toEqual([]);
    await clock.advance(1_000);
    await eventually("the end of all requests", () => (records.length === 8 ? true : undefined));
    await eventually("two failures", () => (logged.length === 2 ? true : undefined));
    expect(logged).toEqual(["worker failed", "worker failed"]);
    await clock.advance(200);
    await eventually("two workers again", () =>
      logged.filter((message) => message === "worker restarted").length === 2 ? true : undefined,
    );
    expect(ingress.openRequests).toBe(0);
    await (await open()).finish();
  });

  it("let requests wait for admission, until their clients leave or send no more", async () => {
    const queue: ((admitted: undefined) => void)[] = [];
    const { dataPlane, records, send } = await workersOf({
      admit: () => new Promise((resolve) => void queue.push(resolve)),
    });
    const [admitted, left, silent] = [send(), send(), send()];
    const waits = (count: number) =>
      eventually(`${count} that wait`, () =>
        dataPlane.waitingRequests === count ? true : undefined,
      );
    await waits(3);
    left.leave();
    await waits(2);
    silent.sendNoMore();
    await waits(1);
    expect(records.map(({ end, endedBy }) => `${end} ${endedBy}`)).toEqual([
      "aborted client",
      "aborted client",
    ]);
    for (const admit of queue) admit(undefined);
    await admitted.picked;
    await admitted.finish();
    await eventually("its end", () => records[2]);
    expect(records[2]).toMatchObject({ end: "complete" });
  });

  it("refuse requests while the main thread is too busy to decide, until it is not", async () => {
    const { port } = await workersOf({}, 1);
    const client = new ExtProcClient(port);
    opened.push(() => client.close());
    // With fewer open requests, it is no backlog.
    await Promise.all(Array.from({ length: 256 }, () => client.open({ body: "first" }).picked));
    /** A request that its worker has while this thread is busy. */
    const delayed = async () => {
      await systemClock.sleep(150);
      const { picked } = client.open({ body: "late" });
      for (let turn = 0; turn < 3; turn += 1) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      const endMs = performance.now() + 600;
      while (performance.now() < endMs);
      return picked;
    };
    await eventually("a request that is refused", async () => {
      // A short round trip between them would end the delay.
      await delayed();
      await delayed();
      const { refused } = await client.open({ body: "now" }).picked;
      return refused === 503 ? true : undefined;
    });
    const decided = await eventually("a request that is decided", async () => {
      const picked = await client.open({ body: "now" }).picked;
      return picked.refused === undefined ? picked : undefined;
    });
    expect(decided.headers).toHaveProperty("x-gateway-destination-endpoint");
  });

  it("take no new connection after they were told to go away, and finish what is open", async () => {
    const { ingress, open, records } = await workersOf();
    const request = await open();
    ingress.announceEnd();
    await eventually("the count", () => (ingress.openRequests === 1 ? true : undefined));
    ingress.goAway();
    await request.finish();
    await eventually("no stream", () => (ingress.openRequests === 0 ? true : undefined));
    expect(records).toMatchObject([{ end: "complete" }]);
    await expect(open()).rejects.toThrow("ECONNREFUSED");
  });
});
