import { describe, expect, it } from "vitest";
import { policyPlugins } from "./policies.ts";

describe.each(policyPlugins)("$type", (policy) => {
  it("says that it waits for flow control", () => {
    expect(policy.summary).toMatch(/takes effect with flow control/);
  });

  it("refuses an unknown parameter", () => {
    expect(policy.load({ nonsense: 1 }).kind).toBe("invalid");
  });
});

const load = (type: string, parameters: object) =>
  policyPlugins.find((policy) => policy.type === type)?.load(parameters);

describe("parameters of policies", () => {
  it.each([
    ["priority-holdback-policy", { minCeiling: 0.5 }],
    ["priority-holdback-policy", { minCeiling: 0, maxCeiling: 0.9, domain: "value" }],
    ["program-aware-fairness", { lasHalfLifeSeconds: 0 }],
    ["static-usage-limit-policy", { threshold: 0.8 }],
  ])("of %s may be %j", (type, parameters) => {
    expect(load(type, parameters)?.kind).toBe("loaded");
  });

  it.each([
    ["priority-holdback-policy", {}],
    ["priority-holdback-policy", { minCeiling: 0.9, maxCeiling: 0.9 }],
    ["priority-holdback-policy", { minCeiling: 1 }],
    ["program-aware-fairness", { evictionSweepSeconds: 0 }],
    ["program-aware-fairness", { strategy: "other" }],
    ["static-usage-limit-policy", { threshold: 0 }],
  ])("of %s may not be %j", (type, parameters) => {
    expect(load(type, parameters)?.kind).toBe("invalid");
  });
});
