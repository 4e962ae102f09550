import { describe, expect, it } from "vitest";
import { aContext } from "#test/support/builders.ts";
import { buildPlugin } from "#test/support/build-plugin.ts";
import { topologyExtractor } from "./topology.ts";

const labelsFor = (parameters: unknown) =>
  buildPlugin(topologyExtractor, parameters).producer?.produce(aContext(), []);

describe("topology-extractor", () => {
  it("names the labels of Kubernetes nodes by default", () => {
    expect(labelsFor({})).toEqual({
      hostname: "kubernetes.io/hostname",
      rack: "topology.kubernetes.io/rack",
      zone: "topology.kubernetes.io/zone",
      region: "topology.kubernetes.io/region",
    });
  });

  it("names the given labels, and the default for an empty one", () => {
    expect(labelsFor({ rack: "nvl72-domain", zone: "" })).toMatchObject({
      rack: "nvl72-domain",
      zone: "topology.kubernetes.io/zone",
    });
  });

  it("is an extractor that a data source may name, and produces topology", () => {
    expect(topologyExtractor.kinds).toContain("extractor");
    expect(topologyExtractor.produces).toBe("topology");
    expect(topologyExtractor.load({ host: "x" }).kind).toBe("invalid");
  });
});
