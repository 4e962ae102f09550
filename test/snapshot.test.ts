import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { describe, expect, it, vi } from "vitest";
import { aHead, aRequest } from "#test/support/builders.ts";
import { LivingPool, type PoolEvent } from "#test/support/living-pool.ts";
import { type Scenario, scenariosIn } from "#test/support/scenario.ts";
import type { PoolSnapshot } from "../src/core/pool-snapshot.ts";
import type { InferenceRequest } from "../src/core/request.ts";
import { buildConfig } from "../src/gateway/build-config.ts";
import { DecisionLog } from "../src/data-plane/scheduling/decision-log.ts";
import { producerPlugins } from "../src/data-plane/scheduling/producers/registry.ts";
import { schedulingPlugins } from "../src/data-plane/scheduling/registry.ts";
import { Scheduler, type Scheduled } from "../src/data-plane/scheduling/scheduler.ts";
import type { EndpointSpec } from "../src/state/membership.ts";
import { PluginMemory } from "../src/state/plugin-memory.ts";
import { seededRandom } from "../src/std/random.ts";

const scenarios = readdirSync("test/scenarios")
  .filter((file) => file.endsWith(".yaml"))
  .flatMap((file) => scenariosIn(path.join("test/scenarios", file)));
const loadable = readdirSync("test/configs/loaded")
  .filter((file) => file.endsWith(".effective.yaml"))
  .map((file) => readFileSync(path.join("test/configs/loaded", file), "utf8"));

const seen = <T>(pick: (scenario: Scenario) => readonly T[]): readonly T[] =>
  [...new Set(scenarios.flatMap(pick).map((each) => JSON.stringify(each)))].map(
    // Written by the line above from a value of this type.
    (text) => JSON.parse(text) as T,
  );
const allRequests = (scenario: Scenario) => [
  scenario.request,
  ...scenario.before.map(({ request }) => request),
];

const scorers = [
  "queue-scorer",
  "kv-cache-utilization-scorer",
  "running-requests-size-scorer",
  "lora-affinity-scorer",
  "prefix-cache-scorer",
  "active-request-scorer",
  "load-aware-scorer",
  "token-load-scorer",
  "no-hit-lru-scorer",
  "context-length-aware",
  "session-affinity-scorer",
];
const filters = ["prefix-cache-affinity-filter", "session-affinity-filter"];
const pickers = ["max-score-picker", "random-picker", "weighted-random-picker"];

const header = { apiVersion: "pointsman.dev/v1alpha1", kind: "EndpointPickerConfig" };

/** Any scorers with any weights, some filters and a picker of several endpoints. */
const aMixture = fc
  .record({
    weights: fc.dictionary(fc.constantFrom(...scorers), fc.integer({ min: 1, max: 9 })),
    kept: fc.subarray(filters),
    picker: fc.constantFrom(...pickers),
    maxNumOfEndpoints: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ weights, kept, picker, maxNumOfEndpoints }) => {
    const types = [...Object.keys(weights), ...kept];
    const plugins = [
      ...types.map((type) => ({ type })),
      { type: picker, parameters: { maxNumOfEndpoints } },
    ];
    const refs = plugins.map(({ type }) => ({ pluginRef: type, weight: weights[type] }));
    const profile = { name: "default", plugins: refs };
    return stringify({ ...header, plugins, schedulingProfiles: [profile] });
  });
const documents = seen(({ config }) => [stringify({ ...header, ...config })]);
const labelSets = seen(({ endpoints }) => endpoints.map(({ labels }) => labels));
const someSpecs: fc.Arbitrary<readonly EndpointSpec[]> = fc
  .array(fc.constantFrom(...labelSets), { minLength: 1, maxLength: 8 })
  .map((each) =>
    each.map((labels, index) => ({
      id: `default/e${index}`,
      namespace: "default",
      name: `e${index}`,
      address: `10.0.0.${index}`,
      port: 8_000,
      labels,
    })),
  );

const headerSets = seen((scenario) => allRequests(scenario).map(({ headers }) => headers));
const models = ["llama", "m", "lora-a", ""];
const blocks = ["alpha ", "beta ", "gamma "].map((word) => word.repeat(300));
const aPrompt = fc
  .array(fc.constantFrom(...blocks), { maxLength: 4 })
  .map((parts) => parts.map((text) => ({ kind: "text" as const, text })));
const someRequest: fc.Arbitrary<InferenceRequest> = fc
  .record({
    headers: fc.constantFrom(...headerSets),
    subset: fc.option(fc.uniqueArray(fc.constantFrom("10.0.0.0", "10.0.0.1", "10.0.0.2:8000")), {
      nil: undefined,
      freq: 9,
    }),
    model: fc.constantFrom(...models),
    prompt: aPrompt,
    media: fc.boolean(),
    priority: fc.constantFrom(-1, 0, 5),
  })
  .map(({ headers, subset, model, prompt, media, priority }) => {
    const image = { kind: "media" as const, mediaType: "image", reference: "https://a/b.png" };
    const parts = media ? [...prompt, image] : prompt;
    const promptTokens = Math.ceil(prompt.reduce((sum, { text }) => sum + text.length, 0) / 4);
    const head = aHead({ headers: new Map(Object.entries(headers)), subset });
    return aRequest({ head, model, prompts: [parts], promptTokens, priority });
  });

const nth = fc.nat({ max: 20 });
const kind = <K extends PoolEvent["kind"]>(name: K) => fc.constant(name);
const anEvent: fc.Arbitrary<PoolEvent> = fc.oneof(
  fc.record({
    kind: kind("report"),
    nth,
    waitingRequests: fc.nat({ max: 30 }),
    runningRequests: fc.nat({ max: 60 }),
    kvCacheUsedRatio: fc.double({ min: 0, max: 1, noNaN: true }),
    adapters: fc.option(
      fc
        .uniqueArray(fc.constantFrom("lora-a", "lora-b", "llama"))
        .map((names) => ({ active: new Set(names), waiting: new Set<string>(), adaptersMax: 2 })),
      { nil: undefined },
    ),
    startedAtSeconds: fc.constantFrom(1, 1, 1, 2),
  }),
  fc.record({ kind: kind("send"), nth, promptTokens: fc.nat({ max: 5_000 }) }),
  fc.record({ kind: kind("finish"), nth }),
  fc.record({ kind: kind("check"), nth, isWell: fc.boolean() }),
  fc.record({
    kind: kind("models"),
    nth,
    names: fc.option(fc.subarray(models), { nil: undefined, freq: 3 }),
  }),
  fc.record({ kind: kind("members"), count: fc.nat({ max: 7 }) }),
  fc.record({ kind: kind("wait"), ms: fc.constantFrom(1, 20, 300, 3_000, 20_000) }),
);
const someSteps = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: anEvent.map((event) => ({ event })) },
    { weight: 1, arbitrary: someRequest.map((request) => ({ request })) },
  ),
  { minLength: 1, maxLength: 30 },
);

/** A scheduler with a memory and random numbers of its own; two of one document begin alike. */
function schedulerOf(document: string) {
  const memory = new PluginMemory();
  const random = seededRandom(7);
  const result = buildConfig(document, { memory, random, allowsTestOnly: true });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();
  const { graph, refusesUnknownModels } = result.build.dataPlane;
  const log = new DecisionLog({ numbersMax: 10_000, recordsMax: 4 });
  const scheduler = new Scheduler(graph, { ignoresSubset: false, refusesUnknownModels, log });
  const decide = (request: InferenceRequest, snapshot: PoolSnapshot) => {
    const { endpoints, load, nowMs } = snapshot;
    const { saturation, scheduled } = withoutClockAndChance(() => ({
      saturation: graph.detector.saturation(endpoints, load, nowMs),
      scheduled: scheduler.schedule({ request, snapshot }),
    }));
    return { saturation, scheduled, record: log.last(1)[0] };
  };
  /** The request leaves, and plugins learn from it. */
  const send = (scheduled: Scheduled) => {
    if (scheduled.kind === "refused") return;
    scheduler.sent(scheduled, (follower) => follower.firstToken?.(0));
  };
  return { memory, decide, send };
}

type Twin = ReturnType<typeof schedulerOf>;

const notAllowed = () => expect.unreachable("a decision depends on its inputs alone");

/** Runs something that may ask neither the time nor the chance of the process. */
function withoutClockAndChance<T>(run: () => T): T {
  const spies = [
    vi.spyOn(performance, "now").mockImplementation(notAllowed),
    vi.spyOn(Date, "now").mockImplementation(notAllowed),
    vi.spyOn(Math, "random").mockImplementation(notAllowed),
  ];
  try {
    return run();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** All that came of a decision but its inputs. */
function outcomeOf({ saturation, scheduled, record }: ReturnType<Twin["decide"]>) {
  const outcome = scheduled.kind === "routed" ? scheduled.decision : scheduled.refusal;
  return { saturation, outcome, record };
}

/** True if a value is what was written; V8 has two ways to write an array, so bytes can differ for equal values. */
function isUnchanged(value: unknown, bytes: Buffer): boolean {
  const after = serialize(value);
  return after.equals(bytes) || isDeepStrictEqual(deserialize(after), deserialize(bytes));
}

// Written by `serialize` from a snapshot.
const copyOf = (bytes: Buffer) => deserialize(bytes) as PoolSnapshot;

type Steps = typeof someSteps extends fc.Arbitrary<infer T> ? T : never;

/**
 * Makes each decision twice: on the live snapshot and, once all of the pool has changed, on a serialized one, with as much
 * memory and the same random numbers. Fails if they differ, or if one changes what it was given. Returns the decisions.
 */
function decideTwice(document: string, specs: readonly EndpointSpec[], steps: Steps) {
  const [live, replayed] = [schedulerOf(document), schedulerOf(document)];
  const forget = (endpoint: Parameters<PluginMemory["forget"]>[0]) => {
    for (const { memory } of [live, replayed]) memory.forget(endpoint);
  };
  const pool = new LivingPool({ specs, onRestart: forget, onRemoved: forget });
  const decisions: ReturnType<Twin["decide"]>[] = [];
  for (const step of steps) {
    if ("event" in step) {
      pool.happen(step.event);
      continue;
    }
    const { request } = step;
    const snapshot = pool.snapshot();
    const [bytes, requestBytes] = [serialize(snapshot), serialize(request)];
    const decision = live.decide(request, snapshot);
    expect(isUnchanged(snapshot, bytes)).toBe(true);
    expect(isUnchanged(request, requestBytes)).toBe(true);
    live.send(decision.scheduled);
    pool.disturb();
    const copy = copyOf(bytes);
    const again = replayed.decide(request, copy);
    expect(outcomeOf(again)).toEqual(outcomeOf(decision));
    expect(isUnchanged(copy, bytes)).toBe(true);
    replayed.send(again.scheduled);
    decisions.push(decision);
    if (decision.scheduled.kind === "refused") continue;
    for (const [endpoint] of decision.scheduled.decision.chosen.values()) {
      pool.send(endpoint, request.promptTokens);
    }
  }
  return decisions;
}

/** Documents of this repository by the plugins that they name. */
const documentsOf = new Map<string, string[]>();
for (const document of [...documents, ...loadable]) {
  // The tests of configurations and scenarios check their form.
  const { plugins } = parse(document) as { plugins?: readonly { type: string }[] };
  for (const type of new Set((plugins ?? []).map((plugin) => plugin.type))) {
    documentsOf.set(type, [...(documentsOf.get(type) ?? []), document]);
  }
}
const types = [...schedulingPlugins, ...producerPlugins].map(({ type }) => type);

describe("a decision is the same on the live snapshot and on a serialized one, and changes neither", () => {
  it.each(types)(
    "with %s",
    (type) => {
      const aDocument = fc.constantFrom(...(documentsOf.get(type) ?? []));
      fc.assert(
        fc.property(aDocument, someSpecs, someSteps, (...given) => {
          const asked = given[2].filter((step) => "request" in step);
          expect(decideTwice(...given)).toHaveLength(asked.length);
        }),
        { numRuns: 2, seed: 1, endOnFailure: true },
      );
    },
    60_000,
  );

  it("with any mixture of scorers, filters and pickers, whether or not endpoints are well", () => {
    const decisions: ReturnType<typeof decideTwice> = [];
    fc.assert(
      fc.property(aMixture, someSpecs, someSteps, (...given) => {
        decisions.push(...decideTwice(...given));
      }),
      { numRuns: 15, seed: 1, endOnFailure: true },
    );
    const isUnwell = ({ record }: (typeof decisions)[number]) =>
      record?.profiles.some(({ unwell }) => unwell.length > 0) === true;
    expect(decisions.filter(({ scheduled }) => scheduled.kind === "routed").length).toBeGreaterThan(
      30,
    );
    expect(decisions.filter(isUnwell).length).toBeGreaterThan(10);
  }, 60_000);
});
