import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { buildFilter, mistakesIn } from "#test/support/build-plugin.ts";
import { labelSelectorFilter } from "./label-selector.ts";

const pool = [
  anEndpoint({ slot: 0, labels: { gpu: "h100", zone: "a" } }),
  anEndpoint({ slot: 1, labels: { gpu: "l4", zone: "a" } }),
  anEndpoint({ slot: 2, labels: { gpu: "", zone: "b" } }),
  anEndpoint({ slot: 3, labels: {} }),
];

const slotsKept = (parameters: unknown) =>
  buildFilter(labelSelectorFilter, parameters)
    .filter(aContext(), pool)
    .map(({ slot }) => slot);

const expression = (key: string, operator: string, values?: string[]) => ({
  matchExpressions: [{ key, operator, ...(values && { values }) }],
});

describe("label-selector-filter", () => {
  itKeepsTheFilterContract(buildFilter(labelSelectorFilter, { matchLabels: { zone: "a" } }));

  it.each([
    { parameters: {}, kept: [0, 1, 2, 3] },
    { parameters: { matchLabels: { zone: "a" } }, kept: [0, 1] },
    { parameters: { matchLabels: { zone: "a", gpu: "l4" } }, kept: [1] },
    { parameters: { matchLabels: { gpu: "" } }, kept: [2] },
    { parameters: expression("gpu", "In", ["h100", "l4"]), kept: [0, 1] },
    { parameters: expression("gpu", "NotIn", ["h100"]), kept: [1, 2, 3] },
    { parameters: expression("gpu", "Exists"), kept: [0, 1, 2] },
    { parameters: expression("gpu", "DoesNotExist"), kept: [3] },
    {
      parameters: { matchLabels: { zone: "a" }, ...expression("gpu", "NotIn", ["l4"]) },
      kept: [0],
    },
  ])("keeps $kept for $parameters", ({ parameters, kept }) => {
    expect(slotsKept(parameters)).toEqual(kept);
  });

  it("does not count inherited properties of objects as labels", () => {
    expect(slotsKept(expression("constructor", "Exists"))).toEqual([]);
    expect(slotsKept(expression("toString", "DoesNotExist"))).toEqual([0, 1, 2, 3]);
  });

  it.each([
    expression("gpu", "In"),
    expression("gpu", "NotIn", []),
    expression("gpu", "Exists", ["h100"]),
    expression("gpu", "DoesNotExist", ["h100"]),
    expression("gpu", "in", ["h100"]),
    expression("gpu", "Gt", ["1"]),
    expression("", "Exists"),
    { matchLabels: { zone: 1 } },
    { matchLabel: { zone: "a" } },
  ])("refuses %j", (parameters) => {
    expect(labelSelectorFilter.load(parameters).kind).toBe("invalid");
  });

  it("names the wrong requirement", () => {
    expect(mistakesIn(labelSelectorFilter, expression("gpu", "In"))).toEqual([
      "matchExpressions.0.values: In needs at least one",
    ]);
  });
});
