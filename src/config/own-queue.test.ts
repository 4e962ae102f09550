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

const bandsOf = (entries: string, apiVersion = own) =>
  readDocument(
    `apiVersion: ${apiVersion}\nkind: EndpointPickerConfig\nfeatureGates: [flowControl]\nflowControl: { priorityBands: [${entries}] }\n`,
  );
const plannedOf = (read: ReturnType<typeof readDocument>) => {
  if (read.kind === "invalid") throw new Error(read.mistakes.join("; "));
  return makePlan(read.document, plugins, { testOnly: new Set(), allowsTestOnly: false });
};

describe("the guaranteed share of a band", () => {
  it("is that of the document, and 0 without one", () => {
    const planned = plannedOf(bandsOf("{ priority: 1 }, { priority: -1, guaranteedShare: 0.25 }"));
    if (planned.kind === "invalid") throw new Error(planned.mistakes.join("; "));
    const bands = planned.plan.flowControl?.bands ?? [];
    expect(bands.map(({ priority, guaranteedShare }) => [priority, guaranteedShare])).toEqual([
      [1, 0],
      [0, 0],
      [-1, 0.25],
    ]);
  });

  it("is refused in documents of llm-d-router", () => {
    expect(plannedOf(bandsOf("{ priority: -1, guaranteedShare: 0.25 }", peer))).toMatchObject({
      mistakes: [
        `flowControl.priorityBands[0].guaranteedShare: only documents of apiVersion ${own} may have it`,
      ],
    });
  });

  it.each([
    ["{ priority: 1, guaranteedShare: 1.5 }", "must be <=1"],
    ["{ priority: 1, guaranteedShare: -0.1 }", "must be >=0"],
    [
      "{ priority: 1, guaranteedShare: 0.7 }, { priority: 2, guaranteedShare: 0.4 }",
      "flowControl.priorityBands: the guaranteed shares are 1.1 together, want 1 at most",
    ],
  ])("%s is refused", (entries, mistake) => {
    expect(plannedOf(bandsOf(entries))).toMatchObject({
      mistakes: [expect.stringContaining(mistake)],
    });
  });

  it("may be 1 together, in tenths that are not exact", () => {
    const tenths = [...Array(10).keys()].map(
      (priority) => `{ priority: ${priority}, guaranteedShare: 0.1 }`,
    );
    expect(plannedOf(bandsOf(tenths.join(", "))).kind).toBe("planned");
  });

  it("is no field of bands that are made on demand", () => {
    const read = readDocument(
      `apiVersion: ${own}\nkind: EndpointPickerConfig\nflowControl: { defaultPriorityBand: { guaranteedShare: 0.5 } }\n`,
    );
    expect(plannedOf(read)).toMatchObject({
      mistakes: [expect.stringContaining("guaranteedShare: there is no such field")],
    });
  });
});
