import { describe, expect, it } from "vitest";
import { hedgeAfterOf } from "./hedge-option.ts";

describe("--hedge-after", () => {
  it.each([
    ["", undefined],
    ["2s", { kind: "fixed", ms: 2_000 }],
    ["250ms", { kind: "fixed", ms: 250 }],
    ["p95", { kind: "percentile", share: 0.95 }],
    ["p99.5", { kind: "percentile", share: 0.995 }],
  ])("reads %j", (text, after) => {
    expect(hedgeAfterOf(text)).toEqual(after);
  });

  it.each(["0s", "p5", "p49", "p100", "95", "95%", "-1s", "soon"])("refuses %j", (text) => {
    expect(() => hedgeAfterOf(text)).toThrow("for --hedge-after");
  });
});
