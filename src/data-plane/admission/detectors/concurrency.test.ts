import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { itKeepsTheSaturationDetectorContract } from "#test/contract/saturation-detector.ts";
import { aContext, aLoad, endpoints } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { concurrencyDetector } from "./concurrency.ts";

function built(parameters: object = {}) {
  const params = concurrencyDetector.params.safeParse(parameters);
  if (!params.success) throw new Error("refused");
  const ledger = new Map<number, number>();
  const producer = { tokenCounts: { tokens: (slot: number) => ledger.get(slot) ?? 0 } };
  const deps = pluginDeps({ plugins: { "default-in-flight-load": producer } });
  const { detector, filter } = concurrencyDetector.create(params.data, deps);
  if (detector === undefined || filter === undefined) throw new Error("it is both");
  return { detector, filter, ledger };
}

const load = aLoad([{ inFlightRequests: 5 }, { inFlightRequests: 15 }]);

/** Slots of the endpoints that the filter keeps. */
const kept = (parameters: object) =>
  built(parameters)
    .filter.filter(aContext({ load }), endpoints(2))
    .map(({ slot }) => slot);

describe("concurrency-detector", () => {
  itKeepsTheSaturationDetectorContract(built().detector);
  itKeepsTheFilterContract(built().filter);

  it("is the ratio of requests in flight to the limits of all endpoints", () => {
    // (5 + 15) / (2 x 10)
    expect(built({ maxConcurrency: 10 }).detector.saturation(endpoints(2), load, 0)).toBe(1);
  });

  it("counts tokens in the mode tokens", () => {
    const { detector, ledger } = built({ concurrencyMode: "tokens", maxTokenConcurrency: 1_000 });
    ledger.set(0, 500);
    // 500 / (2 x 1,000)
    expect(detector.saturation(endpoints(2), load, 0)).toBe(0.25);
  });

  it("takes the larger ratio of each endpoint in the mode hybrid", () => {
    const { detector, ledger } = built({
      concurrencyMode: "hybrid",
      maxConcurrency: 20,
      maxTokenConcurrency: 1_000,
    });
    ledger.set(0, 500);
    // (max(5 / 20, 0.5) + max(15 / 20, 0)) / 2
    expect(detector.saturation(endpoints(2), load, 0)).toBe(0.625);
  });

  it("keeps endpoints below their limit and the headroom, which may be none", () => {
    expect(kept({ maxConcurrency: 15 })).toEqual([0]);
    // 15 < 15 x 1.1
    expect(kept({ maxConcurrency: 15, headroom: 0.1 })).toEqual([0, 1]);
    expect(kept({ maxConcurrency: 5 })).toEqual([]);
  });

  it.each([
    { maxConcurrency: 0 },
    { maxTokenConcurrency: 0 },
    { headroom: -1 },
    { concurrencyMode: "x" },
  ])("refuses %j", (parameters) => {
    expect(concurrencyDetector.params.safeParse(parameters).success).toBe(false);
  });
});
