import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseMetricSpec, selected } from "./metric-spec.ts";

describe("a metric spec", () => {
  it.each([
    ["up", { family: "up", labels: {} }],
    [" vllm:num_requests_waiting ", { family: "vllm:num_requests_waiting", labels: {} }],
    ["up{}", { family: "up", labels: {} }],
    ["up{a=b}", { family: "up", labels: { a: "b" } }],
    ['up{ a = "b" , c="d,}", }', { family: "up", labels: { a: "b", c: "d,}" } }],
    [String.raw`up{a="b\"c\\d"}`, { family: "up", labels: { a: String.raw`b"c\d` } }],
    [
      "nv_trt_llm_request_metrics{request_type=waiting}",
      { family: "nv_trt_llm_request_metrics", labels: { request_type: "waiting" } },
    ],
  ])("of %j is understood", (text, spec) => {
    expect(parseMetricSpec(text)).toEqual(spec);
  });

  it.each([
    "",
    "5up",
    "up{",
    "up}",
    "up{a}",
    "up{a=}",
    "up{a=b c=d}",
    'up{a="b}',
    "up down",
    "up{=b}",
  ])("of %j is refused", (text) => {
    expect(parseMetricSpec(text)).toBeUndefined();
  });

  it("never throws and always ends", () => {
    const piece = fc.constantFrom("a", "{", "}", "=", '"', ",", " ", "\\", "b");
    fc.assert(
      fc.property(fc.string({ unit: piece, maxLength: 30 }), (text) => {
        expect(() => parseMetricSpec(text)).not.toThrow();
      }),
      { numRuns: 1_000 },
    );
  });

  it("selects the samples that have all its labels", () => {
    const samples = new Map([
      [
        "up",
        [
          { labels: { a: "1", b: "x" }, value: 1 },
          { labels: { a: "2", b: "x" }, value: 2 },
        ],
      ],
    ]);
    const valuesOf = (labels: Record<string, string>, family = "up") =>
      selected({ family, labels }, samples)?.map(({ value }) => value);
    expect(valuesOf({})).toEqual([1, 2]);
    expect(valuesOf({ a: "2", b: "x" })).toEqual([2]);
    expect(valuesOf({ a: "3" })).toBeUndefined();
    expect(valuesOf({}, "down")).toBeUndefined();
  });
});
