import { describe, expect, it } from "vitest";
import { modelRewriteOf, rewriteRulesOf } from "./inference-model-rewrite.ts";
import { objectiveOf } from "./inference-objective.ts";
import { policyTargetOf } from "./pool-ref.ts";

const target = policyTargetOf("InferencePool", "llama", "inference.networking.k8s.io");
const poolRef = { name: "llama" };

function anObjective(spec: object) {
  return objectiveOf({ metadata: { name: "urgent" }, spec: { poolRef, ...spec } }, target);
}

describe("an InferenceObjective", () => {
  it.each([
    [{ priority: 7 }, 7],
    [{ priority: -1 }, -1],
    [{}, 0],
    [{ priority: null }, 0],
  ])("gives for %j the priority %i", (spec, priority) => {
    expect(anObjective(spec)).toEqual({ name: "urgent", priority });
  });

  it.each([
    { name: "llama", group: "inference.networking.k8s.io", kind: "InferencePool" },
    { name: "llama", group: "inference.networking.x-k8s.io" },
    { name: "llama", group: null, kind: null },
  ])("is for the pool that it refers to as %j", (ref) => {
    expect(anObjective({ poolRef: ref })).toBeDefined();
  });

  it.each([
    { name: "other" },
    { name: "llama", group: "pools.example" },
    { name: "llama", kind: "Service" },
  ])("is for another pool if it refers to %j", (ref) => {
    expect(anObjective({ poolRef: ref })).toBeUndefined();
  });

  it("is for a Service if a Service is the pool", () => {
    const service = policyTargetOf("Service", "vllm");
    const metadata = { name: "o" };
    const ofService = { metadata, spec: { poolRef: { name: "vllm", kind: "Service", group: "" } } };
    const ofPool = { metadata, spec: { poolRef: { name: "vllm" } } };
    expect(objectiveOf(ofService, service)).toBeDefined();
    expect(objectiveOf(ofPool, service)).toBeUndefined();
  });

  it("is ignored without a pool, and if its priority is not a number", () => {
    expect(objectiveOf({ metadata: { name: "o" }, spec: {} }, target)).toBeUndefined();
    expect(anObjective({ priority: "high" })).toBeUndefined();
  });
});

const exact = (value: string, type?: string) => ({ model: { value, ...(type && { type }) } });
const to = (modelRewrite: string, weight?: number) => ({ modelRewrite, weight });

function aRewrite(name: string, createdAt: string, rules: readonly object[]) {
  const metadata = { name, creationTimestamp: createdAt };
  return modelRewriteOf({ metadata, spec: { poolRef, rules } }, target);
}

describe("an InferenceModelRewrite", () => {
  it("keeps its rules in their order", () => {
    const rules = [
      { matches: [exact("a"), exact("b", "Exact")], targets: [to("x", 1), to("y", 3)] },
      { targets: [to("z")] },
    ];
    expect(aRewrite("r", "2026-01-01T00:00:00Z", rules)?.rules).toEqual([
      {
        matches: [exact("a"), exact("b")],
        targets: [to("x", 1), to("y", 3)],
      },
      { matches: [], targets: [to("z")] },
    ]);
  });

  it("matches nothing, instead of everything, with an unknown type of match", () => {
    const rules = [{ matches: [exact("a.*", "Regex")], targets: [to("x")] }];
    expect(aRewrite("r", "", rules)?.rules).toEqual([]);
  });

  it("has no rule without a target", () => {
    expect(aRewrite("r", "", [{ matches: [exact("a")] }])?.rules).toEqual([]);
  });

  it("takes precedence over younger ones, and by name among those of one age", () => {
    const rewrites = [
      aRewrite("young", "2026-02-01T00:00:00Z", [{ targets: [to("young")] }]),
      aRewrite("b", "2026-01-01T00:00:00Z", [{ targets: [to("b")] }]),
      aRewrite("a", "2026-01-01T00:00:00Z", [{ targets: [to("a1")] }, { targets: [to("a2")] }]),
    ].flatMap((rewrite) => rewrite ?? []);
    const order = rewriteRulesOf(rewrites).map(({ targets }) => targets[0]?.modelRewrite);
    expect(order).toEqual(["a1", "a2", "b", "young"]);
  });
});
