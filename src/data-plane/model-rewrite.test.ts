import { describe, expect, it } from "vitest";
import { seededRandom } from "../std/random.ts";
import { aHead } from "#test/support/builders.ts";
import type { RewriteRule } from "../core/policies.ts";
import { createModelRewrite } from "./model-rewrite.ts";

const to = (modelRewrite: string, weight?: number) => ({ modelRewrite, weight });
const exactly = (...models: string[]) => models.map((value) => ({ model: { value } }));

const rewritten = (
  rules: readonly RewriteRule[],
  model: string,
  headers: [string, string][] = [],
) =>
  createModelRewrite(
    () => rules,
    () => 0,
  )(aHead({ headers: new Map(headers) }), model);

const shares = (targets: RewriteRule["targets"]) => {
  const rewrite = createModelRewrite(() => [{ targets }], seededRandom(7));
  const counts: Record<string, number> = {};
  for (let draw = 0; draw < 10_000; draw += 1) {
    const target = rewrite(aHead(), "a");
    counts[target] = (counts[target] ?? 0) + 1;
  }
  return counts;
};

describe("the rewriting of models", () => {
  const rules: RewriteRule[] = [
    { targets: [to("generic")] },
    { matches: exactly("a", "b"), targets: [to("first")] },
    { matches: exactly("a"), targets: [to("second")] },
  ];

  it.each([
    { model: "a", target: "first", why: "of two rules that name it the first" },
    { model: "b", target: "first", why: "any of a rule's matches" },
    { model: "c", target: "generic", why: "a rule without matches is for the rest" },
    { model: "", target: "generic", why: "also for no model" },
  ])("asks for $target in place of $model: $why", ({ model, target }) => {
    expect(rewritten(rules, model)).toBe(target);
  });

  it("keeps a model without a rule", () => {
    expect(rewritten([], "a")).toBe("a");
    expect(rewritten([{ matches: exactly("x"), targets: [to("y")] }], "a")).toBe("a");
  });

  it("prefers a header, the newer name first", () => {
    const older: [string, string] = ["x-gateway-model-name-rewrite", "old"];
    const newer: [string, string] = ["x-llm-d-model-name-rewrite", "new"];
    expect(rewritten(rules, "a", [older])).toBe("old");
    expect(rewritten(rules, "a", [older, newer])).toBe("new");
    expect(rewritten(rules, "a", [["x-llm-d-model-name-rewrite", ""]])).toBe("first");
  });

  it("draws targets by their weights", () => {
    // 9,000 and 1,000, with a standard deviation of sqrt(10,000 x 0.9 x 0.1) = 30.
    const { stable = 0, canary = 0 } = shares([to("stable", 90), to("canary", 10)]);
    expect(stable + canary).toBe(10_000);
    expect(Math.abs(canary - 1_000)).toBeLessThan(120);
  });

  it("draws targets evenly if none has a weight", () => {
    // 5,000 each, with a standard deviation of 50.
    const { a = 0 } = shares([to("a"), to("b")]);
    expect(Math.abs(a - 5_000)).toBeLessThan(200);
  });

  it("draws the last one for the largest random number", () => {
    const rewrite = createModelRewrite(
      () => [{ targets: [to("a", 1), to("b", 1)] }],
      () => 1 - 2 ** -53,
    );
    expect(rewrite(aHead(), "x")).toBe("b");
  });
});
