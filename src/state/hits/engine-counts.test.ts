import { describe, expect, it } from "vitest";
import { aLoad, anEndpoint, endpoints } from "#test/support/builders.ts";
import { EngineCounts } from "./engine-counts.ts";
import { windowMs } from "./window-sums.ts";

const loadOf = (...rows: readonly (readonly [lookups: number, hits: number] | undefined)[]) =>
  aLoad(
    rows.map((row) =>
      row === undefined ? {} : { prefixLookupTokens: row[0], prefixHitTokens: row[1] },
    ),
  );

describe("EngineCounts", () => {
  it("sums what the counters grow by, and nothing of the time before", () => {
    const counts = new EngineCounts();
    const pool = endpoints(3);
    counts.read(pool, loadOf([1_000, 900], [0, 0], undefined), 1);
    expect(counts.total(1)).toEqual({
      ...{ endpoints: 2, lookupTokens: 0, hitTokens: 0, ratio: undefined },
    });
    counts.read(pool, loadOf([1_300, 1_000], [100, 0], undefined), 2);
    counts.read(pool, loadOf([1_300, 1_000], [100, 0], undefined), 3);
    expect(counts.total(3)).toMatchObject({ lookupTokens: 400, hitTokens: 100, ratio: 0.25 });
    expect(counts.byEndpoint(3).get(pool[0]?.id ?? "")).toMatchObject({ hitTokens: 100 });
    expect(counts.total(2 * windowMs)).toMatchObject({ lookupTokens: 0 });
  });

  it("goes on after a restart, from 0", () => {
    const counts = new EngineCounts();
    const pool = endpoints(1);
    for (const [lookups, hits] of [
      [1_000, 900],
      [1_100, 990],
      [60, 6],
      [160, 6],
    ] as const) {
      counts.read(pool, loadOf([lookups, hits]), 1);
    }
    // 100 + 60 + 100, and 90 + 6 + 0.
    expect(counts.total(1)).toMatchObject({ lookupTokens: 260, hitTokens: 96 });
  });

  it("begins again with another endpoint of the same id, and forgets those that have left", () => {
    const counts = new EngineCounts();
    counts.read(endpoints(2), loadOf([10, 0], [10, 0]), 1);
    counts.read(endpoints(2), loadOf([50, 0], [50, 0]), 1);
    expect(counts.total(1)).toMatchObject({ endpoints: 2, lookupTokens: 0 });
    counts.read(endpoints(1), loadOf([60, 0]), 1);
    expect(counts.total(1)).toMatchObject({ endpoints: 1 });
  });

  it("leaves engines out that only decode: others have computed their prompts", () => {
    const counts = new EngineCounts();
    const pool = [anEndpoint({ labels: { "llm-d.ai/role": "decode" } })];
    counts.read(pool, loadOf([10, 10]), 1);
    counts.read(pool, loadOf([90, 90]), 1);
    expect(counts.total(1)).toMatchObject({ endpoints: 0, lookupTokens: 0 });
  });
});
