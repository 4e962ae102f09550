import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { stringify } from "yaml";
import { declared } from "../../core/plugin.ts";
import { plugins as realPlugins } from "../../plugins.ts";
import { documentSchema, sectionsNotBuilt } from "./document.ts";
import { defaultConfigText, loadConfig, type PickerConfig } from "./load-config.ts";
import { plannedPlugins } from "./planned-plugins.ts";

/** A plugin of any kind, with a parameter that has a default and a bound. */
const plugin = (kind: string, type: string) =>
  declared({
    kind,
    type,
    params: z.strictObject({
      level: z.int().min(0).default(1),
      inner: z.strictObject({ list: z.array(z.number()) }).optional(),
    }),
    create: () => undefined,
  });

const registry = [
  plugin("scorer", "queue-scorer"),
  plugin("scorer", "kv-scorer"),
  plugin("filter", "role-filter"),
  plugin("picker", "max-score-picker"),
  plugin("picker", "random-picker"),
  plugin("profile-handler", "single-profile-handler"),
  plugin("profile-handler", "other-handler"),
  plugin("discovery", "file-discovery"),
  plugin("data-source", "metrics-data-source"),
  plugin("extractor", "core-metrics-extractor"),
];

const head = { apiVersion: "llm-d.ai/v1alpha1", kind: "EndpointPickerConfig" };

const load = (document: object) => loadConfig(stringify({ ...head, ...document }), registry);

function configOf(document: object) {
  const result = load(document);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  return result.config;
}

function mistakesIn(document: object): readonly string[] {
  const result = load(document);
  return result.kind === "invalid" ? result.mistakes : [];
}

function mistakesInText(text: string): readonly string[] {
  const result = loadConfig(text, registry);
  return result.kind === "invalid" ? result.mistakes : [];
}

/** Profiles as `name: [ref*weight, …]`. */
function shapeOf(config: Pick<PickerConfig, "profiles">) {
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
      expect([...config.plugins.keys()]).toEqual(["max-score-picker", "single-profile-handler"]);
    },
  );
});

describe("a document with profiles", () => {
  it("resolves references by name, or by type where a plugin has no name", () => {
    const config = configOf({
      plugins: [
        { type: "queue-scorer" },
        { name: "strict", type: "queue-scorer", parameters: { level: 9 } },
      ],
      schedulingProfiles: [
        { name: "a", plugins: [{ pluginRef: "strict" }, { pluginRef: "queue-scorer" }] },
      ],
    });
    expect(config.profiles[0]?.plugins.map(({ use }) => [use.name, use.parameters])).toEqual([
      ["strict", { level: 9 }],
      ["queue-scorer", {}],
      ["max-score-picker", {}],
    ]);
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

  it("injects a picker only where a profile has none, and the one that is declared", () => {
    const config = configOf({
      plugins: [
        { type: "queue-scorer" },
        { name: "mine", type: "max-score-picker", parameters: { level: 3 } },
        { type: "random-picker" },
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

  it("keeps the handler that is declared", () => {
    const config = configOf({ plugins: [{ type: "other-handler" }] });
    expect(config.plugins.has("single-profile-handler")).toBe(false);
  });

  it("finds discovery where dataLayer names it", () => {
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

  it.each([undefined, null, {}])("takes parameters %j for none", (parameters) => {
    const config = configOf({ plugins: [{ type: "queue-scorer", parameters }] });
    expect(config.plugins.get("queue-scorer")?.parameters).toEqual({});
  });
});

describe("mistakes", () => {
  it("are all reported in one go, each with its path", () => {
    const mistakes = mistakesIn({
      featureGates: ["flowControl", "speed"],
      plugins: [
        { type: "queue-scorrer" },
        { type: "prefix-cache-scorer" },
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
      "featureGates[0]: flowControl is known and not built yet",
      'featureGates[1]: there is no gate "speed"',
      'plugins[0].type: there is no plugin "queue-scorrer"; did you mean queue-scorer?',
      "plugins[1].type: prefix-cache-scorer is known and not built yet",
      "plugins[2].parameters.level: Too small: expected number to be >=0",
      "plugins[2].parameters.inner.list[1]: Invalid input: expected number, received string",
      'plugins[2].parameters: Unrecognized key: "bogus"',
      'plugins[4].name: "queue-scorer" is taken by another plugin',
      'schedulingProfiles[0].plugins[0].pluginRef: no plugin is named "queue-score"; did you mean queue-scorer?',
      "schedulingProfiles[0].plugins[1].pluginRef: other-handler is a profile-handler; a profile takes filters, scorers and a picker",
      "schedulingProfiles[0].plugins: a profile has one picker, this one has max-score-picker, random-picker",
      'schedulingProfiles[1].name: "a" is taken',
      "plugins: there is one profile handler at most, these are single-profile-handler, other-handler",
      'dataLayer.sources[0].pluginRef: no plugin is named "nope"',
      'dataLayer.sources[0].extractors[0].pluginRef: no plugin is named "nor-this"',
      "dataLayer.discovery.pluginRef: queue-scorer is a scorer",
    ]);
  });

  it("of shape are all reported in one go, each with its path", () => {
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
        { plugins: [{ pluginRef: "", weight: -1 }, { weight: Infinity }, { weight: "2" }] },
      ],
      dataLayer: { injectDefaults: "yes", sources: [{}], discovery: "file" },
    }).map((mistake) => mistake.split(": ", 1)[0]);
    expect(paths).toEqual([
      "apiVersion",
      "kind",
      "featureGates[0]",
      "plugins[0].type",
      "plugins[1].type",
      "plugins[2].parameters",
      "plugins[3]",
      "plugins[4].type",
      "schedulingProfiles[0].name",
      "schedulingProfiles[0].plugins[0].pluginRef",
      "schedulingProfiles[0].plugins[0].weight",
      "schedulingProfiles[0].plugins[1].pluginRef",
      "schedulingProfiles[0].plugins[1].weight",
      "schedulingProfiles[0].plugins[2].pluginRef",
      "schedulingProfiles[0].plugins[2].weight",
      "dataLayer.injectDefaults",
      "dataLayer.sources[0].pluginRef",
      "dataLayer.discovery",
      "Unrecognized key",
    ]);
  });

  it.each([
    { gate: "flowControl", mistake: "flowControl is known and not built yet" },
    { gate: "flowControl=true", mistake: "flowControl is known and not built yet" },
    { gate: "flowControl=maybe", mistake: 'flowControl is true or false, not "maybe"' },
    {
      gate: "haPopulateNonLeaderDatastore=",
      mistake: 'haPopulateNonLeaderDatastore is true or false, not ""',
    },
    { gate: "flowControls", mistake: 'there is no gate "flowControls"' },
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
  ])("are none in the feature gate %s", (gate) => {
    expect(mistakesIn({ featureGates: [gate] })).toEqual([]);
  });

  it.each(sectionsNotBuilt)("name the section %s, which is not built", (section) => {
    expect(mistakesIn({ [section]: {} })).toEqual([`${section}: known and not built yet`]);
  });

  it("of sections and of shape come together", () => {
    expect(mistakesIn({ flowControl: {}, plugins: [{}] })).toEqual([
      "flowControl: known and not built yet",
      "plugins[0].type: Invalid input: expected string, received undefined",
    ]);
  });

  it.each([...plannedPlugins])("say that %s is not built, once, also where it is used", (type) => {
    const document = {
      plugins: [{ type }],
      schedulingProfiles: [{ name: "default", plugins: [{ pluginRef: type, weight: 2 }] }],
    };
    expect(mistakesIn(document)).toEqual([`plugins[0].type: ${type} is known and not built yet`]);
  });

  it("say of two pickers of the default profile that they stand under plugins", () => {
    expect(
      mistakesIn({ plugins: [{ type: "max-score-picker" }, { type: "random-picker" }] }),
    ).toEqual(["plugins: a profile has one picker, this one has max-score-picker, random-picker"]);
  });

  it("name a plugin twice in one profile's pickers as two pickers", () => {
    const entry = { pluginRef: "max-score-picker" };
    const document = {
      plugins: [{ type: "max-score-picker" }],
      schedulingProfiles: [{ name: "a", plugins: [entry, entry] }],
    };
    expect(mistakesIn(document)).toHaveLength(1);
  });

  it("suggest nothing for a word that resembles none", () => {
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

  it.each(["", "\n", "# nothing\n", "null", "---\n"])("says of %j that it is empty", (text) => {
    expect(mistakesInText(text)).toEqual(["the document is empty"]);
  });

  it.each(["hello", "[]", "5", "true"])("says of %j that it is no object", (text) => {
    expect(mistakesInText(text)).toEqual([expect.stringContaining("expected object")]);
  });

  it("is refused where small aliases unfold into a giant", () => {
    // Nine levels of ten: 10^10 items.
    const levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
    for (const [index, name] of "bcdefghij".split("").entries()) {
      const alias = `*${"abcdefghi"[index]}`;
      levels.push(`${name}: &${name} [${Array(10).fill(alias).join(", ")}]`);
    }
    expect(mistakesInText(levels.join("\n"))).toEqual([expect.stringMatching(/alias/)]);
  });

  it("is read up to 1 MiB and refused beyond", () => {
    const text = `${JSON.stringify(head)} #`;
    const bytesMax = 1024 * 1024;
    const filled = text + "x".repeat(bytesMax - text.length);
    expect(mistakesInText(filled)).toEqual([]);
    expect(mistakesInText(`${filled}x`)).toEqual(["the document is larger than 1048576 bytes"]);
    // Two bytes each: the limit is one of bytes.
    expect(mistakesInText(`${text}${"é".repeat(bytesMax / 2)}`)).toHaveLength(1);
  });

  it("is refused, and quickly, where a plugin's type is as long as the document may be", () => {
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
  ])("is refused where it nests without end, as a $what", ({ text }) => {
    expect(loadConfig(text, registry).kind).toBe("invalid");
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
        expect(["loaded", "invalid"]).toContain(loadConfig(text, registry).kind);
      }),
      { numRuns: 500 },
    );
  });

  it("never throws for any document with the right head", () => {
    const sections = fc.record(
      { plugins: tree, schedulingProfiles: tree, dataLayer: tree, featureGates: tree },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(sections, (document) => {
        expect(["loaded", "invalid"]).toContain(load(document).kind);
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
        expect(["loaded", "invalid"]).toContain(loadConfig(text, registry).kind);
      }),
      { numRuns: 1_000 },
    );
  });

  it("never throws for the default document with a piece cut out or put in", () => {
    const at = fc.nat({ max: defaultConfigText.length });
    fc.assert(
      fc.property(at, at, fc.string({ maxLength: 5 }), (from, to, piece) => {
        const text = defaultConfigText.slice(0, from) + piece + defaultConfigText.slice(to);
        expect(["loaded", "invalid"]).toContain(loadConfig(text, realPlugins).kind);
      }),
      { numRuns: 500 },
    );
  });

  it("gives a path to each mistake, or says that it is about the whole", () => {
    fc.assert(
      fc.property(tree, (document) => {
        for (const mistake of mistakesInText(stringify({ ...head, plugins: document }))) {
          expect(mistake).toMatch(/^(plugins|line \d)/);
        }
      }),
    );
  });
});

describe("the real registry", () => {
  it("loads the default document", () => {
    const result = loadConfig(defaultConfigText, realPlugins);
    if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
    expect(shapeOf(result.config)).toEqual({
      default: [
        "queue-scorer*2",
        "kv-cache-utilization-scorer*2",
        "active-request-scorer*2",
        "lora-affinity-scorer*1",
        "max-score-picker*1",
      ],
    });
    expect([...result.config.plugins.keys()]).toContain("single-profile-handler");
  });

  it("gives every plugin a type of its own", () => {
    const types = realPlugins.map(({ type }) => type);
    expect(new Set(types).size).toBe(types.length);
  });

  it("holds no plugin that is still called planned", () => {
    expect(realPlugins.map(({ type }) => type).filter((type) => plannedPlugins.has(type))).toEqual(
      [],
    );
  });
});
