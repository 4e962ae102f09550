import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aLoad, endpoints } from "#test/support/builders.ts";
import { aStanding } from "#test/support/snapshots.ts";
import { wellAmong } from "./well-among.ts";

const pool = endpoints(4);
const idle = aLoad([{}, {}, {}, {}]);

const cases: readonly {
  readonly what: string;
  readonly standing: Parameters<typeof aStanding>[0];
  readonly inFlight?: readonly number[];
  readonly well: readonly number[];
}[] = [
  { what: "an ejected one", standing: { 1: { code: "ejected" } }, well: [0, 2, 3] },
  { what: "a dead one", standing: { 1: { code: "dead" } }, well: [0, 2, 3] },
  {
    what: "one whose trial has its request",
    standing: { 1: { code: "trial", trialPlaces: 0 } },
    well: [0, 2, 3],
  },
  {
    what: "none of a trial that may have a request",
    standing: { 1: { code: "trial", trialPlaces: 1 } },
    well: [0, 1, 2, 3],
  },
  {
    what: "none of a slow start within its share",
    standing: { 1: { code: "starting", startRatio: 0.25 } },
    // 1 + 0.25 x 8
    inFlight: [8, 2, 0, 0],
    well: [0, 1, 2, 3],
  },
  {
    what: "a slow start that has its share",
    standing: { 1: { code: "starting", startRatio: 0.25 } },
    inFlight: [8, 3, 0, 0],
    well: [0, 2, 3],
  },
  {
    what: "all but those that start slowly, if these are all that is not ejected",
    standing: {
      0: { code: "ejected" },
      1: { code: "starting", startRatio: 0.1 },
      2: { code: "dead" },
      3: { code: "trial", trialPlaces: 0 },
    },
    // 1 + 0.1 x 5
    inFlight: [0, 5, 0, 0],
    well: [1],
  },
  {
    what: "the dead alone, if nothing better is left",
    standing: {
      0: { code: "dead" },
      1: { code: "ejected" },
      2: { code: "trial", trialPlaces: 0 },
      3: { code: "dead" },
    },
    well: [1, 2],
  },
];

describe("the candidates that may take a request now", () => {
  it.each(cases)("leave out $what", ({ standing, inFlight, well }) => {
    const load = aLoad(pool.map((_, slot) => ({ inFlightRequests: inFlight?.[slot] ?? 0 })));
    expect(wellAmong(pool, aStanding(standing), load).map(({ slot }) => slot)).toEqual(well);
  });

  it("are the same array if all are well, and if none is better than another", () => {
    expect(wellAmong(pool, aStanding(), idle)).toBe(pool);
    const dead = { code: "dead" } as const;
    const standing = aStanding({ 0: dead, 1: dead, 2: dead, 3: dead });
    expect(wellAmong(pool, standing, idle)).toBe(pool);
  });

  it("are measured by the busiest candidate, not by the busiest of the pool", () => {
    const load = aLoad([20, 2, 0, 0].map((inFlightRequests) => ({ inFlightRequests })));
    const standing = aStanding({ 1: { code: "starting", startRatio: 0.5 } });
    // 1 + 0.5 x 20 = 11, and 1 + 0.5 x 2 = 2
    expect(wellAmong(pool, standing, load)).toBe(pool);
    expect(wellAmong(pool.slice(1), standing, load).map(({ slot }) => slot)).toEqual([2, 3]);
  });

  it("are at least one, in the order of the candidates, for any health", () => {
    const anEndpointsStanding = fc.record({
      code: fc.constantFrom("well", "starting", "trial", "ejected", "dead"),
      trialPlaces: fc.nat(2),
      startRatio: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const counts = fc.array(fc.nat(20), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(anEndpointsStanding, { maxLength: 4 }), counts, (parts, inFlight) => {
        const load = aLoad(inFlight.map((inFlightRequests) => ({ inFlightRequests })));
        const well = wellAmong(pool, aStanding(Object.fromEntries(parts.entries())), load);
        expect(well.length).toBeGreaterThan(0);
        expect(well).toEqual(pool.filter((endpoint) => well.includes(endpoint)));
      }),
    );
  });
});
