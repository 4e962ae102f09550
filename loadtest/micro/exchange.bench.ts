import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { getHeapStatistics } from "node:v8";
import { defaultConfigText } from "../../src/config/default-document.ts";
import type { ProxyMessage } from "../../src/data-plane/ingress/ext-proc/messages.ts";
import { streamsOf } from "../../src/data-plane/ingress/ext-proc/stream-machine.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { buildConfig } from "../../src/gateway/build-config.ts";
import { createDataPlane } from "../../src/gateway/data-plane.ts";
import { LiveFlow } from "../../src/gateway/live-flow.ts";
import { observerOf } from "../../src/gateway/observer.ts";
import { createPool } from "../../src/gateway/pool.ts";
import { studiesOf } from "../../src/gateway/studies.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { systemClock as clock } from "../../src/std/clock.ts";
import { RandomHex } from "../../src/std/random-hex.ts";
import { seededRandom } from "../../src/std/random.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { MetricsRegistry } from "../../src/telemetry/metrics-registry.ts";
import { tracingIn } from "../../src/telemetry/traces/otel-environment.ts";
import { OtlpEncoder } from "../../src/telemetry/traces/otlp-encoding.ts";
import { SpanBatches } from "../../src/telemetry/traces/span-batches.ts";
import { SpanTracer } from "../../src/telemetry/traces/tracer.ts";
import { peerScorers, pickerDocument, scorersIn } from "../picker-document.ts";

// A whole request over ext_proc without its transport, by messages that the codec would make: the CPU time and the
// bytes allocated of one, as medians of rounds. The log goes to standard output, the figures to standard error.
//   node loadtest/micro/exchange.bench.ts --body-bytes 2048 > /dev/null
// Two documents in turns, which exchange-pair.bench.ts does, show small differences even while other work runs.

const { values } = parseArgs({
  options: {
    "body-bytes": { type: "string", default: "2048" },
    /** Chunks of an event stream; 0 for one JSON answer. */
    chunks: { type: "string", default: "0" },
    endpoints: { type: "string", default: "8" },
    "log-level": { type: "string", default: "info" },
    /** Document: `default`, `queue` (the same with flow control, and nothing that waits), or that of llm-d-router's scorers. */
    document: { type: "string", default: "peer" },
    /** Share of requests that are traced, up to the batches for the collector; empty to trace none and decide nothing. */
    traced: { type: "string", default: "" },
    rounds: { type: "string", default: "15" },
    "round-ms": { type: "string", default: "200" },
    /** Milliseconds between two requests; 0 for none. */
    "every-ms": { type: "string", default: "0" },
    /** Leaves out what studies requests, such as the hit-rate ladder. */
    "without-studies": { type: "boolean", default: false },
  },
});

const everyMs = Number(values["every-ms"]);
const chunkBytes = 65_536;
/** Requests under way at once. */
const inFlight = 32;
const bodies = 256;

async function machines() {
  const { logger: log, flush } = createLogger(values["log-level"] === "info" ? "info" : "warn");
  const registry = new MetricsRegistry();
  const memory = new PluginMemory();
  const random = seededRandom(1);
  const pool = createPool({ clock, log, registry, memory });
  pool.store.apply(
    Array.from({ length: Number(values.endpoints) }, (_, index) => ({
      id: `default/e${index}`,
      namespace: "default",
      name: `e${index}`,
      address: `10.0.${index >> 8}.${index & 255}`,
      port: 8_000,
      labels: {},
    })),
  );
  const document =
    values.document === "peer"
      ? pickerDocument("endpoints.json", scorersIn(peerScorers))
      : defaultConfigText;
  const featureGates = values.document === "queue" ? ["flowControl"] : [];
  const result = buildConfig(document, { memory, random, allowsTestOnly: false, featureGates });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  const { build } = result;
  build.keepMemory();
  const decisions = new DecisionLog();
  const deps = { clock, log, registry, memory, pool, first: build, inForce: () => build };
  const studied = values["without-studies"] ? undefined : await studiesOf({}, deps);
  const named = { poolName: "bench", fairnessIdsMax: 100 };
  const flow = new LiveFlow(build, { clock, log, pool, registry, ...named });
  const options = {
    ...{ ignoresSubset: false, bodyBytesMax: 64 << 20, log: decisions },
    studies: studied?.studies ?? [],
    flow: flow.inForce,
  };
  const routing = new Routing(build.dataPlane, { ...options, nowMs: () => clock.nowMs() });
  const observer = observerOf({
    ...{ registry, log, pool, clock, decisions, ...named },
    rewriteRules: () => build.dataPlane.rewriteRules(),
  });
  const tracer = values.traced === "" ? undefined : tracerOf(Number(values.traced));
  const parts = {
    clock,
    pool,
    routing: () => routing,
    followers: [observer, flow.follower, ...(studied?.followers ?? [])],
    tracer,
  };
  return {
    open: streamsOf({
      dataPlane: createDataPlane(parts),
      bodyBytesMax: 64 << 20,
      waitTimeoutMs: 0,
    }),
    flush,
  };
}

/** A tracer whose collector takes every batch at once. */
function tracerOf(ratio: number): SpanTracer {
  const found = tracingIn({ OTEL_TRACES_EXPORTER: "otlp" }, { flag: true, serviceName: "bench" });
  if (found.settings === undefined) throw new Error("nothing is traced");
  const { resource, batch } = found.settings;
  const encoder = new OtlpEncoder({ resource, scope: { name: "bench", version: "0" } });
  const sink = new SpanBatches({
    ...{ settings: batch, clock, random: seededRandom(1), encode: (all) => encoder.encode(all) },
    sender: {
      send: () => Promise.resolve({ kind: "accepted", rejectedSpans: 0, message: "" }),
      close: () => undefined,
    },
    onSent: () => undefined,
    onDropped: (reason, spans) => void process.stderr.write(`${spans} spans dropped: ${reason}\n`),
    onState: () => undefined,
  });
  return new SpanTracer({
    ...{ clock, sink, random: new RandomHex(), chance: seededRandom(1) },
    sampler: { ratio, followsParent: true },
    onLeftOut: () => undefined,
  });
}

function bodyOf(index: number): Buffer {
  const bytes = Number(values["body-bytes"]);
  const shared = `shared context ${index % 64} with "words" that\nrepeat in it. `;
  const messages = [
    { role: "system", content: shared.repeat(bytes / shared.length).slice(0, (bytes * 3) / 4) },
    { role: "user", content: `${index} `.repeat(bytes).slice(0, bytes / 4) },
  ];
  const stream = Number(values.chunks) > 0;
  return Buffer.from(JSON.stringify({ model: "sim-model", max_tokens: 64, stream, messages }));
}

function requestOf(body: Buffer): ProxyMessage[] {
  const headers = new Map([
    [":method", "POST"],
    [":path", "/v1/chat/completions"],
    [":scheme", "http"],
    [":authority", "gateway.local"],
    ["content-type", "application/json"],
    ["content-length", String(body.length)],
    ["user-agent", "bench"],
    ["x-request-id", randomUUID()],
  ]);
  const none = { subset: undefined, config: undefined };
  const messages: ProxyMessage[] = [
    { kind: "request-headers", headers, endOfStream: false, ...none },
  ];
  for (let from = 0; from < body.length; from += chunkBytes) {
    const endOfStream = from + chunkBytes >= body.length;
    const piece = body.subarray(from, from + chunkBytes);
    messages.push({ kind: "request-body", body: piece, endOfStream });
  }
  return messages;
}

function answerOf(): ProxyMessage[] {
  const chunks = Number(values.chunks);
  const type = chunks > 0 ? "text/event-stream" : "application/json";
  const headers = new Map([
    [":status", "200"],
    ["content-type", type],
  ]);
  const head = { headers, endOfStream: false, servedBy: undefined };
  const usage =
    '"usage":{"prompt_tokens":400,"total_tokens":464,"completion_tokens":64,"prompt_tokens_details":{"cached_tokens":128}}';
  const texts =
    chunks > 0
      ? eventsOf(chunks, usage)
      : [
          `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello there"},"finish_reason":"stop"}],${usage}}`,
        ];
  return [
    { kind: "response-headers", ...head },
    ...texts.map((text, index): ProxyMessage => {
      const endOfStream = index === texts.length - 1;
      return { kind: "response-body", body: Buffer.from(text), endOfStream };
    }),
  ];
}

function eventsOf(chunks: number, usage: string): string[] {
  const head =
    '"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"sim-model"';
  const event = (rest: string) => `data: {${head},${rest}}\n\n`;
  const delta = '{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}';
  const tokens = Array.from({ length: chunks }, () => event(`"choices":[${delta}]`));
  return [...tokens, event(`"choices":[],${usage}`) + "data: [DONE]\n\n"];
}

const { open, flush } = await machines();
const requests = Array.from({ length: bodies }, (_, index) => requestOf(bodyOf(index)));
const answer = answerOf();
let next = 0;
const ends: (() => void)[] = [];

/** Begins a request, and ends the one that began `inFlight` requests before. */
function step(): void {
  let answers = 0;
  const stream = open({
    answer: () => void (answers += 1),
    finish: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
  });
  for (const message of requests[next % bodies] ?? []) stream.receive(message);
  next += 1;
  if (answers < 2) throw new Error("a request is not answered");
  ends.push(() => {
    for (const message of answer) stream.receive(message);
    stream.close("unknown");
  });
  if (ends.length > inFlight) ends.shift()?.();
}

async function round(): Promise<{ us: number; bytes: number }> {
  const endMs = performance.now() + Number(values["round-ms"]);
  const cpu = process.cpuUsage();
  const allocated = getHeapStatistics().total_allocated_bytes;
  let count = 0;
  do {
    const steps = everyMs > 0 ? 1 : 4;
    for (let index = 0; index < steps; index += 1) step();
    count += steps;
    await (everyMs > 0 ? clock.sleep(everyMs) : new Promise((resolve) => setImmediate(resolve)));
  } while (performance.now() < endMs);
  const { user, system } = process.cpuUsage(cpu);
  const bytes = (getHeapStatistics().total_allocated_bytes - allocated) / count;
  return { us: (user + system) / count, bytes };
}

const median = (numbers: number[]) =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

if (process.send !== undefined) {
  // Rounds when they are asked for, until the process that asks is gone.
  process.on("message", () => void round().then((measured) => process.send?.(measured)));
  process.on("disconnect", () => process.exit(0));
  process.send("ready");
  await new Promise(() => undefined);
}
for (let warmUp = 0; warmUp < 8; warmUp += 1) await round();
const rounds: Awaited<ReturnType<typeof round>>[] = [];
for (let index = 0; index < Number(values.rounds); index += 1) rounds.push(await round());
await flush();
const us = rounds.map((each) => each.us);
process.stderr.write(
  `${JSON.stringify({ ...values, us: median(us).toFixed(1), usMin: Math.min(...us).toFixed(1), bytes: Math.round(median(rounds.map((each) => each.bytes))) })}\n`,
);
process.exit(0);
