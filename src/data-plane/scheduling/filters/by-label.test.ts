import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { byLabelFilter } from "./by-label.ts";

const pool = [
  anEndpoint({ slot: 0, labels: { tier: "front" } }),
  anEndpoint({ slot: 1, labels: { tier: "back" } }),
  anEndpoint({ slot: 2, labels: { app: "front" } }),
  anEndpoint({ slot: 3, labels: { tier: "" } }),
];

const filterOf = (validValues: string[], allowsNoLabel: boolean) =>
  byLabelFilter.create({ label: "tier", validValues, allowsNoLabel }, pluginDeps());

const slotsKept = (validValues: string[], allowsNoLabel: boolean) =>
  filterOf(validValues, allowsNoLabel)
    .filter(aContext(), pool)
    .map(({ slot }) => slot);

describe("by-label", () => {
  itKeepsTheFilterContract(filterOf(["front"], false));

  it.each([
    { values: ["front"], allowsNoLabel: false, kept: [0] },
    { values: ["front", "back"], allowsNoLabel: false, kept: [0, 1] },
    { values: ["back"], allowsNoLabel: true, kept: [1, 2] },
    { values: [], allowsNoLabel: true, kept: [2] },
    { values: ["", "back"], allowsNoLabel: false, kept: [1, 2, 3] },
    { values: ["elsewhere"], allowsNoLabel: false, kept: [] },
  ])("keeps $kept for $values, no label allowed: $allowsNoLabel", (row) => {
    expect(slotsKept(row.values, row.allowsNoLabel)).toEqual(row.kept);
  });

  it.each([
    {},
    { label: "tier" },
    { label: "", validValues: ["front"] },
    { label: "tier", validValues: [] },
    { label: "tier", validValues: "front" },
    { label: "tier", allowsNoLabel: "yes" },
    { label: "tier", validValues: ["front"], values: ["back"] },
  ])("refuses %j", (parameters) => {
    expect(byLabelFilter.load(parameters).kind).toBe("invalid");
  });
});
