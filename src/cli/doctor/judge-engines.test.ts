import { describe, expect, it } from "vitest";
import type { EngineSignals } from "../../core/signals.ts";
import type { EngineFacts, MetricsFacts, TrialFacts } from "./engine-facts.ts";
import { judgeEngines } from "./judge-engines.ts";

const signals: EngineSignals = {
  waitingRequests: 0,
  runningRequests: 0,
  kvCacheUsedRatio: 0,
  blockTokens: 16,
  blocksMax: 1_000,
  prefixLookupTokens: undefined,
  prefixHitTokens: undefined,
  startedAtSeconds: 1,
  adapters: undefined,
  attributes: new Map(),
};

type Read = Extract<MetricsFacts, { readonly kind: "read" }>;

const read = (parts: Partial<Read> = {}): Read => ({
  kind: "read",
  engine: "vllm",
  signals,
  missing: [],
  prefixCaching: true,
  looked: { lookupTokens: 1_000, hitTokens: 496 },
  hasMoved: true,
  ...parts,
});

const model = (id: string, contextTokensMax?: number) => ({
  id,
  parent: undefined,
  contextTokensMax,
});
const adapter = (id: string) => ({ id, parent: "llama", contextTokensMax: undefined });

const engine = (parts: Partial<EngineFacts> = {}): EngineFacts => ({
  endpoint: "a:1",
  models: { kind: "listed", models: [model("llama", 8_192)] },
  metrics: read(),
  trial: { kind: "answered", promptTokens: 500, cachedTokens: 496 },
  clockAheadMs: 300,
  ...parts,
});

const answered = (cachedTokens: number | undefined, promptTokens = 500): TrialFacts => ({
  kind: "answered",
  promptTokens,
  cachedTokens,
});

/** Each finding as its severity, code and subject. */
function found(...engines: readonly EngineFacts[]): readonly string[] {
  return judgeEngines(engines).findings.map(
    ({ severity, code, subject }) => `${severity} ${code} ${subject}`,
  );
}

/** The line to change for an engine that reports no cached tokens. */
function lineOf(name: string) {
  const facts = engine({ metrics: read({ engine: name }), trial: answered(undefined) });
  return judgeEngines([facts]).findings[0]?.change;
}

const noAnswer = { kind: "failed", url: "http://a:1/metrics", reason: "refused" } as const;

describe("an engine", () => {
  it.each<{ name: string; parts: Partial<EngineFacts>; expected: readonly string[] }>([
    { name: "has no finding if all is well", parts: {}, expected: [] },
    {
      name: "that answers nothing is down, which is the only finding",
      parts: { models: { kind: "silent", reason: "refused" }, metrics: noAnswer },
      expected: ["error engine-down a:1"],
    },
    {
      name: "that is not trusted is no other fault",
      parts: {
        models: { kind: "silent", reason: "expired", tls: { what: "old", change: "renew it" } },
        metrics: noAnswer,
      },
      expected: ["error engine-tls a:1"],
    },
    {
      name: "with metrics alone has a silent API",
      parts: { models: { kind: "silent", reason: "late" }, trial: { kind: "not-made" } },
      expected: ["error api-silent a:1"],
    },
    {
      name: "that refuses the list of models is asked for a key",
      parts: { models: { kind: "refused", reason: "status 401" } },
      expected: ["warning models-not-listed a:1"],
    },
    {
      name: "with an empty list of models has none to compare",
      parts: { models: { kind: "listed", models: [] } },
      expected: ["warning models-not-listed a:1"],
    },
    {
      name: "without metrics",
      parts: { metrics: noAnswer },
      expected: ["error metrics-unreadable a:1"],
    },
    {
      name: "with metrics of something else",
      parts: { metrics: { ...noAnswer, kind: "unknown" } },
      expected: ["error metrics-unknown a:1"],
    },
    {
      name: "that lacks a signal",
      parts: {
        metrics: read({
          missing: [{ signal: "kv-cache-used", family: "vllm:kv", reason: "absent" }],
        }),
      },
      expected: ["warning signal-missing a:1"],
    },
    {
      name: "without prefix caching has one finding, though it also reports no hit",
      parts: { metrics: read({ prefixCaching: false }), trial: answered(undefined) },
      expected: ["error prefix-caching-off a:1"],
    },
    {
      name: "with frozen metrics over completions",
      parts: { metrics: read({ hasMoved: false }) },
      expected: ["error metrics-frozen a:1"],
    },
    {
      name: "with frozen metrics while it runs requests",
      parts: {
        metrics: read({ hasMoved: false, signals: { ...signals, runningRequests: 3 } }),
        trial: { kind: "not-made" },
      },
      expected: ["warning metrics-frozen a:1"],
    },
    {
      name: "that is idle may have metrics that stand still",
      parts: { metrics: read({ hasMoved: false }), trial: { kind: "not-made" } },
      expected: [],
    },
    {
      name: "with adapters and no limit of them",
      parts: { models: { kind: "listed", models: [model("llama"), adapter("x")] } },
      expected: ["warning lora-limit-missing a:1"],
    },
    {
      name: "whose kind has no metric of adapters",
      parts: {
        models: { kind: "listed", models: [model("llama"), adapter("x")] },
        metrics: read({
          engine: "sglang",
          missing: [{ signal: "adapters", family: "", reason: "unmapped" }],
        }),
      },
      expected: [],
    },
    {
      name: "that refuses a completion",
      parts: { trial: { kind: "failed", reason: "status 500" } },
      expected: ["error completion-failed a:1"],
    },
    {
      name: "that reports no cached tokens",
      parts: { trial: answered(undefined) },
      expected: ["warning cached-tokens-not-reported a:1"],
    },
    {
      name: "with counters of the prefix cache that stay the same",
      parts: { metrics: read({ looked: { lookupTokens: 0, hitTokens: 0 } }) },
      expected: ["warning hit-counters-still a:1"],
    },
    {
      name: "with a counter of hits that stays the same though an answer had hits",
      parts: { metrics: read({ looked: { lookupTokens: 1_000, hitTokens: 0 } }) },
      expected: ["warning hit-counters-still a:1"],
    },
    {
      name: "with counters that have the first of two completions only",
      parts: { metrics: read({ looked: { lookupTokens: 500, hitTokens: 0 } }) },
      expected: [],
    },
    {
      name: "that reports no cached tokens, and counts no hit",
      parts: {
        metrics: read({ looked: { lookupTokens: 1_000, hitTokens: 0 } }),
        trial: answered(undefined),
      },
      expected: ["warning cached-tokens-not-reported a:1", "warning no-cache-hit a:1"],
    },
    {
      name: "that has no hit in the second completion",
      parts: { trial: answered(0) },
      expected: ["warning no-cache-hit a:1"],
    },
    // 500 tokens are less than one block of 512, and only whole blocks are cached.
    {
      name: "with larger blocks than the prompt has no hit",
      parts: {
        metrics: read({ signals: { ...signals, blockTokens: 512 } }),
        trial: answered(0),
      },
      expected: [],
    },
    { name: "with a clock 5 s ahead", parts: { clockAheadMs: 5_000 }, expected: [] },
    {
      name: "with a clock a minute behind",
      parts: { clockAheadMs: -60_000 },
      expected: ["warning clock-skew a:1"],
    },
  ])("$name", ({ parts, expected }) => {
    expect(found(engine(parts))).toEqual(expected);
  });

  it("has a line to change for its kind", () => {
    expect(lineOf("vllm")).toContain("--enable-prompt-tokens-details");
    expect(lineOf("sglang")).toBe("SGLang: --enable-cache-report");
    expect(lineOf("another")).toContain("--enable-prompt-tokens-details");
    expect(lineOf("another")).toContain("--enable-cache-report");
  });

  it("names each check that was not made", () => {
    const idle = engine({
      trial: { kind: "not-made" },
      metrics: read({ hasMoved: false, prefixCaching: undefined, engine: "sglang" }),
      clockAheadMs: undefined,
    });
    expect(judgeEngines([idle]).notChecked).toEqual([
      expect.stringContaining("--try"),
      "a:1: prefix caching: sglang does not report it in its metrics",
      "a:1: motion of its metrics: it has no work",
      "a:1: its clock: answers have no date",
    ]);
    const short = engine({
      metrics: read({ signals: { ...signals, blockTokens: 512 } }),
      trial: answered(0),
    });
    expect(judgeEngines([short]).notChecked).toEqual([
      "a:1: cached_tokens: the prompt was shorter than a block",
    ]);
  });
});

describe("engines of one pool", () => {
  const others = [engine({ endpoint: "a:1" }), engine({ endpoint: "b:1" })];
  const withLimit = (adaptersMax: number) =>
    read({
      signals: { ...signals, adapters: { active: new Set(), waiting: new Set(), adaptersMax } },
    });

  it.each<{ name: string; odd: Partial<EngineFacts>; code: string; what: RegExp }>([
    {
      name: "block size",
      odd: { metrics: read({ signals: { ...signals, blockTokens: 32 } }) },
      code: "block-size-differs",
      what: /: 32; at a:1, b:1: 16$/,
    },
    {
      name: "engine",
      odd: { metrics: read({ engine: "sglang" }) },
      code: "engine-differs",
      what: /: sglang; at a:1, b:1: vllm$/,
    },
    {
      name: "models",
      odd: { models: { kind: "listed", models: [model("llama", 8_192), model("other")] } },
      code: "models-differ",
      what: /: llama, other; at a:1, b:1: llama$/,
    },
    {
      name: "context length",
      odd: { models: { kind: "listed", models: [model("llama", 4_096)] } },
      code: "context-length-differs",
      what: /^max_model_len of llama: 4096; at a:1, b:1: 8192$/,
    },
  ])("differ in $name, and the odd one is named", ({ odd, code, what }) => {
    const { findings } = judgeEngines([engine({ ...odd, endpoint: "odd:1" }), ...others]);
    expect(findings).toMatchObject([
      { severity: "warning", code, subject: "odd:1", what: expect.stringMatching(what) },
    ]);
  });

  it("differ in the number of adapters that fit", () => {
    const [a, b] = [engine({ metrics: withLimit(4) }), engine({ metrics: withLimit(8) })];
    expect(found(a, { ...b, endpoint: "b:1" })).toEqual(["warning lora-limit-differs b:1"]);
  });

  it("that do not tell are not compared", () => {
    const silent = engine({
      endpoint: "c:1",
      metrics: read({ signals: { ...signals, blockTokens: undefined } }),
    });
    expect(found(...others, silent)).toEqual([]);
  });
});
