import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { stringify } from "yaml";
import type { InferenceRequest } from "../../src/core/request.ts";
import type { EndpointSpec } from "../../src/state/membership.ts";
import { aHead, aRequest } from "./builders.ts";
import type { PoolEvent } from "./living-pool.ts";
import { type Scenario, scenariosIn } from "./scenario.ts";

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
export const aMixture = fc
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
const scenarioDocuments = seen(({ config }) => [stringify({ ...header, ...config })]);
const labelSets = seen(({ endpoints }) => endpoints.map(({ labels }) => labels));
export const someSpecs: fc.Arbitrary<readonly EndpointSpec[]> = fc
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

/** A change of the pool, or a request. */
export type Step = { readonly event: PoolEvent } | { readonly request: InferenceRequest };

/** Changes of a pool and requests in turns. */
export function someSteps(count: { minLength: number; maxLength: number }): fc.Arbitrary<Step[]> {
  return fc.array(
    fc.oneof(
      { weight: 1, arbitrary: anEvent.map((event) => ({ event })) },
      { weight: 1, arbitrary: someRequest.map((request) => ({ request })) },
    ),
    count,
  );
}

/** Every document of this repository that can be loaded. */
export const documents: readonly string[] = [...scenarioDocuments, ...loadable];
