import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../core/endpoint.ts";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { buildFilter, needsOf } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { topologyAffinityFilter } from "./topology-affinity.ts";

/** An endpoint with the labels `region/zone/rack/host`, as far as given. */
function endpointAt(slot: number, place: string): Endpoint {
  const [region = "", zone = "", rack = "", hostname = ""] = place.split("/");
  const labels = {
    "topology.kubernetes.io/region": region,
    "topology.kubernetes.io/zone": zone,
    "topology.kubernetes.io/rack": rack,
    "kubernetes.io/hostname": hostname,
  };
  return anEndpoint({ slot, labels });
}

const decode = endpointAt(9, "eu/eu-1/r1/h1");
const pool = ["eu/eu-1/r1/h1", "eu/eu-1/r1/h2", "eu/eu-1/r2/h3", "eu/eu-2/r3/h4", "us//r1/"].map(
  (place, slot) => endpointAt(slot, place),
);

function slotsKept(
  parameters: object,
  {
    peer = decode,
    candidates = pool,
  }: { peer?: Endpoint | undefined; candidates?: Endpoint[] } = {},
): readonly number[] {
  const chosen = new Map([["decode", [peer] as const]]);
  return buildFilter(topologyAffinityFilter, parameters)
    .filter(aContext({ chosen }), candidates)
    .map(({ slot }) => slot);
}

describe("topology-affinity-filter", () => {
  itKeepsTheFilterContract(buildFilter(topologyAffinityFilter, {}));

  it.each([
    { minAffinity: "host", kept: [0] },
    // Racks are compared by name alone: the last one is in r1 too.
    { minAffinity: "rack", kept: [0, 1, 4] },
    { minAffinity: "zone", kept: [0, 1, 2, 4] },
    { minAffinity: "region", kept: [0, 1, 2, 3, 4] },
  ])("keeps $kept within the $minAffinity", ({ minAffinity, kept }) => {
    expect(slotsKept({ minAffinity })).toEqual(kept);
  });

  it("requires the same host by default", () => {
    expect(slotsKept({})).toEqual([0]);
  });

  it("keeps all candidates if none is close enough", () => {
    expect(slotsKept({ minAffinity: "host" }, { candidates: pool.slice(1) })).toEqual([1, 2, 3, 4]);
  });

  it("keeps all candidates if the chosen endpoint has no labels of places", () => {
    expect(slotsKept({ minAffinity: "region" }, { peer: endpointAt(9, "") })).toEqual([
      0, 1, 2, 3, 4,
    ]);
  });

  it("keeps all candidates in the profile that runs first", () => {
    const filter = buildFilter(topologyAffinityFilter, {});
    expect(filter.filter(aContext(), pool)).toEqual(pool);
  });

  it("reads the labels that a topology-extractor names", () => {
    const labels = { hostname: "node", rack: "rack", zone: "zone", region: "region" };
    const [near, far] = [
      anEndpoint({ slot: 0, labels: { node: "n1" } }),
      anEndpoint({ slot: 1, labels: { node: "n2" } }),
    ];
    const deps = pluginDeps({ data: { topology: labels } });
    const chosen = new Map([
      ["decode", [anEndpoint({ slot: 9, labels: { node: "n1" } })] as const],
    ]);
    const filter = buildFilter(topologyAffinityFilter, { topologyProducerName: "t" }, deps);
    expect(filter.filter(aContext({ chosen }), [near, far])).toEqual([near]);
    expect(needsOf(topologyAffinityFilter, { topologyProducerName: "t" })).toMatchObject([
      { data: "topology", producer: "t" },
    ]);
  });

  it.each([{ minAffinity: "node" }, { minAffinity: "" }, { affinity: "host" }])(
    "refuses %j",
    (parameters) => {
      expect(topologyAffinityFilter.load(parameters).kind).toBe("invalid");
    },
  );
});
