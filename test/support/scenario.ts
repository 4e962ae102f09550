import { readFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { buildConfig } from "../../src/gateway/build-config.ts";
import type { DecisionRecord } from "../../src/core/decision-record.ts";
import type { Outcome } from "../../src/core/decision.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { LoadSnapshot } from "../../src/core/load.ts";
import { Pipeline } from "../../src/data-plane/pipeline.ts";
import type { PoolView } from "../../src/data-plane/pool-view.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import { poolViewOf } from "../../src/gateway/data-plane.ts";
import type { HeaderPair } from "../../src/core/request.ts";
import type { ResponseMetadata } from "../../src/core/response-metadata.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import type { EndpointStore } from "../../src/state/endpoint-store.ts";
import type { InFlightLedger } from "../../src/state/in-flight.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import type { Random } from "../../src/std/random.ts";
import { aLoad } from "./builders.ts";
import { decidedAtOnce, throwsDefects } from "./exchanges.ts";
import { quietPool } from "./quiet-pool.ts";

const text = z.union([
  z.string(),
  z.strictObject({ repeat: z.string(), times: z.int().min(0), end: z.string().default("") }),
]);

const aRequestSchema = z.strictObject({
  method: z.string().default("POST"),
  path: z.string().default("/v1/completions"),
  headers: z.record(z.string(), z.string()).default({}),
  /** The gateway's subset hint. */
  subset: z.array(z.string()).optional(),
  priority: z.int().default(0),
  /** With `prompt`, a completions body. */
  model: z.string().default("m"),
  prompt: text.default("hello"),
  /** The whole JSON body in their place. */
  body: z.record(z.string(), z.unknown()).optional(),
  /** Members beside model and prompt. */
  with: z.record(z.string(), z.unknown()).default({}),
});

const endpointSchema = z.strictObject({
  name: z.string(),
  namespace: z.string().default("default"),
  address: z.string().optional(),
  port: z.int().default(8_000),
  labels: z.record(z.string(), z.string()).default({}),
  waitingRequests: z.number().optional(),
  runningRequests: z.number().optional(),
  kvCacheUsedRatio: z.number().optional(),
  signalsAgeMs: z.number().default(0),
  blockTokens: z.number().optional(),
  blocksMax: z.number().optional(),
  inFlightRequests: z.int().default(0),
  inFlightTokens: z.int().default(0),
  adapters: z
    .strictObject({
      active: z.array(z.string()).default([]),
      waiting: z.array(z.string()).default([]),
      max: z.number(),
    })
    .optional(),
  /** By key, or `producer/key`. */
  attributes: z.record(z.string(), z.number()).default({}),
});

const byEndpoint = z.record(z.string(), z.number());

const caseSchema = z.strictObject({
  it: z.string(),
  config: z.record(z.string(), z.unknown()),
  random: z.union([z.number(), z.array(z.number())]).default(0),
  endpoints: z.array(endpointSchema),
  before: z
    .array(
      z.strictObject({
        to: z.string(),
        request: aRequestSchema,
        ended: z.boolean().default(false),
        status: z.int().optional(),
        /** The JSON body of its answer. */
        answer: z.record(z.string(), z.unknown()).optional(),
        /**
         * Time that passes until its first token; its answer begins at once if left out. A request with `stream: true`
         * is answered by a stream.
         */
        firstTokenMs: z.number().min(0).optional(),
      }),
    )
    .default([]),
  request: aRequestSchema,
  /** `ip:port` the proxy says it used; the pick where left out, nothing where null. */
  servedBy: z.string().nullable().optional(),
  /** The JSON body of the answer to the request. */
  answer: z.record(z.string(), z.unknown()).optional(),
  expect: z.strictObject({
    scores: z.record(z.string(), byEndpoint).default({}),
    totals: byEndpoint.default({}),
    kept: z.record(z.string(), z.array(z.string())).default({}),
    pick: z.union([z.string(), z.array(z.string())]).optional(),
    profile: z.string().optional(),
    chosen: z.record(z.string(), z.string()).default({}),
    destination: z.string().optional(),
    requestHeaders: z.record(z.string(), z.string()).default({}),
    responseHeaders: z.record(z.string(), z.string()).default({}),
    refused: z.string().optional(),
    /** Numbers for the proxy, by namespace and name; the request is then answered by `answer`. */
    metadata: z.record(z.string(), z.record(z.string(), z.number())).optional(),
    /** Members of the body that goes to the engine. */
    sentFields: z.record(z.string(), z.unknown()).default({}),
  }),
});

export type Scenario = z.infer<typeof caseSchema>;
type ScenarioRequest = Scenario["request"];

/** The cases of a file; a case that is not of the form is an error that says where. */
export function scenariosIn(file: string): readonly Scenario[] {
  const parsed = z
    .array(caseSchema)
    .min(1)
    .safeParse(parse(readFileSync(file, "utf8")));
  if (parsed.success) return parsed.data;
  throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
}

/** What came of a case. */
export interface ScenarioResult {
  readonly outcome: Outcome;
  readonly record: DecisionRecord | undefined;
  readonly responseHeaders: readonly HeaderPair[];
  readonly metadata: ResponseMetadata | undefined;
}

/** Runs a case through the pipeline that `serve` uses, on a pool made of its endpoints. */
export function runScenario(scenario: Scenario): ScenarioResult {
  const rig = rigOf(scenario);
  for (const { to, request, ended, status, answer, firstTokenMs } of scenario.before) {
    const { exchange, outcome } = rig.send({ ...request, subset: [rig.hostPortOf(to)] });
    if (outcome.kind !== "routed") throw new Error(`the request to ${to} was refused`);
    if (status === undefined && firstTokenMs === undefined && !ended) continue;
    rig.pass(firstTokenMs ?? 0);
    const isStream = request.with["stream"] === true;
    const head = isStream ? { ...okHead, headers: eventStreamHeaders } : okHead;
    exchange.responseHead({ ...head, httpStatus: status ?? 200 });
    const body = answer === undefined ? "x" : JSON.stringify(answer);
    exchange.responseChunk(Buffer.from(isStream ? firstTokenEvent : body), ended);
    if (ended) exchange.end("complete");
  }
  const { exchange, outcome } = rig.send(scenario.request);
  const picked =
    outcome.kind === "routed" ? outcome.decision.targets[0].endpoint.hostPort : undefined;
  const servedBy = scenario.servedBy === undefined ? picked : (scenario.servedBy ?? undefined);
  const { set } = exchange.responseHead({ ...okHead, servedBy });
  if (scenario.answer !== undefined) {
    exchange.responseChunk(Buffer.from(JSON.stringify(scenario.answer)), true);
  }
  const metadata = exchange.responseMetadata();
  return { outcome, record: rig.decisions.last(1)[0], responseHeaders: set, metadata };
}

const eventStreamHeaders = new Map([["content-type", "text/event-stream"]]);
const firstTokenEvent = 'data: {"choices":[{"index":0,"text":"x"}]}\n\n';

const okHead = {
  httpStatus: 200,
  headers: new Map<string, string>(),
  servedBy: undefined,
  showsBody: true,
  showsWholeBody: true,
};

/** The instant at which everything happens, but for answers that take time. */
const startMs = 1_000_000;

function rigOf({ config, endpoints, random }: Scenario) {
  const memory = new PluginMemory();
  const document = {
    apiVersion: "pointsman.dev/v1alpha1",
    kind: "EndpointPickerConfig",
    ...config,
  };
  const chance = randomOf(random);
  const result = buildConfig(stringify(document), { memory, random: chance, allowsTestOnly: true });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();

  const quiet = quietPool();
  const { store, ledger } = quiet;
  fill(store, ledger, endpoints);
  const signals = signalsOf(endpoints);
  const decisions = new DecisionLog();
  let passedMs = 0;
  const clock = { nowMs: () => startMs + passedMs, wallMs: () => startMs + passedMs };
  const view = poolViewOf(quiet, clock);
  const pool: PoolView = {
    ...view,
    // As the scenario says, and not as the store would correct them.
    snapshot: (atMs) => {
      const snapshot = view.snapshot(atMs);
      return { ...snapshot, load: { ...snapshot.load, ...signals } };
    },
  };
  const options = { ignoresSubset: false, bodyBytesMax: Number.POSITIVE_INFINITY, log: decisions };
  return {
    decisions,
    pass: (ms: number) => void (passedMs += ms),
    hostPortOf: (name: string) => endpointNamed(store, name).hostPort,
    send: (request: ScenarioRequest) => {
      const parts = { ...result.build.dataPlane, priorityOf: () => request.priority };
      const routing = new Routing(parts, options);
      const pipeline = new Pipeline({
        clock,
        pool,
        routing: () => routing,
        followers: [throwsDefects],
      });
      const exchange = pipeline.begin(headOf(request), true);
      return { exchange, outcome: decidedAtOnce(exchange.decide(bodyOf(request))) };
    },
  };
}

function fill(
  store: EndpointStore,
  ledger: InFlightLedger,
  endpoints: Scenario["endpoints"],
): void {
  store.apply(
    endpoints.map(({ name, namespace, address, port, labels }, index) => ({
      id: `${namespace}/${name}`,
      namespace,
      name,
      address: address ?? `10.0.0.${index + 1}`,
      port,
      labels,
    })),
  );
  for (const row of endpoints) {
    const endpoint = endpointNamed(store, row.name);
    for (let sent = 0; sent < row.inFlightRequests; sent += 1) {
      ledger.open(endpoint, sent === 0 ? row.inFlightTokens : 0, startMs);
    }
  }
}

/** Slots are given out in the order of the endpoints. */
function signalsOf(endpoints: Scenario["endpoints"]): Partial<LoadSnapshot> {
  const {
    inFlightRequests: _,
    inFlightTokens: __,
    ...signals
  } = aLoad(
    endpoints.map(({ adapters, attributes, signalsAgeMs, ...row }) => {
      const { waitingRequests, runningRequests, kvCacheUsedRatio, blockTokens, blocksMax } = row;
      const isRead = [
        waitingRequests,
        runningRequests,
        kvCacheUsedRatio,
        blockTokens,
        blocksMax,
      ].some((signal) => signal !== undefined);
      const readAtMs =
        isRead || adapters !== undefined || Object.keys(attributes).length > 0
          ? startMs - signalsAgeMs
          : Number.NaN;
      return {
        ...(waitingRequests === undefined ? {} : { waitingRequests }),
        ...(runningRequests === undefined ? {} : { runningRequests }),
        ...(kvCacheUsedRatio === undefined ? {} : { kvCacheUsedRatio }),
        ...(blockTokens === undefined ? {} : { blockTokens }),
        ...(blocksMax === undefined ? {} : { blocksMax }),
        signalsAtMs: readAtMs,
        adapters: adapters && {
          active: new Set(adapters.active),
          waiting: new Set(adapters.waiting),
          adaptersMax: adapters.max,
        },
        attributes: Object.fromEntries(
          Object.entries(attributes).map(([key, value]) => [
            key.includes("/") ? key : `core-metrics-extractor/${key}`,
            value,
          ]),
        ),
      };
    }),
  );
  return signals;
}

function endpointNamed(store: EndpointStore, name: string): Endpoint {
  const endpoint = store.endpoints().find((each) => each.name === name);
  if (endpoint === undefined) throw new Error(`no endpoint is named ${name}`);
  return endpoint;
}

function headOf({ method, path, headers, subset }: ScenarioRequest) {
  const lower = Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value] as const);
  return {
    id: "scenario",
    method,
    path,
    headers: new Map([["content-type", "application/json"], ...lower]),
    subset,
  };
}

function bodyOf({ method, model, prompt, body, with: others }: ScenarioRequest) {
  if (method !== "POST") return new Uint8Array(0);
  return Buffer.from(JSON.stringify(body ?? { model, prompt: textOf(prompt), ...others }));
}

function textOf(prompt: ScenarioRequest["prompt"]): string {
  return typeof prompt === "string" ? prompt : prompt.repeat.repeat(prompt.times) + prompt.end;
}

function randomOf(chances: Scenario["random"]): Random {
  if (typeof chances === "number") return () => chances;
  let drawn = 0;
  return () => chances[drawn++ % chances.length] ?? 0;
}
