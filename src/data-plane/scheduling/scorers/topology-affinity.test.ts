import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { topologyAffinityScorer } from "./topology-affinity.ts";

/** Labels of an endpoint at `host/rack/zone/region`. */
function labelsOf(place: string) {
  const [host = "", rack = "", zone = "", region = ""] = place.split("/");
  return {
    "kubernetes.io/hostname": host,
    "topology.kubernetes.io/rack": rack,
    "topology.kubernetes.io/zone": zone,
    "topology.kubernetes.io/region": region,
  };
}

const inCell = (cell: string, slot: number) => anEndpoint({ slot, labels: { cell } });

const peer = anEndpoint({ slot: 9, labels: labelsOf("h1/r1/z1/g1") });
const candidates = [
  labelsOf("h1/r1/z1/g1"),
  labelsOf("h2/r1/z1/g1"),
  labelsOf("h2/r2/z1/g1"),
  labelsOf("h2/r2/z2/g1"),
  labelsOf("h2/r2/z2/g2"),
  {},
].map((labels, slot) => anEndpoint({ slot, labels }));

const scorer = buildScorer(topologyAffinityScorer);

describe("topology-affinity-scorer", () => {
  itKeepsTheScorerContract(scorer);

  it("scores by the closest level that is shared with the endpoint chosen first", () => {
    const other = anEndpoint({ slot: 8, labels: labelsOf("h2/r2/z2/g2") });
    const context = aContext({
      chosen: new Map([
        ["decode", [peer]],
        ["encode", [other]],
      ]),
    });
    expect(scoresIn(scorer, context, candidates)).toEqual([1, 0.2, 0.05, 0.02, 0, 0]);
  });

  it("scores 0 for all if no endpoint is chosen yet", () => {
    expect(scoresIn(scorer, aContext(), candidates)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("reads the labels that an extractor names", () => {
    const topology = { hostname: "host", rack: "rack", zone: "cell", region: "region" };
    const told = buildScorer(
      topologyAffinityScorer,
      { topologyProducerName: "cells" },
      pluginDeps({ data: { topology } }),
    );
    const context = aContext({ chosen: new Map([["decode", [inCell("c1", 9)]]]) });
    expect(scoresIn(told, context, [inCell("c1", 0), inCell("c2", 1)])).toEqual([0.05, 0]);
  });

  it("refuses unknown parameters", () => {
    expect(topologyAffinityScorer.load({ minAffinity: "host" }).kind).toBe("invalid");
  });
});
