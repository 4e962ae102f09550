import fc from "fast-check";
import { expect, it } from "vitest";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { LoadSnapshot } from "../../src/core/load.ts";
import type { SchedulingContext, Scorer } from "../../src/core/data-plane-plugin.ts";
import { aContext, aLoad, aRequest, endpoints } from "#test/support/builders.ts";
import { aPool, type Pool } from "#test/support/pools.ts";

/** A number no scorer writes, to see which places of the scratch were written. */
const untouched = -7;

/** What every scorer owes the scheduler, whatever it measures. */
export function itKeepsTheScorerContract(scorer: Scorer): void {
  it("gives each candidate a score in [0, 1], whatever broken engines report", () => {
    fc.assert(
      fc.property(aPool, (pool) => {
        const scores = scoresOf(scorer, pool);
        expect(scores).toHaveLength(pool.candidates.length);
        expect(scores.filter((score) => !(score >= 0 && score <= 1))).toEqual([]);
      }),
    );
  });

  it("permutes the scores with the candidates", () => {
    const pools = aPool.chain((pool) =>
      fc.record({ pool: fc.constant(pool), order: aPermutationOf(pool.candidates.length) }),
    );
    fc.assert(
      fc.property(pools, ({ pool, order }) => {
        const scores = scoresOf(scorer, pool);
        const candidates = order.flatMap((index) => pool.candidates[index] ?? []);
        const permuted = scoresOf(scorer, { ...pool, candidates });
        expect(permuted).toEqual(order.map((index) => scores[index]));
      }),
    );
  });

  it("scores no candidates and a thousand", () => {
    const rows = endpoints(1_000).map(({ slot }) => ({
      waitingRequests: slot % 7,
      runningRequests: slot % 11,
      kvCacheUsedRatio: (slot % 10) / 10,
      inFlightRequests: slot % 13,
    }));
    const pool = { request: aRequest(), load: aLoad(rows) };
    expect(scoresOf(scorer, { ...pool, candidates: [] })).toEqual([]);
    const scores = scoresOf(scorer, { ...pool, candidates: endpoints(1_000) });
    expect(scores.filter((score) => score >= 0 && score <= 1)).toHaveLength(1_000);
  });

  it("scores candidates of which nothing is known", () => {
    const scores = scoresOf(scorer, {
      request: aRequest(),
      candidates: endpoints(3),
      load: aLoad([{}, {}, {}]),
    });
    expect(scores.filter((score) => score >= 0 && score <= 1)).toHaveLength(3);
  });

  it("leaves a scratch array alone beyond the candidates", () => {
    fc.assert(
      fc.property(aPool, fc.integer({ min: 1, max: 20 }), (pool, spare) => {
        const { candidates } = pool;
        const scratch = new Float64Array(candidates.length + spare).fill(untouched);
        scorer.score(contextOf(pool), candidates, scratch);
        expect([...scratch.subarray(candidates.length)]).toEqual(Array(spare).fill(untouched));
        expect([...scratch.subarray(0, candidates.length)]).toEqual(scoresOf(scorer, pool));
      }),
    );
  });

  it("does not read what lies in the scratch array", () => {
    fc.assert(
      fc.property(aPool, fc.double(), (pool, before) => {
        const scratch = new Float64Array(pool.candidates.length).fill(before);
        scorer.score(contextOf(pool), pool.candidates, scratch);
        expect([...scratch]).toEqual(scoresOf(scorer, pool));
      }),
    );
  });

  it("changes neither the candidates nor the load", () => {
    fc.assert(
      fc.property(aPool, (pool) => {
        const candidates = Object.freeze([...pool.candidates]);
        const loadBefore = structuredClone(pool.load);
        scoresOf(scorer, { ...pool, candidates });
        expect(candidates).toEqual(pool.candidates);
        expect(pool.load).toEqual(loadBefore);
      }),
    );
  });
}

/** The scores of a pool's candidates, in a scratch array that fits exactly. */
export function scoresOf(scorer: Scorer, pool: Pool): readonly number[] {
  return scoresIn(scorer, contextOf(pool), pool.candidates);
}

/** The same for a request of which more is known than its pool. */
export function scoresIn(
  scorer: Scorer,
  context: SchedulingContext,
  candidates: readonly Endpoint[],
): readonly number[] {
  const scores = new Float64Array(candidates.length).fill(untouched);
  scorer.score(context, candidates, scores);
  return [...scores];
}

/** The scores of endpoints in slots 0, 1, 2 and so on, one per row of `load`. */
export function scoresByRow(scorer: Scorer, load: LoadSnapshot): readonly number[] {
  const candidates: readonly Endpoint[] = endpoints(load.waitingRequests.length);
  return scoresOf(scorer, { request: aRequest(), candidates, load });
}

function contextOf({ request, load }: Pool): SchedulingContext {
  return aContext({ request, load });
}

function aPermutationOf(length: number): fc.Arbitrary<number[]> {
  const indexes = Array.from({ length }, (_, index) => index);
  return fc.shuffledSubarray(indexes, { minLength: length, maxLength: length });
}
