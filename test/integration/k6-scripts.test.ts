import { createServer, type RequestListener, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Child, died, start } from "#test/support/child.ts";
import type { CheckResult, Sample, SentRequest } from "#test/support/k6/record.ts";
import { SimulatorFixture } from "#test/support/simulator-fixture.ts";

const root = path.join(import.meta.dirname, "..", "..");
const mainFile = path.join(root, "src", "main.ts");

/** Metrics of k6 itself that thresholds may name. */
const builtIn = new Set(["checks", "http_req_failed", "http_req_duration"]);

interface Threshold {
  readonly threshold: string;
}

interface Outcome {
  readonly options: {
    readonly scenarios: Readonly<Record<string, { readonly executor: string }>>;
    readonly thresholds: Readonly<Record<string, readonly (string | Threshold)[]>>;
  };
  readonly requests: readonly SentRequest[];
  readonly samples: readonly Sample[];
  readonly checks: readonly CheckResult[];
  readonly metrics: Readonly<Record<string, string>>;
  readonly sleptSeconds: number;
}

/** Runs a script under the stand-ins, in a process of its own because its calls block. */
async function run(
  script: string,
  iterations: number,
  variables: readonly string[],
): Promise<Outcome> {
  const runner = path.join(root, "test", "support", "k6", "run.ts");
  const file = path.join(root, "loadtest", "k6", script);
  const child = start(process.execPath, [runner, file, String(iterations), ...variables]);
  if ((await child.ended) !== 0) return died(child);
  // The runner prints its record, as its only output.
  return JSON.parse(child.output()) as Outcome;
}

function valuesOf({ samples }: Outcome, metric: string, tags: object = {}): readonly number[] {
  const wanted = Object.entries(tags);
  return samples
    .filter((sample) => sample.metric === metric)
    .filter((sample) => wanted.every(([name, value]) => sample.tags[name] === value))
    .map(({ value }) => value);
}

function bodiesOf({ requests }: Outcome): readonly Readonly<Record<string, unknown>>[] {
  const posted = requests.filter(({ method }) => method === "POST");
  // The scripts send JSON objects.
  return posted.map(({ body }) => JSON.parse(body) as Readonly<Record<string, unknown>>);
}

const scripts = ["chat.ts", "streaming.ts", "tenants.ts", "saturation.ts"];

describe("through the gateway", () => {
  const engines = new SimulatorFixture();
  let gateway: Child | undefined;
  let target = "";

  beforeAll(async () => {
    await engines.start({ engines: 2 });
    const urls = engines.simulator.engines.map(({ port }) => `http://127.0.0.1:${port}`);
    gateway = start(process.execPath, [
      ...[mainFile, "gateway", "--endpoints", urls.join(",")],
      ...["--listen", "127.0.0.1:0", "--metrics-port", "0"],
    ]);
    const line = await Promise.race([gateway.line(/"msg":"listening"/), died(gateway)]);
    // The gateway logs its ports as JSON.
    target = `http://127.0.0.1:${(JSON.parse(line) as { readonly http: number }).http}`;
  });

  afterAll(async () => {
    await gateway?.close();
    await engines.stop();
  });

  it.each(scripts)(
    "%s passes all of its checks, and its thresholds name its metrics",
    async (name) => {
      const outcome = await run(name, 2, [`TARGET=${target}/`, "STEPS=2"]);
      expect(outcome.checks.length).toBeGreaterThan(0);
      expect(outcome.checks.filter(({ isPassed }) => !isPassed)).toEqual([]);
      for (const key of Object.keys(outcome.options.thresholds)) {
        const metric = key.replace(/\{.*$/, "");
        expect([metric, builtIn.has(metric) || metric in outcome.metrics]).toEqual([metric, true]);
      }
      // Which model there is was asked once, and nothing else was asked of another place.
      const [first, ...others] = outcome.requests;
      expect(first).toMatchObject({ method: "GET", url: `${target}/v1/models`, status: 200 });
      for (const { url, method, headers } of others) {
        expect([url, method]).toEqual([`${target}/v1/chat/completions`, "POST"]);
        expect(headers).toMatchObject({ "content-type": "application/json" });
      }
    },
  );

  it("chat.ts sends all earlier turns, and measures each turn and its cached share", async () => {
    const outcome = await run("chat.ts", 1, [`TARGET=${target}`, "MAX_TOKENS=7", "API_KEY=k"]);
    // A system prompt and a question, then an answer and a question more each turn.
    expect(
      bodiesOf(outcome).map(({ messages, max_tokens: maxTokens }) => [
        Array.isArray(messages) ? messages.length : 0,
        maxTokens,
      ]),
    ).toEqual([
      [2, 7],
      [4, 7],
      [6, 7],
    ]);
    expect(outcome.requests.map(({ headers }) => headers["authorization"])).toEqual(
      outcome.requests.map(() => "Bearer k"),
    );
    expect(valuesOf(outcome, "chat_turn_duration")).toHaveLength(3);
    expect(valuesOf(outcome, "chat_cached_share", { turn: "2" })).toHaveLength(1);
    expect(outcome.sleptSeconds).toBe(3);
  });

  it("streaming.ts has a time to the first token, and one to each other", async () => {
    const outcome = await run("streaming.ts", 2, [`TARGET=${target}`, "MAX_TOKENS=4"]);
    expect(bodiesOf(outcome)).toMatchObject([{ stream: true }, { stream: true }]);
    const firstMs = valuesOf(outcome, "time_to_first_token");
    expect(firstMs).toHaveLength(2);
    expect(Math.min(...firstMs)).toBeGreaterThanOrEqual(0);
    expect(valuesOf(outcome, "time_per_output_token")).toHaveLength(2);
    expect(valuesOf(outcome, "tokens_received")).toEqual([4, 4]);
    expect(valuesOf(outcome, "streams_completed")).toEqual([1, 1]);
  });

  it("tenants.ts names the tenant of each request, with its key and objective", async () => {
    const variables = ["API_KEY=a", "API_KEY_BATCH=b", "OBJECTIVE_BATCH=low"];
    const outcome = await run("tenants.ts", 1, [`TARGET=${target}`, ...variables]);
    const sent = outcome.requests
      .slice(1)
      .map(({ headers }) => [
        headers["x-llm-d-inference-fairness-id"],
        headers["authorization"],
        headers["x-llm-d-inference-objective"],
      ]);
    expect(sent).toEqual([
      ["people", "Bearer a", undefined],
      ["application", "Bearer a", undefined],
      ["batch", "Bearer b", "low"],
    ]);
    expect(valuesOf(outcome, "tenant_duration", { tenant: "batch" })).toHaveLength(1);
  });

  it("saturation.ts raises the rate in steps of the same length", async () => {
    const variables = ["STEPS=4", "RATE_MAX=100", "STEP_SECONDS=5", "MODEL=named"];
    const outcome = await run("saturation.ts", 0, [`TARGET=${target}`, ...variables]);
    expect(Object.values(outcome.options.scenarios)).toMatchObject([
      { rate: 25, startTime: "0s", duration: "5s", tags: { step: "1" } },
      { rate: 50, startTime: "5s", duration: "5s", tags: { step: "2" } },
      { rate: 75, startTime: "10s", duration: "5s", tags: { step: "3" } },
      { rate: 100, startTime: "15s", duration: "5s", tags: { step: "4" } },
    ]);
    // With MODEL nothing is asked before the load.
    expect(outcome.requests).toEqual([]);
  });
});

describe("of a server that fails", () => {
  const servers: Server[] = [];

  afterAll(() => {
    for (const server of servers) server.closeAllConnections();
    for (const server of servers) server.close();
  });

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    // A server that listens on a port has one.
    return `TARGET=http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const token = `data: ${JSON.stringify({ choices: [{ delta: { content: "a" } }] })}\n\n`;

  it.each<readonly [string, RequestListener]>([
    [
      "ends with an error event",
      (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end(`${token}data: {"error":{"message":"gone"}}\n\n`);
      },
    ],
    [
      "breaks off",
      (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(token, () => setTimeout(() => response.destroy(), 50));
      },
    ],
    [
      "ends without its last event",
      (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end(token);
      },
    ],
  ])("streaming.ts counts a stream that %s as not completed", async (_, listener) => {
    const outcome = await run("streaming.ts", 1, [await serve(listener), "MODEL=m"]);
    expect(valuesOf(outcome, "streams_completed")).toEqual([0]);
    expect(valuesOf(outcome, "tokens_received")).toEqual([1]);
    expect(outcome.checks).toContainEqual({ name: "stream is complete", isPassed: false });
  });

  it("streaming.ts takes the time of the first token, not of the head or of a role", async () => {
    const role = `data: ${JSON.stringify({ choices: [{ delta: { role: "assistant", content: "" } }] })}\n\n`;
    const target = await serve((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(role);
      setTimeout(() => response.end(`${token}data: [DONE]\n\n`), 300);
    });
    const outcome = await run("streaming.ts", 1, [target, "MODEL=m"]);
    // A timer may fire up to a millisecond early.
    expect(valuesOf(outcome, "time_to_first_token")[0]).toBeGreaterThanOrEqual(299);
    expect(valuesOf(outcome, "time_per_output_token")).toEqual([]);
  });

  it("tenants.ts and saturation.ts count refusals apart from failures", async () => {
    const target = await serve((_, response) => {
      response.writeHead(429, { "retry-after": "1" }).end("{}");
    });
    const tenants = await run("tenants.ts", 1, [target, "MODEL=m"]);
    expect(tenants.checks.every(({ isPassed }) => isPassed)).toBe(true);
    expect(valuesOf(tenants, "tenant_refused", { tenant: "people" })).toEqual([1]);
    expect(valuesOf(tenants, "tenant_answered", { tenant: "people" })).toEqual([0]);
    const saturation = await run("saturation.ts", 1, [target, "MODEL=m", "STEPS=2"]);
    expect(saturation.checks.every(({ isPassed }) => isPassed)).toBe(true);
    expect(valuesOf(saturation, "refused", { step: "2" })).toEqual([1]);
    expect(valuesOf(saturation, "refused_with_retry_after")).toEqual([1, 1]);
  });

  it.each<readonly [string, RequestListener]>([
    ["answers 500", (_, response) => void response.writeHead(500).end("no")],
    ["answers with something else than JSON", (_, response) => void response.end("<html>")],
    ["closes every connection", (request) => void request.socket.destroy()],
  ])("chat.ts fails its checks, and does not throw, if the server %s", async (_, listener) => {
    const outcome = await run("chat.ts", 1, [await serve(listener), "MODEL=m"]);
    expect(outcome.checks).toContainEqual({ name: "answer has text", isPassed: false });
    expect(valuesOf(outcome, "chat_answered")).toEqual([0]);
    expect(valuesOf(outcome, "chat_turn_duration")).toEqual([]);
  });

  it("no script begins its load if there is no model", async () => {
    const target = await serve((_, response) => void response.writeHead(503).end("{}"));
    await expect(run("chat.ts", 1, [target])).rejects.toThrow("no model, status 503; set MODEL");
  });
});
