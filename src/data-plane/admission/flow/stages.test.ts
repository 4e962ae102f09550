import { describe, expect, it } from "vitest";
import type { SaturationDetector } from "../../../core/data-plane-plugin.ts";
import type { standingCodes } from "../../../core/pool-snapshot.ts";
import { anEndpoint, endpoints } from "#test/support/builders.ts";
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

  it.each([
    // One of four at 0.2: 0.5 x 4 / 3.2.
    { name: "one of four", starting: [3], saturation: 0.625 },
    { name: "all", starting: [0, 1, 2, 3], saturation: 2.5 },
  ])("counts a starting endpoint as its share: $name", ({ starting, saturation }) => {
    const parts = starting.map((slot) => [slot, { code: "starting", startRatio: 0.2 }] as const);
    const standing = aStanding(Object.fromEntries(parts));
    const pool = aSnapshot({ endpoints: endpoints(4), standing });
    expect(new PoolSaturation().of(detector, pool).effective).toBeCloseTo(saturation);
  });

  it.each([
    [undefined, { prefill: Number.NaN, decode: 0.5 }],
    ["decode", { prefill: Number.NaN, decode: 0.5 }],
    ["prefill", { prefill: 0.5, decode: Number.NaN }],
    ["both", { prefill: 0.5, decode: 0.5 }],
    // As the filters read it.
    ["", { prefill: Number.NaN, decode: Number.NaN }],
    ["encode", { prefill: Number.NaN, decode: Number.NaN }],
  ])("reads the role %s", (role, expected) => {
    const labels = role === undefined ? {} : { "llm-d.ai/role": role };
    const pool = [0, 1].map((slot) => anEndpoint({ slot, labels }));
    const { effective, ...stages } = new PoolSaturation().of(
      detector,
      aSnapshot({ endpoints: pool }),
    );
    expect([stages, effective]).toEqual([expected, 0.5]);
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
