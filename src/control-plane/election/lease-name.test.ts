import { describe, expect, it } from "vitest";
import { deploymentOf, leaseNameOf } from "./lease-name.ts";

describe("the name of a Lease", () => {
  it("is of a namespace and a pool", () => {
    expect(leaseNameOf("models", "llama")).toBe("epp-models-llama.llm-d.ai");
  });

  it.each([
    ["llama-epp-6d5f7c9b8-x2x4z", "llama-epp"],
    ["epp-6d5f7c9b8-x2x4z", "epp"],
    ["epp-0", undefined],
    ["epp", undefined],
    ["", undefined],
  ])("takes %j for a pod of the Deployment %j", (pod, deployment) => {
    expect(deploymentOf(pod)).toBe(deployment);
  });
});
