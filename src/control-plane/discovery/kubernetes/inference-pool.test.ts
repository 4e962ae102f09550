import { describe, expect, it } from "vitest";
import { poolSelectionOf, poolVersionsOf } from "./inference-pool.ts";

function versionsOf(group: string): string[] {
  return poolVersionsOf(group).map(({ group: of, version }) => `${of}/${version}`);
}

describe("an InferencePool", () => {
  it("selects by all its labels, on each of its ports", () => {
    const spec = {
      selector: { matchLabels: { b: "2", a: "1" } },
      targetPorts: [{ number: 8000 }, { number: 8001 }],
      appProtocol: "something new",
      somethingElse: {},
    };
    expect(poolSelectionOf({ spec })).toEqual({
      labelSelector: "a=1,b=2",
      targetPorts: [8000, 8001],
    });
  });

  it("is read in its old shape too", () => {
    const spec = { selector: { app: "vllm" }, targetPortNumber: 8000, extensionRef: { name: "x" } };
    expect(poolSelectionOf({ spec })).toEqual({ labelSelector: "app=vllm", targetPorts: [8000] });
  });

  it.each([
    {},
    { spec: { selector: { matchLabels: {} } } },
    { spec: { selector: { matchLabels: { a: "1" } }, targetPorts: [] } },
    { spec: { selector: { matchLabels: { a: "1" } }, targetPorts: [{ number: 0 }] } },
  ])("is ignored without ports: %j", (object) => {
    expect(poolSelectionOf(object)).toBeUndefined();
  });

  it("is looked for in the standard group first, whichever of the two is configured", () => {
    const usual = ["inference.networking.k8s.io/v1", "inference.networking.x-k8s.io/v1alpha2"];
    expect(versionsOf("inference.networking.k8s.io")).toEqual(usual);
    expect(versionsOf("inference.networking.x-k8s.io")).toEqual(usual);
    expect(versionsOf("pools.example")).toEqual(["pools.example/v1", ...usual]);
  });
});
