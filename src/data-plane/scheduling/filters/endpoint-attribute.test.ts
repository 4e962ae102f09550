import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, aLoad, endpoints } from "#test/support/builders.ts";
import { buildFilter, mistakesIn } from "#test/support/build-plugin.ts";
import { endpointAttributeFilter } from "./endpoint-attribute.ts";

const compared = (operator: string, value: number, more: object = {}) => ({
  attribute: "temperature",
  algorithm: { type: "threshold", threshold: { operator, value } },
  ...more,
});

/** Slots of the endpoints that stay, by their values of one attribute; undefined for none. */
function slotsKept(
  parameters: object,
  values: readonly (number | undefined)[],
  key = "core-metrics-extractor/temperature",
): readonly number[] {
  const rows = values.map((value) => (value === undefined ? {} : { attributes: { [key]: value } }));
  return buildFilter(endpointAttributeFilter, parameters)
    .filter(aContext({ load: aLoad(rows) }), endpoints(values.length))
    .map(({ slot }) => slot);
}

describe("endpoint-attribute-filter", () => {
  itKeepsTheFilterContract(buildFilter(endpointAttributeFilter, compared("LessThan", 80)));

  it.each([
    { operator: "LessThan", kept: [0] },
    { operator: "LessThanOrEqual", kept: [0, 1] },
    { operator: "GreaterThan", kept: [2] },
    { operator: "GreaterThanOrEqual", kept: [1, 2] },
    { operator: "Equal", kept: [1] },
    { operator: "NotEqual", kept: [0, 2] },
  ])("keeps $kept of 79, 80 and 81 with $operator 80", ({ operator, kept }) => {
    expect(slotsKept(compared(operator, 80), [79, 80, 81])).toEqual(kept);
  });

  it("keeps an endpoint without the attribute, or drops it if onMissing says so", () => {
    const values = [undefined, 90, Number.NaN, Infinity, 10];
    expect(slotsKept(compared("LessThan", 80), values)).toEqual([0, 2, 3, 4]);
    expect(slotsKept(compared("LessThan", 80, { onMissing: "Fail" }), values)).toEqual([4]);
  });

  it("counts an attribute without a producer as missing", () => {
    const key = "dcgm-extractor/temperature";
    expect(slotsKept(compared("LessThan", 80), [90, 90], key)).toEqual([0, 1]);
    expect(slotsKept(compared("LessThan", 80, { onMissing: "Fail" }), [10, 10], key)).toEqual([]);
  });

  it("reads the named producer, or any producer if the name is empty", () => {
    const key = "dcgm-extractor/temperature";
    expect(
      slotsKept(compared("LessThan", 80, { producer: "dcgm-extractor" }), [90, 70], key),
    ).toEqual([1]);
    expect(slotsKept(compared("LessThan", 80, { producer: "" }), [90, 70], key)).toEqual([1]);
  });

  it("keeps none if none fits, and all under fallbackOnEmpty", () => {
    expect(slotsKept(compared("Equal", 1), [2, 3])).toEqual([]);
    expect(slotsKept(compared("Equal", 1, { fallbackOnEmpty: true }), [2, 3])).toEqual([0, 1]);
  });

  it("compares with 0 if no value is given", () => {
    const algorithm = { type: "threshold", threshold: { operator: "GreaterThan" } };
    expect(slotsKept({ attribute: "temperature", algorithm }, [-1, 0, 1])).toEqual([2]);
  });

  it("says that a name with a slash needs its producer", () => {
    const parameters = { ...compared("Equal", 1), attribute: "util/dcgm-extractor" };
    expect(mistakesIn(endpointAttributeFilter, parameters)[0]).toMatch(/^attribute: has a "\/"/);
  });

  it.each([
    {},
    compared("Equal", 1, { attribute: "" }),
    compared("Equal", 1, { onMissing: "pass" }),
    compared("equal", 1),
    { attribute: "a", algorithm: { type: "topK" } },
    { attribute: "a", algorithm: { type: "threshold" } },
    { attribute: "a", algorithm: { threshold: { operator: "Equal", value: 1 } } },
    compared("Equal", 1, { attributeKey: "a" }),
  ])("refuses %j", (parameters) => {
    expect(endpointAttributeFilter.load(parameters).kind).toBe("invalid");
  });
});
