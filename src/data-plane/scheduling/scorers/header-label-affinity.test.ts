import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import { aContext, aHead, anEndpoint, aRequest } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { headerLabelAffinityScorer } from "./header-label-affinity.ts";

const parameters = { headerName: "X-Preferred-Zone", labelKey: "topology.kubernetes.io/zone" };
const scorer = buildScorer(headerLabelAffinityScorer, parameters);

const candidates = ["a", "b", ""].map((zone, slot) =>
  anEndpoint({ slot, labels: { "topology.kubernetes.io/zone": zone } }),
);
const unlabelled = anEndpoint({ slot: 3 });

function scoresFor(headers: Readonly<Record<string, string>>) {
  const head = aHead({ headers: new Map(Object.entries(headers)) });
  const context = aContext({ request: aRequest({ head }) });
  return scoresIn(scorer, context, [...candidates, unlabelled]);
}

describe("header-label-affinity-scorer", () => {
  itKeepsTheScorerContract(scorer);

  it("scores 1 for endpoints whose label is the header's value", () => {
    expect(scoresFor({ "x-preferred-zone": "b" })).toEqual([0, 1, 0, 0]);
  });

  it.each([
    {},
    { "x-preferred-zone": "" },
    { "x-preferred-zone": "c" },
    { "x-preferred-zone": "B" },
  ])("scores 0 for all with %j", (headers) => {
    expect(scoresFor(headers)).toEqual([0, 0, 0, 0]);
  });

  it.each([
    {},
    { headerName: "x-zone" },
    { labelKey: "zone" },
    { headerName: "", labelKey: "zone" },
    { headerName: "x zone", labelKey: "zone" },
    { headerName: "x-zone", labelKey: "" },
    { headerName: "x-zone", labelKey: "zone", weight: 2 },
  ])("refuses %j", (given) => {
    expect(headerLabelAffinityScorer.load(given).kind).toBe("invalid");
  });
});
