import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { stringify } from "yaml";
import type { Plan } from "../core/plan.ts";
import {
  declared,
  type DataKind,
  type Plugin,
  type PluginKind,
  type PluginNeed,
} from "../core/plugin.ts";
import { plugins as realPlugins } from "../gateway/plugins.ts";
import { documentSchema } from "./document.ts";
import { defaultConfigText } from "./default-document.ts";
import { makePlan, type PlanOptions } from "./make-plan.ts";
import { plannedPlugins } from "./planned-plugins.ts";
import { readDocument } from "./read-document.ts";

interface Extras {
  readonly produces?: DataKind;
  readonly needs?: readonly PluginNeed[];
}

/** A plugin of any kind, with a parameter that has a default and a bound. */
const plugin = (kind: PluginKind, type: string, { produces, needs = [] }: Extras = {}) =>
  declared({
    kinds: [kind],
    type,
    summary: "",
    params: z.strictObject({
      level: z.int().min(0).default(1),
      inner: z.strictObject({ list: z.array(z.number()) }).optional(),
      needsPlugin: z.string().optional(),
    }),
    ...(produces === undefined ? {} : { produces }),
    needs: ({ needsPlugin }) => [
      ...needs,
      ...(needsPlugin === undefined
        ? []
        : [
            {
              kind: "plugin",
              name: needsPlugin,
              as: "decider",
              path: ["needsPlugin"],
            } as const satisfies PluginNeed,
          ]),
    ],
    create: () => undefined,
  });

const reads = (data: DataKind, extras: Partial<PluginNeed> = {}) =>
  // The extras only set if the data is optional.
  ({ kind: "data", data, producer: undefined, path: [], ...extras }) as PluginNeed;

/** Plugins that are added to every document. */
const injected = [
  plugin("profile-handler", "single-profile-handler"),
  plugin("picker", "max-score-picker"),
  plugin("ordering-policy", "fcfs-ordering-policy"),
  plugin("fairness-policy", "global-strict-fairness-policy"),
  plugin("usage-limit-policy", "static-usage-limit-policy"),
  plugin("parser", "openai-parser"),
  plugin("parser", "anthropic-parser"),
  plugin("parser", "vllmhttp-parser"),
  plugin("parser", "passthrough-parser"),
  plugin("saturation-detector", "utilization-detector"),
  plugin("data-source", "metrics-data-source"),
  plugin("extractor", "core-metrics-extractor"),
];

const registry = [
  ...injected,
  plugin("scorer", "queue-scorer"),
  plugin("scorer", "kv-scorer"),
  plugin("filter", "role-filter"),
  plugin("picker", "random-picker"),
  plugin("profile-handler", "other-handler"),
  plugin("discovery", "file-discovery"),
  plugin("decider", "some-decider"),
  plugin("scorer", "prefix-scorer", { needs: [reads("prefix-match")] }),
  plugin("scorer", "load-scorer", { needs: [reads("in-flight-load")] }),
  plugin("data-producer", "approx-prefix-cache-producer", {
    produces: "prefix-match",
    needs: [reads("prompt-tokens")],
  }),
  plugin("data-producer", "inflight-load-producer", {
    produces: "in-flight-load",
    needs: [reads("prompt-tokens"), reads("prefix-match", { isOptional: true })],
  }),
  plugin("data-producer", "token-producer", { produces: "prompt-tokens" }),
  plugin("admitter", "latency-reader", { needs: [reads("latency-prediction")] }),
  plugin("filter", "test-filter"),
];

const options = { testOnly: new Set(["test-filter"]), allowsTestOnly: false };

/** Types of the plugins that are added to a document. */
const completed = injected.map(({ type }) => type);

const head = { apiVersion: "llm-d.ai/v1alpha1", kind: "EndpointPickerConfig" };

function planOf(text: string, plugins: readonly Plugin[], planOptions: PlanOptions) {
  const read = readDocument(text);
  return read.kind === "invalid" ? read : makePlan(read.document, plugins, planOptions);
}

const load = (document: object) => planOf(stringify({ ...head, ...document }), registry, options);

function configOf(document: object) {
  const result = load(document);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  return result.plan;
}

function mistakesIn(document: object): readonly string[] {
  const result = load(document);
  return result.kind === "invalid" ? result.mistakes : [];
}

function mistakesInText(text: string): readonly string[] {
  const result = planOf(text, registry, options);
  return result.kind === "invalid" ? result.mistakes : [];
}

/** Profiles as `name: [ref*weight, …]`. */
function shapeOf(config: Pick<Plan, "profiles">) {
  return Object.fromEntries(
    config.profiles.map(({ name, plugins }) => [
      name,
      plugins.map(({ use, weight }) => `${use.name}*${weight}`),
    ]),
  );
}

describe("a document without profiles", () => {
  it("gets one named default, of every filter, scorer and picker, each with weight 1", () => {
    const config = configOf({
      plugins: [
        { type: "single-profile-handler" },
        { type: "queue-scorer" },
        { type: "metrics-data-source" },
        { type: "random-picker" },
        { type: "role-filter" },
        { type: "file-discovery" },
      ],
    });
    expect(shapeOf(config)).toEqual({
      default: ["queue-scorer*1", "random-picker*1", "role-filter*1"],
    });
  });

  it.each([{}, { schedulingProfiles: [] }, { plugins: [], schedulingProfiles: [] }])(
    "gets a picker and a handler: %j",
    (document) => {
      const config = configOf(document);
      expect(shapeOf(config)).toEqual({ default: ["max-score-picker*1"] });
      expect([...config.plugins.keys()]).toEqual(completed);
    },
  );
});

describe("a document with profiles", () => {
  it("resolves references by name, or by type if a plugin has no name", () => {
    const config = configOf({
      plugins: [
        { type: "queue-scorer" },
        { name: "strict", type: "queue-scorer", parameters: { level: 9 } },
      ],
      schedulingProfiles: [
        { name: "a", plugins: [{ pluginRef: "strict" }, { pluginRef: "queue-scorer" }] },
      ],
    });
    expect(config.profiles[0]?.plugins.map(({ use }) => [use.name, use.loaded.parameters])).toEqual(
      [
        ["strict", { level: 9 }],
        ["queue-scorer", { level: 1 }],
        ["max-score-picker", { level: 1 }],
      ],
    );
  });

  it("keeps weights, also 0 and fractions, and defaults to 1", () => {
    const config = configOf({
      plugins: [{ type: "queue-scorer" }, { type: "kv-scorer" }, { name: "c", type: "kv-scorer" }],
      schedulingProfiles: [
        {
          name: "a",
          plugins: [
            { pluginRef: "queue-scorer", weight: 2.5 },
            { pluginRef: "kv-scorer", weight: 0 },
            { pluginRef: "c" },
          ],
        },
      ],
    });
    expect(shapeOf(config)).toEqual({
      a: ["queue-scorer*2.5", "kv-scorer*0", "c*1", "max-score-picker*1"],
    });
  });

  it("injects a picker only if a profile has none, and uses a declared one", () => {
    const config = configOf({
      plugins: [
        { type: "queue-scorer" },
        { name: "mine", type: "max-score-picker", parameters: { level: 3 } },
        { type: "random-picker" },
        { type: "other-handler" },
      ],
      schedulingProfiles: [
        { name: "a", plugins: [{ pluginRef: "random-picker" }] },
        { name: "b", plugins: [{ pluginRef: "queue-scorer" }] },
        { name: "c" },
      ],
    });
    expect(shapeOf(config)).toEqual({
      a: ["random-picker*1"],
      b: ["queue-scorer*1", "mine*1"],
      c: ["mine*1"],
    });
  });

  it("keeps a declared handler", () => {
    const config = configOf({ plugins: [{ type: "other-handler" }] });
    expect(config.plugins.has("single-profile-handler")).toBe(false);
  });

  it("finds discovery through dataLayer", () => {
    const config = configOf({
      plugins: [{ name: "pool", type: "file-discovery" }, { type: "metrics-data-source" }],
      dataLayer: {
        injectDefaults: true,
        sources: [{ pluginRef: "metrics-data-source" }],
        discovery: { pluginRef: "pool" },
      },
    });
    expect(config.discovery?.name).toBe("pool");
    expect(configOf({}).discovery).toBeUndefined();
  });

  it.each([undefined, null, {}])("treats parameters %j as absent", (parameters) => {
    const config = configOf({ plugins: [{ type: "queue-scorer", parameters }] });
    expect(config.plugins.get("queue-scorer")?.loaded.parameters).toEqual({ level: 1 });
  });
});

describe("mistakes", () => {
  it("are all reported at once, each with its path", () => {
    const mistakes = mistakesIn({
      featureGates: ["flowControl", "speed"],
      plugins: [
        { type: "queue-scorrer" },
        { type: "precise-prefix-cache-scorer" },
        { type: "kv-scorer", parameters: { level: -1, inner: { list: [1, "two"] }, bogus: 1 } },
        { type: "queue-scorer" },
        { type: "queue-scorer" },
        { type: "max-score-picker" },
        { type: "random-picker" },
        { type: "single-profile-handler" },
        { type: "other-handler" },
      ],
      schedulingProfiles: [
        {
          name: "a",
          plugins: [
            { pluginRef: "queue-score" },
            { pluginRef: "other-handler" },
            { pluginRef: "max-score-picker" },
            { pluginRef: "random-picker" },
          ],
        },
        { name: "a" },
      ],
      dataLayer: {
        sources: [{ pluginRef: "nope", extractors: [{ pluginRef: "nor-this" }] }],
        discovery: { pluginRef: "queue-scorer" },
      },
    });
    expect(mistakes).toEqual([
      'featureGates[1]: there is no gate "speed"',
      'plugins[0].type: there is no plugin "queue-scorrer"; did you mean queue-scorer?',
      "plugins[1].type: precise-prefix-cache-scorer is known and not built yet",
      "plugins[2].parameters.level: must be >=0",
      "plugins[2].parameters.inner.list[1]: expected number, received string",
      "plugins[2].parameters.bogus: there is no such field",
      'plugins[4].name: "queue-scorer" is taken by another plugin',
      'schedulingProfiles[0].plugins[0].pluginRef: no plugin is named "queue-score"; did you mean queue-scorer?',
      "schedulingProfiles[0].plugins: a profile has one picker, this one has max-score-picker, random-picker",
      'schedulingProfiles[1].name: "a" is taken',
      "plugins: 2 scheduling profiles need one profile handler; there are: single-profile-handler, other-handler",
      'dataLayer.sources[0].pluginRef: no plugin is named "nope"',
      'dataLayer.sources[0].extractors[0].pluginRef: no plugin is named "nor-this"',
      "dataLayer.discovery.pluginRef: queue-scorer is a scorer, not a discovery",
    ]);
  });

  it("of shape are all reported at once, each with its path", () => {
    const paths = mistakesIn({
      apiVersion: "v9",
      kind: "Other",
      surplus: 1,
      featureGates: [5],
      plugins: [
        { type: 5 },
        { parameters: {} },
        { type: "queue-scorer", parameters: [1] },
        { type: "queue-scorer", paramters: {} },
        { type: "" },
      ],
      schedulingProfiles: [
        { plugins: [{ pluginRef: "", weight: [] }, { weight: Infinity }, { weight: "2" }] },
      ],
      dataLayer: { injectDefaults: "yes", sources: [{}], discovery: "file" },
    }).map((mistake) => mistake.split(": ", 1)[0]);
    expect(paths).toEqual([
      "apiVersion",
      "kind",
      "surplus",
      "featureGates[0]",
      "dataLayer.injectDefaults",
      "dataLayer.sources[0].pluginRef",
      "dataLayer.discovery",
      "plugins[0].type",
      "plugins[1].type",
      "plugins[2].parameters",
      "plugins[3].paramters",
      "plugins[4].type",
      "schedulingProfiles[0].name",
      "schedulingProfiles[0].plugins[0].pluginRef",
      "schedulingProfiles[0].plugins[0].weight",
      "schedulingProfiles[0].plugins[1].pluginRef",
      "schedulingProfiles[0].plugins[1].weight",
      "schedulingProfiles[0].plugins[2].pluginRef",
      "schedulingProfiles[0].plugins[2].weight",
      "plugins[3].name",
    ]);
  });

  it.each([
    { gate: "flowControl=maybe", mistake: 'flowControl is true or false, not "maybe"' },
    {
      gate: "haPopulateNonLeaderDatastore=",
      mistake: 'haPopulateNonLeaderDatastore is true or false, not ""',
    },
    { gate: "flowControls", mistake: 'there is no gate "flowControls"; did you mean flowControl?' },
    { gate: "haPopulateNonLeader", mistake: 'there is no gate "haPopulateNonLeader"' },
    { gate: "", mistake: 'there is no gate ""' },
  ])("name the feature gate $gate", ({ gate, mistake }) => {
    expect(mistakesIn({ featureGates: [gate] })).toEqual([`featureGates[0]: ${mistake}`]);
  });

  it.each([
    "flowControl=false",
    "haPopulateNonLeaderDatastore",
    "haPopulateNonLeaderDatastore=true",
    "haPopulateNonLeaderDatastore=false",
  ])("are not reported for the feature gate %s", (gate) => {
    expect(mistakesIn({ featureGates: [gate] })).toEqual([]);
  });

  it("name a feature gate of the command line by its flag", () => {
    const byFlag = { ...options, featureGates: ["fast"] };
    expect(planOf(stringify(head), registry, byFlag)).toEqual({
      kind: "invalid",
      mistakes: ['--feature-gates: there is no gate "fast"'],
    });
  });

  it.each([...plannedPlugins])(
    "say that %s is not built, once, even if it is also used",
    (type) => {
      const document = {
        plugins: [{ type }],
        schedulingProfiles: [{ name: "default", plugins: [{ pluginRef: type, weight: 2 }] }],
      };
      expect(mistakesIn(document)).toEqual([`plugins[0].type: ${type} is known and not built yet`]);
    },
  );

  it("say that two pickers of the default profile stand under plugins", () => {
    expect(
      mistakesIn({ plugins: [{ type: "max-score-picker" }, { type: "random-picker" }] }),
    ).toEqual(["plugins: a profile has one picker, this one has max-score-picker, random-picker"]);
  });

  it("report two pickers if a profile names one plugin twice", () => {
    const entry = { pluginRef: "max-score-picker" };
    const document = {
      plugins: [{ type: "max-score-picker" }],
      schedulingProfiles: [{ name: "a", plugins: [entry, entry] }],
    };
    expect(mistakesIn(document)).toHaveLength(1);
  });

  it("suggest nothing for a word that resembles no known one", () => {
    expect(mistakesIn({ plugins: [{ type: "teapot" }] })).toEqual([
      'plugins[0].type: there is no plugin "teapot"',
    ]);
  });

  it.each(["__proto__", "constructor", "toString"])("say that no plugin is called %s", (type) => {
    const document = { plugins: [{ type }], schedulingProfiles: [{ name: type }] };
    expect(mistakesIn(document)).toEqual([
      `plugins[0].type: there is no plugin ${JSON.stringify(type)}`,
    ]);
  });
});

describe("the text of a document", () => {
  it.each([
    "llm-d.ai/v1alpha1",
    "pointsman.dev/v1alpha1",
    "inference.networking.x-k8s.io/v1alpha1",
    "config.x-k8s.io/v1alpha1",
  ])("may be of apiVersion %s", (apiVersion) => {
    expect(mistakesIn({ apiVersion })).toEqual([]);
  });

  it("may be JSON, compact or indented by blanks or tabs", () => {
    const document = { ...head, plugins: [{ type: "queue-scorer", parameters: { level: 2 } }] };
    for (const indent of [undefined, 2, "\t"]) {
      expect(mistakesInText(JSON.stringify(document, undefined, indent))).toEqual([]);
    }
  });

  it("may use anchors, comments and a byte order mark", () => {
    const text = `\uFEFF# ours
apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- {name: a, type: queue-scorer, parameters: &same {level: 3}}
- {name: b, type: kv-scorer, parameters: *same} # alike
`;
    expect(mistakesInText(text)).toEqual([]);
  });

  it("reports every YAML error with its line and column", () => {
    const text = "apiVersion: a\napiVersion: b\nplugins: [1, 2\nkind: c\n";
    const mistakes = mistakesInText(text);
    expect(mistakes[0]).toBe("line 2, column 1: Map keys must be unique");
    expect(mistakes.length).toBeGreaterThan(1);
    for (const mistake of mistakes) expect(mistake).toMatch(/^line \d+, column \d+: /);
  });

  it("reports a second document with its line", () => {
    expect(mistakesInText("a: 1\n---\nb: 2\n")[0]).toMatch(/^line 2, column 1: .*multiple/);
  });

  it.each(["", "\n", "# nothing\n", "null", "---\n"])("reports that %j is empty", (text) => {
    expect(mistakesInText(text)).toEqual(["the document is empty"]);
  });

  it.each(["hello", "[]", "5", "true"])("reports that %j is not an object", (text) => {
    expect(mistakesInText(text)).toEqual(["the document must be an object"]);
  });

  it("is refused if small aliases expand to a huge document", () => {
    // Nine levels of ten: 10^10 items.
    const levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
    for (const [index, name] of "bcdefghij".split("").entries()) {
      const alias = `*${"abcdefghi"[index]}`;
      levels.push(`${name}: &${name} [${Array(10).fill(alias).join(", ")}]`);
    }
    expect(mistakesInText(levels.join("\n"))).toEqual([expect.stringMatching(/alias/)]);
  });

  it("is read up to 1 MiB and refused above", () => {
    const text = `${JSON.stringify(head)} #`;
    const bytesMax = 1024 * 1024;
    const filled = text + "x".repeat(bytesMax - text.length);
    expect(mistakesInText(filled)).toEqual([]);
    expect(mistakesInText(`${filled}x`)).toEqual(["the document is larger than 1048576 bytes"]);
    // Two bytes each: the limit counts bytes, not characters.
    expect(mistakesInText(`${text}${"é".repeat(bytesMax / 2)}`)).toHaveLength(1);
  });

  it("is refused quickly if a plugin's type is as long as a document may be", () => {
    const text = stringify({ ...head, plugins: [{ type: "x".repeat(1_000_000) }] });
    expect(mistakesInText(text)[0]).toMatch(/^plugins\[0\]\.type: there is no plugin "xxx/);
  });

  it.each([
    { what: "flow", text: "[".repeat(2_000) + "]".repeat(2_000) },
    {
      what: "block",
      text: Array.from({ length: 1_200 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
    },
    { what: "sequence", text: `${"- ".repeat(5_000)}a` },
  ])("is refused if it nests without end, as a $what", ({ text }) => {
    expect(planOf(text, registry, options).kind).toBe("invalid");
  });
});

const keysOfDocuments = [
  ...Object.keys(documentSchema.shape),
  ..."name type parameters pluginRef weight sources __proto__ level".split(" "),
];

describe("loading", () => {
  const key = fc.oneof(fc.constantFrom(...keysOfDocuments), fc.string());
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(null, true, "default", "llm-d.ai/v1alpha1", "EndpointPickerConfig"),
    fc.constantFrom(...registry.map(({ type }) => type), ...plannedPlugins),
    fc.string(),
    fc.double(),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, leaf, tie("list"), tie("record")),
    list: fc.array(tie("tree"), { maxLength: 4 }),
    record: fc.dictionary(key, tie("tree"), { maxKeys: 6 }),
  }));

  it("never throws for any document", () => {
    fc.assert(
      fc.property(tree, fc.boolean(), (document, isYaml) => {
        const text = isYaml ? stringify(document) : JSON.stringify(document);
        expect(["planned", "invalid"]).toContain(planOf(text, registry, options).kind);
      }),
      { numRuns: 500 },
    );
  });

  it("never throws for any document that starts correctly", () => {
    const sections = fc.record(
      { plugins: tree, schedulingProfiles: tree, dataLayer: tree, featureGates: tree },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(sections, (document) => {
        expect(["planned", "invalid"]).toContain(load(document).kind);
      }),
      { numRuns: 500 },
    );
  });

  it("never throws for any text", () => {
    const marks = "\n -:[]{}&*!|>'\"%@`#?,a1\t~".split("");
    const yamlish = fc.string({
      unit: fc.constantFrom(...marks, "<<", "---", "apiVersion"),
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.oneof(yamlish, fc.string(), fc.string({ unit: "binary" })), (text) => {
        expect(["planned", "invalid"]).toContain(planOf(text, registry, options).kind);
      }),
      { numRuns: 1_000 },
    );
  });

  it("never throws for the default document with a piece removed or inserted", () => {
    const at = fc.nat({ max: defaultConfigText.length });
    fc.assert(
      fc.property(at, at, fc.string({ maxLength: 5 }), (from, to, piece) => {
        const text = defaultConfigText.slice(0, from) + piece + defaultConfigText.slice(to);
        expect(["planned", "invalid"]).toContain(planOf(text, realPlugins, options).kind);
      }),
      { numRuns: 500 },
    );
  });

  it("gives each mistake a path, or the line of a syntax error", () => {
    fc.assert(
      fc.property(tree, (document) => {
        for (const mistake of mistakesInText(stringify({ ...head, plugins: document }))) {
          expect(mistake).toMatch(/^(plugins|line \d)/);
        }
      }),
    );
  });
});

const parsersOf = (document: object) => configOf(document).parsers.map(({ name }) => name);
const refs = (...names: string[]) => names.map((pluginRef) => ({ pluginRef }));
const sourcesOf = (dataLayer: object) =>
  configOf({ plugins: [{ type: "metrics-data-source" }], dataLayer }).sources.map(
    ({ source, extractors }) => [source.name, extractors.map(({ name }) => name)],
  );

describe("completion of a document", () => {
  it("adds the producers of data that plugins read, and of data that those read", () => {
    const config = configOf({ plugins: [{ type: "prefix-scorer" }] });
    const created = [...config.plugins.values()]
      .filter(({ origin }) => origin === "auto-created")
      .map(({ name }) => name);
    expect(created).toEqual(["approx-prefix-cache-producer", "token-producer"]);
  });

  it("adds no producer for optional data, and orders a declared one before its reader", () => {
    const alone = configOf({ plugins: [{ type: "load-scorer" }] });
    expect(alone.plugins.has("approx-prefix-cache-producer")).toBe(false);
    const both = configOf({ plugins: [{ type: "load-scorer" }, { type: "prefix-scorer" }] });
    const order = both.buildOrder.map(({ name }) => name);
    expect(order.indexOf("approx-prefix-cache-producer")).toBeLessThan(
      order.indexOf("inflight-load-producer"),
    );
    expect(new Set(order)).toEqual(new Set(both.plugins.keys()));
  });

  it("builds a plugin after the one its parameters name", () => {
    const config = configOf({
      plugins: [
        { type: "queue-scorer", parameters: { needsPlugin: "d" } },
        { name: "d", type: "some-decider" },
      ],
    });
    expect(config.buildOrder.map(({ name }) => name).slice(0, 2)).toEqual(["d", "queue-scorer"]);
  });

  it("reports a cycle with its plugins", () => {
    const mistakes = mistakesIn({
      plugins: [
        { name: "a", type: "some-decider", parameters: { needsPlugin: "b" } },
        { name: "b", type: "some-decider", parameters: { needsPlugin: "a" } },
      ],
    });
    expect(mistakes).toEqual(["plugins: they need each other in a circle: a -> b -> a"]);
  });

  it.each([
    {
      needsPlugin: "nobody",
      mistake: 'plugins[0].parameters.needsPlugin: no plugin is named "nobody"',
    },
    {
      needsPlugin: "kv-scorer",
      mistake: "plugins[0].parameters.needsPlugin: kv-scorer is a scorer, not a decider",
    },
  ])("checks that parameters name the right plugin: $needsPlugin", ({ needsPlugin, mistake }) => {
    const plugins = [{ type: "queue-scorer", parameters: { needsPlugin } }, { type: "kv-scorer" }];
    expect(mistakesIn({ plugins })).toEqual([mistake]);
  });

  it("accepts parsers by type, in their order, and the older form of one", () => {
    expect(parsersOf({})).toEqual([
      "openai-parser",
      "anthropic-parser",
      "vllmhttp-parser",
      "passthrough-parser",
    ]);
    const both = refs("passthrough-parser", "openai-parser");
    expect(parsersOf({ requestHandler: { parsers: both } })).toEqual([
      "passthrough-parser",
      "openai-parser",
    ]);
    const [older] = refs("vllmhttp-parser");
    expect(parsersOf({ parser: older })).toEqual(["vllmhttp-parser"]);
    expect(parsersOf({ parser: older, requestHandler: { parsers: both } })).toHaveLength(2);
  });

  it("reads the saturation detector from its new place, then its old one", () => {
    const plugins = [
      { name: "new", type: "utilization-detector" },
      { name: "old", type: "utilization-detector" },
    ];
    const saturationDetector = { pluginRef: "old" };
    const flowControl = { saturationDetector: { pluginRef: "new" } };
    expect(configOf({}).detector).toBe("utilization-detector");
    expect(configOf({ plugins, saturationDetector }).detector).toBe("old");
    expect(configOf({ plugins, saturationDetector, flowControl }).detector).toBe("new");
  });

  it("adds the default source unless there is one or the document opts out", () => {
    const pair = [["metrics-data-source", ["core-metrics-extractor"]]];
    expect(sourcesOf({})).toEqual(pair);
    expect(sourcesOf({ injectDefaults: false })).toEqual([]);
    const declaredSource = { sources: [{ pluginRef: "metrics-data-source" }] };
    expect(sourcesOf(declaredSource)).toEqual([["metrics-data-source", []]]);
  });

  it("requires a handler if there are several profiles", () => {
    const schedulingProfiles = [{ name: "a" }, { name: "b" }];
    expect(mistakesIn({ schedulingProfiles })).toEqual([
      "plugins: 2 scheduling profiles need one profile handler; there are: none",
    ]);
  });

  it("warns of a plugin that has no effect in its profile", () => {
    const { warnings } = configOf({
      plugins: [{ type: "some-decider" }, { type: "queue-scorer" }],
      schedulingProfiles: [
        {
          name: "a",
          plugins: ["some-decider", "queue-scorer"].map((pluginRef) => ({ pluginRef })),
        },
      ],
    });
    expect(warnings).toEqual([
      "schedulingProfiles[0].plugins[0].pluginRef: some-decider is a decider and does nothing here",
    ]);
  });

  it.each([
    [["haPopulateNonLeaderDatastore=false"], [], 1],
    [[], ["haPopulateNonLeaderDatastore=false"], 1],
    [["haPopulateNonLeaderDatastore=false"], ["haPopulateNonLeaderDatastore=true"], 0],
    [["haPopulateNonLeaderDatastore=false", "haPopulateNonLeaderDatastore"], [], 0],
  ])("warns of a gate without effect: %j, then %j by flag", (document, flag, count) => {
    const text = stringify({
      ...head,
      plugins: [{ type: "queue-scorer" }],
      featureGates: document,
    });
    const result = planOf(text, registry, { ...options, featureGates: flag });
    const warning =
      "haPopulateNonLeaderDatastore=false has no effect: standbys always follow the pool";
    expect(result.kind === "planned" && result.plan.warnings).toEqual(count === 0 ? [] : [warning]);
  });

  it("accepts a time to live for one band", () => {
    const flowControl = { priorityBands: [{ priority: 1, defaultRequestTTL: "5s" }] };
    expect(configOf({ flowControl }).written.flowControl).toMatchObject(flowControl);
    const wrong = { priorityBands: [{ defaultRequestTTL: "soon" }] };
    expect(mistakesIn({ flowControl: wrong })).toEqual([
      expect.stringMatching(/^flowControl\.priorityBands\[0\]\.defaultRequestTTL: /),
    ]);
  });

  it("warns of a producer that no plugin reads", () => {
    const plugins = [
      { name: "blocks", type: "approx-prefix-cache-producer" },
      { type: "inflight-load-producer" },
      { type: "prefix-scorer" },
    ];
    expect(configOf({ plugins }).warnings).toEqual([
      "plugins[0]: nothing reads what blocks produces; if no producer is named, approx-prefix-cache-producer is read",
      "plugins[1]: nothing reads what inflight-load-producer produces",
    ]);
  });

  it("names the plugin that needs a producer that is not built", () => {
    expect(mistakesIn({ plugins: [{ type: "latency-reader" }] })).toEqual([
      'plugins[0].parameters: there is no plugin "predicted-latency-producer"',
    ]);
  });

  it("checks the references of flow control and warns that it is off", () => {
    const flowControl = {
      maxBytes: "1Gi",
      defaultRequestTTL: "30s",
      priorityBands: [{ priority: 1, orderingPolicyRef: "fcfs-ordering-policy" }],
    };
    expect(configOf({ plugins: [{ type: "queue-scorer" }], flowControl }).warnings).toEqual([
      "flowControl: without the gate flowControl only its saturationDetector counts",
    ]);
    const wrong = { priorityBands: [{ fairnessPolicyRef: "fcfs-ordering-policy" }] };
    expect(mistakesIn({ flowControl: wrong })).toEqual([
      "flowControl.priorityBands[0].fairnessPolicyRef: fcfs-ordering-policy is an ordering-policy, not a fairness-policy",
    ]);
    expect(mistakesIn({ flowControl: { maxBytes: "much", defaultRequestTTL: "soon" } })).toEqual([
      "flowControl.maxBytes: want a quantity such as 500, 64Mi or 1G",
      "flowControl.defaultRequestTTL: want a duration such as 200ms or 1m30s",
    ]);
  });

  it("warns of a limit of the queue that bands reach first, which hold 5,000 requests each", () => {
    const featureGates = ["flowControl"];
    const warningsOf = (flowControl: object) =>
      configOf({ plugins: [{ type: "queue-scorer" }], featureGates, flowControl }).warnings;
    expect(warningsOf({ maxRequests: 10_000 })).toEqual([
      "flowControl.maxRequests: 10000 is not reached, because the bands of the document hold 5000 together; bands hold 5000 requests and 1G unless they say otherwise",
    ]);
    expect(warningsOf({ maxRequests: 5_000 })).toEqual([]);
    expect(warningsOf({ maxRequests: 10_000, priorityBands: [{ priority: 1 }] })).toEqual([]);
  });

  it("accepts our own sections only in documents of ownApiVersion", () => {
    const own = { apiVersion: "pointsman.dev/v1alpha1" };
    const objectives = [{ name: "batch", priority: -1 }];
    expect(configOf({ ...own, objectives }).objectives).toEqual(objectives);
    expect(mistakesIn({ objectives })).toEqual([
      "objectives: only documents of apiVersion pointsman.dev/v1alpha1 may have it",
    ]);
  });

  it("loads plugins for tests only if that is allowed", () => {
    const document = { plugins: [{ type: "test-filter" }] };
    expect(mistakesIn(document)).toEqual([
      "plugins[0].type: test-filter is for test set-ups and lets clients choose; --enable-conformance-plugins allows it",
    ]);
    const text = stringify({ ...head, ...document });
    expect(planOf(text, registry, { ...options, allowsTestOnly: true }).kind).toBe("planned");
  });

  it("suggests a similar field", () => {
    expect(
      mistakesIn({ schedulingProfile: [], plugins: [{ type: "queue-scorer", parametres: 1 }] }),
    ).toEqual([
      "schedulingProfile: there is no such field; did you mean schedulingProfiles?",
      "plugins[0].parametres: there is no such field; did you mean parameters?",
    ]);
  });

  it("reports mistakes of shape and of references together", () => {
    expect(
      mistakesIn({
        plugins: [{ type: "queue-scorer", parameters: 5 }],
        schedulingProfiles: [
          { name: "a", plugins: [{ pluginRef: "queue-scorer" }, { pluginRef: "kv" }] },
        ],
      }),
    ).toEqual([
      "plugins[0].parameters: expected record, received number",
      'schedulingProfiles[0].plugins[1].pluginRef: no plugin is named "kv"',
    ]);
  });
});

describe("the real registry", () => {
  it("loads the default document", () => {
    const result = planOf(defaultConfigText, realPlugins, options);
    if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
    expect(shapeOf(result.plan)).toEqual({
      default: ["stored-response-filter*1", "expected-latency-scorer*1", "max-score-picker*1"],
    });
    // In the order of llm-d-router.
    expect([...result.plan.plugins.keys()]).toEqual([
      "conversation-producer",
      "stored-response-filter",
      "expected-latency-scorer",
      "metrics-data-source",
      "core-metrics-extractor",
      "single-profile-handler",
      "max-score-picker",
      "fcfs-ordering-policy",
      "global-strict-fairness-policy",
      "static-usage-limit-policy",
      "openai-parser",
      "anthropic-parser",
      "vllmhttp-parser",
      "passthrough-parser",
      "utilization-detector",
      "session-home-producer",
      "predicted-latency-producer",
      "approx-prefix-cache-producer",
      "token-producer",
    ]);
  });

  it.each([
    [
      "plugins: []",
      ["stored-response-filter*1", "expected-latency-scorer*1", "max-score-picker*1"],
    ],
    [
      "plugins: [{ type: decode-filter }]",
      [
        "decode-filter*1",
        "stored-response-filter*1",
        "expected-latency-scorer*1",
        "max-score-picker*1",
      ],
    ],
    ["plugins: [{ type: queue-scorer }]", ["queue-scorer*1", "max-score-picker*1"]],
    ["plugins: [{ type: random-picker }]", ["random-picker*1"]],
  ])(
    "adds the default scorer to a document of our own without profiles and scorers: %s",
    (text, shape) => {
      const header = "kind: EndpointPickerConfig\napiVersion: ";
      const own = planOf(`${header}pointsman.dev/v1alpha1\n${text}`, realPlugins, options);
      const peers = planOf(`${header}llm-d.ai/v1alpha1\n${text}`, realPlugins, options);
      if (own.kind === "invalid" || peers.kind === "invalid") throw new Error("it is valid");
      expect(shapeOf(own.plan)).toEqual({ default: shape });
      expect(shapeOf(peers.plan)).toEqual({
        default: shape.filter((name) => !/expected-latency|stored-response/.test(name)),
      });
    },
  );

  it("gives every plugin a type of its own", () => {
    const types = realPlugins.flatMap(({ type, aliases = [] }) => [type, ...aliases]);
    expect(new Set(types).size).toBe(types.length);
  });

  it("has no plugin that is still listed as planned", () => {
    expect(realPlugins.map(({ type }) => type).filter((type) => plannedPlugins.has(type))).toEqual(
      [],
    );
  });
});
