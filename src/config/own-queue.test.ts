import { describe, expect, it } from "vitest";
import { plugins } from "../gateway/plugins.ts";
import { makePlan } from "./make-plan.ts";
import { readDocument } from "./read-document.ts";

const own = "pointsman.dev/v1alpha1";
const peer = "llm-d.ai/v1alpha1";

interface Parts {
  readonly apiVersion: string;
  readonly rest?: string;
}

function planOf({ apiVersion, rest = "featureGates: [flowControl]" }: Parts) {
  const read = readDocument(`apiVersion: ${apiVersion}\nkind: EndpointPickerConfig\n${rest}\n`);
  if (read.kind === "invalid") throw new Error(read.mistakes.join("; "));
  const planned = makePlan(read.document, plugins, { testOnly: new Set(), allowsTestOnly: false });
  if (planned.kind === "invalid") throw new Error(planned.mistakes.join("; "));
  const { detector, flowControl } = planned.plan;
  return { detector, orderings: flowControl?.bands.map(({ ordering }) => ordering) };
}

describe("the queue without settings", () => {
  it("holds requests by expected wait and orders them by response ratio in our own documents", () => {
    expect(planOf({ apiVersion: own })).toEqual({
      detector: "expected-wait-detector",
      orderings: ["response-ratio-ordering-policy"],
    });
  });

  it("has the defaults of llm-d-router in its documents", () => {
    expect(planOf({ apiVersion: peer })).toEqual({
      detector: "utilization-detector",
      orderings: ["fcfs-ordering-policy"],
    });
  });

  it("is off without the gate, also in our own documents", () => {
    expect(planOf({ apiVersion: own, rest: "" })).toEqual({
      detector: "utilization-detector",
      orderings: undefined,
    });
  });

  it("takes what a document names: a detector, and the order of a band", () => {
    const rest = `featureGates: [flowControl]
plugins:
- type: concurrency-detector
- type: fcfs-ordering-policy
flowControl:
  saturationDetector: { pluginRef: concurrency-detector }
  priorityBands:
  - priority: 5
    orderingPolicyRef: fcfs-ordering-policy`;
    expect(planOf({ apiVersion: own, rest })).toEqual({
      detector: "concurrency-detector",
      orderings: ["fcfs-ordering-policy", "response-ratio-ordering-policy"],
    });
  });

  it("refuses our own policies in documents of llm-d-router", () => {
    const rest = "plugins:\n- type: response-ratio-ordering-policy";
    expect(() => planOf({ apiVersion: peer, rest })).toThrow(/is Pointsman's own/);
  });
});

describe("check of the queue", () => {
  it.each([
    [
      0,
      [
        "priority-holdback-policy.minCeiling: with 0, requests of the lowest of several bands are never sent; take a number above 0, such as 0.01",
      ],
    ],
    [0.01, []],
  ])("warns of a ceiling that is always reached: %d", (minCeiling, warnings) => {
    const read = readDocument(`apiVersion: ${own}
kind: EndpointPickerConfig
featureGates: [flowControl]
plugins: [{type: priority-holdback-policy, parameters: {minCeiling: ${minCeiling}}}]
flowControl: {usageLimitPolicyPluginRef: priority-holdback-policy}
`);
    if (read.kind === "invalid") throw new Error(read.mistakes.join("; "));
    const options = { testOnly: new Set<string>(), allowsTestOnly: false };
    expect(makePlan(read.document, plugins, options)).toMatchObject({ plan: { warnings } });
  });
});
