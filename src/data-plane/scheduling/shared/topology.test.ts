import { describe, expect, it } from "vitest";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import {
  defaultTopologyLabels,
  isWithin,
  sharedLevelOf,
  topologyAffinity,
  topologyLevels,
  topologyNeeds,
} from "./topology.ts";

const { hostname, rack, zone, region } = defaultTopologyLabels;

const levelOf = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>) =>
  sharedLevelOf(
    defaultTopologyLabels,
    anEndpoint({ slot: 0, labels: a }),
    anEndpoint({ slot: 1, labels: b }),
  );

describe("the shared level of two endpoints", () => {
  it.each([
    { label: hostname, level: "host" },
    { label: rack, level: "rack" },
    { label: zone, level: "zone" },
    { label: region, level: "region" },
  ])("is $level if $label has one value", ({ label, level }) => {
    expect(levelOf({ [label]: "x" }, { [label]: "x" })).toBe(level);
    expect(levelOf({ [label]: "x" }, { [label]: "y" })).toBeUndefined();
  });

  it("is the closest of several", () => {
    expect(levelOf({ [rack]: "r", [zone]: "z" }, { [rack]: "r", [zone]: "z" })).toBe("rack");
  });

  it("is none if a label is missing or empty", () => {
    expect(levelOf({}, {})).toBeUndefined();
    expect(levelOf({ [zone]: "" }, { [zone]: "" })).toBeUndefined();
    expect(levelOf({ [zone]: "z" }, {})).toBeUndefined();
  });

  it("is the host for two ports of one address", () => {
    const [first, second] = [8000, 8001].map((port) => anEndpoint({ address: "10.0.0.7", port }));
    if (first === undefined || second === undefined) throw new Error("unreachable");
    expect(sharedLevelOf(defaultTopologyLabels, first, second)).toBe("host");
  });
});

const within = (loosest: (typeof topologyLevels)[number]) =>
  topologyLevels.filter((level) => isWithin(loosest, level));

describe("a loosest level", () => {
  it("has itself and the closer ones within it", () => {
    expect(within("host")).toEqual(["host"]);
    expect(within("zone")).toEqual(["host", "rack", "zone"]);
    expect(within("region")).toEqual(["host", "rack", "zone", "region"]);
  });

  it("does not have two endpoints that share none within it", () => {
    expect(isWithin("region", undefined)).toBe(false);
  });
});

describe("topology affinity", () => {
  it("has the first choice of the profile that ran first as its peer", () => {
    const [a, b, c] = [0, 1, 2].map((slot) => anEndpoint({ slot }));
    if (a === undefined || b === undefined || c === undefined) throw new Error("unreachable");
    const chosen = new Map<string, readonly [typeof a, ...(typeof a)[]]>([
      ["decode", [b, a]],
      ["prefill", [c]],
    ]);
    const { peerOf } = topologyAffinity({}, pluginDeps());
    expect(peerOf(aContext({ chosen }))).toBe(b);
    expect(peerOf(aContext())).toBeUndefined();
  });

  it("uses the labels of Kubernetes nodes unless an extractor names others", () => {
    const others = { hostname: "h", rack: "r", zone: "z", region: "g" };
    expect(topologyAffinity({}, pluginDeps()).labelsOf(aContext())).toBe(defaultTopologyLabels);
    const told = topologyAffinity({}, pluginDeps({ data: { topology: others } }));
    expect(told.labelsOf(aContext())).toBe(others);
  });

  it("needs a named extractor, and uses the default one if there is one", () => {
    expect(topologyNeeds({ topologyProducerName: "cells" })).toMatchObject([
      { data: "topology", producer: "cells", isOptional: false },
    ]);
    for (const given of [{}, { topologyProducerName: "" }]) {
      expect(topologyNeeds(given)).toMatchObject([
        { data: "topology", producer: undefined, isOptional: true },
      ]);
    }
  });
});
