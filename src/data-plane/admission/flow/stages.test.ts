import { describe, expect, it } from "vitest";
import type { SaturationDetector } from "../../../core/data-plane-plugin.ts";
import type { standingCodes } from "../../../core/pool-snapshot.ts";
import { endpoints } from "#test/support/builders.ts";
import { aSnapshot, aStanding } from "#test/support/snapshots.ts";
import { PoolSaturation } from "./stages.ts";

/** Share of the endpoints that are full: those of even slots. */
const detector: SaturationDetector = {
  saturation: (pool) => pool.filter(({ slot }) => slot % 2 === 0).length / pool.length,
};

describe("the saturation of a pool", () => {
  it.each([
    { name: "counts endpoints that are well", codes: {}, saturation: 0.5 },
    { name: "counts starting endpoints", codes: { 1: "starting" }, saturation: 0.5 },
    // 0 and 2 are left, both full.
    { name: "leaves ejected endpoints out", codes: { 1: "ejected", 3: "dead" }, saturation: 1 },
    { name: "leaves endpoints on trial out", codes: { 0: "trial" }, saturation: 1 / 3 },
    {
      name: "counts all if none is well",
      codes: { 0: "ejected", 1: "dead", 2: "trial", 3: "ejected" },
      saturation: 0.5,
    },
  ] as const)("$name", ({ codes, saturation }) => {
    const pool = aSnapshot({ endpoints: endpoints(4), standing: aStanding(codesOf(codes)) });
    expect(new PoolSaturation().of(detector, pool).effective).toBe(saturation);
  });

  it("follows an endpoint that is ejected and comes back", () => {
    const of = new PoolSaturation();
    const pool = endpoints(2);
    const at = (code: keyof typeof standingCodes) =>
      of.of(detector, aSnapshot({ endpoints: pool, standing: aStanding({ 1: { code } }) }));
    const seen = (["well", "dead", "well"] as const).map((code) => at(code).effective);
    expect(seen).toEqual([0.5, 1, 0.5]);
  });
});

function codesOf(codes: Readonly<Record<number, keyof typeof standingCodes>>) {
  return Object.fromEntries(Object.entries(codes).map(([slot, code]) => [slot, { code }]));
}
