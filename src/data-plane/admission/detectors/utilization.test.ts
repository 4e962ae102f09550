import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { itKeepsTheSaturationDetectorContract } from "#test/contract/saturation-detector.ts";
import { aContext, aLoad, endpoints, type LoadRow } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { utilizationDetector } from "./utilization.ts";

const nowMs = 10_000;

function built(parameters: object = {}) {
  const params = utilizationDetector.params.safeParse(parameters);
  if (!params.success) throw new Error("refused");
  const { detector, filter } = utilizationDetector.create(params.data, pluginDeps());
  if (detector === undefined || filter === undefined) throw new Error("it is both");
  return { detector, filter };
}

const fresh = (row: LoadRow): LoadRow => ({ signalsAtMs: nowMs, ...row });

describe("utilization-detector", () => {
  const { detector, filter } = built();
  itKeepsTheSaturationDetectorContract(detector);
  itKeepsTheFilterContract(filter);

  it("is the mean of the largest ratio of each endpoint", () => {
    const load = aLoad([
      // max(2 / 5, 0.4 / 0.8) = 0.5
      fresh({ waitingRequests: 2, kvCacheUsedRatio: 0.4 }),
      // max(10 / 5, 0.8 / 0.8) = 2
      fresh({ waitingRequests: 10, kvCacheUsedRatio: 0.8 }),
    ]);
    expect(detector.saturation(endpoints(2), load, nowMs)).toBeCloseTo(1.25, 9);
  });

  it("leaves out endpoints whose signals are unknown or stale", () => {
    const half = { waitingRequests: 2, kvCacheUsedRatio: 0.4 };
    const load = aLoad([
      {},
      { ...half, waitingRequests: 50, signalsAtMs: nowMs - 201 },
      { ...half, signalsAtMs: nowMs - 200 },
      // Older, but not overdue.
      { ...half, signalsAtMs: nowMs - 900, signalsDueAtMs: nowMs - 100 },
    ]);
    expect(detector.saturation(endpoints(4), load, nowMs)).toBeCloseTo(0.5, 9);
  });

  it("is 0 if all signals are missing", () => {
    const load = aLoad([{}, { waitingRequests: 50, kvCacheUsedRatio: 1, signalsAtMs: 0 }]);
    expect(detector.saturation(endpoints(2), load, nowMs)).toBe(0);
  });

  it.each([
    // Fresh: max(2 / 5, 0.4 / 0.8) = 0.5.
    ["ignore", [true, false], 0.5],
    // (0.5 + 1) / 2
    ["saturated", [true, false], 0.75],
    ["saturated", [true, true], 0.5],
    ["saturated", [false, false], 1],
    ["ignore", [false, false], 0],
  ])(
    "counts stale endpoints by the policy %s: fresh %j",
    (stalenessPolicy, areFresh, saturation) => {
      const load = aLoad(
        areFresh.map((isFresh) => ({
          ...{ waitingRequests: 2, kvCacheUsedRatio: 0.4 },
          signalsAtMs: isFresh ? nowMs : nowMs - 201,
        })),
      );
      const { detector: counting } = built({ stalenessPolicy });
      expect(counting.saturation(endpoints(2), load, nowMs)).toBeCloseTo(saturation, 9);
    },
  );

  it("refuses any other policy for stale endpoints", () => {
    expect(utilizationDetector.params.safeParse({ stalenessPolicy: "bogus" }).success).toBe(false);
  });

  it("keeps fresh endpoints below the thresholds and the headroom", () => {
    const load = aLoad([
      fresh({ waitingRequests: 4, kvCacheUsedRatio: 0.5 }),
      fresh({ waitingRequests: 5, kvCacheUsedRatio: 0.5 }),
      fresh({ waitingRequests: 0, kvCacheUsedRatio: 0.8 }),
      { waitingRequests: 0, kvCacheUsedRatio: 0, signalsAtMs: 0 },
    ]);
    const keptBy = (parameters: object) =>
      built(parameters)
        .filter.filter(aContext({ load, nowMs, endpoints: endpoints(4) }), endpoints(4))
        .map(({ slot }) => slot);
    expect(keptBy({})).toEqual([0]);
    // 5 < 5 x 1.2 and 0.8 < 0.8 x 1.2
    expect(keptBy({ headroom: 0.2 })).toEqual([0, 1, 2]);
  });

  it("keeps all if none is below", () => {
    expect(filter.filter(aContext({ load: aLoad([{}, {}]), nowMs }), endpoints(2))).toHaveLength(2);
  });

  it.each([
    { queueDepthThreshold: 0 },
    { kvCacheUtilThreshold: 0 },
    { kvCacheUtilThreshold: 1.5 },
    { metricsStalenessThreshold: "0s" },
    { metricsStalenessThreshold: "soon" },
    { headroom: -0.5 },
  ])("refuses %j", (parameters) => {
    expect(utilizationDetector.params.safeParse(parameters).success).toBe(false);
  });
});
