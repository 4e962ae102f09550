import { describe, expect, it } from "vitest";
import { aContext, aDecision } from "#test/support/builders.ts";
import { buildPlugin } from "#test/support/build-plugin.ts";
import type { TokenUsage } from "../../../core/usage.ts";
import { requestAttributeReporter } from "./request-attribute.ts";

const key = { name: "cost" };

function reported(expression: string, usage?: Partial<TokenUsage>, condition = "") {
  const { hooks } = buildPlugin(requestAttributeReporter, {
    attributes: [{ key, expression, condition }],
  });
  const follower = hooks?.sent({ context: aContext(), decision: aDecision() });
  const none = { promptTokens: 0, outputTokens: 0, cachedTokens: undefined };
  const numbers = follower?.responseMetadata?.(usage && { ...none, ...usage }) ?? [];
  return numbers.map(({ value }) => value);
}

describe("request-attribute-reporter", () => {
  it.each([
    ["usage.prompt_tokens", "", [7]],
    ["usage.total_tokens", "", [12]],
    ["usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens", "", [4]],
    ["usage.prompt_tokens / 2", "", [3]],
    ["usage.prompt_tokens", "usage.completion_tokens > 4", [7]],
    ["usage.prompt_tokens", "usage.completion_tokens > 5", []],
    ["usage.prompt_tokens", "usage.prompt_tokens", []],
    ["usage.prompt_tokens", "usage.missing > 1", []],
    ["usage.prompt_tokens - 7", "", []],
    ["'not a number'", "", []],
    ["usage.missing", "", []],
    ["usage.prompt_tokens / 0", "", []],
    ["usage.prompt_tokens * 1e300", "", []],
  ])("reports %s under the condition %j as %j", (expression, condition, values) => {
    const usage = { promptTokens: 7, outputTokens: 5, cachedTokens: 3 };
    expect(reported(expression, usage, condition)).toEqual(values);
  });

  it("counts 0 tokens of a response without counts", () => {
    expect(reported("usage.prompt_tokens + 1")).toEqual([1]);
    expect(reported("usage.total_tokens")).toEqual([]);
  });

  it("takes an empty namespace as envoy.lb", () => {
    const { hooks } = buildPlugin(requestAttributeReporter, {
      attributes: [{ key: { ...key, namespace: "" }, expression: "1" }],
    });
    const follower = hooks?.sent({ context: aContext(), decision: aDecision() });
    expect(follower?.responseMetadata?.(undefined)).toEqual([
      { namespace: "envoy.lb", name: "cost", value: 1 },
    ]);
  });

  it.each([
    ["no attribute", { attributes: [] }],
    ["two attributes", { attributes: [1, 2].map(() => ({ key, expression: "1" })) }],
    ["no name", { attributes: [{ key: { name: "" }, expression: "1" }] }],
    ["no expression", { attributes: [{ key, expression: "" }] }],
    ["a mistake in the expression", { attributes: [{ key, expression: "1 +" }] }],
    ["a mistake in the condition", { attributes: [{ key, expression: "1", condition: "x" }] }],
    ["a long expression", { attributes: [{ key, expression: "(".repeat(2_000) }] }],
  ])("refuses %s", (_, parameters) => {
    expect(requestAttributeReporter.load(parameters).kind).toBe("invalid");
  });
});
