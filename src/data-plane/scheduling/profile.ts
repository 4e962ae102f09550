import type { Endpoint } from "../../core/endpoint.ts";
import type { Filter, Picker, SchedulingContext, Scorer } from "./plugin.ts";

export interface WeightedScorer {
  readonly scorer: Scorer;
  readonly weight: number;
}

/** A named chain: filters in order, then weighted scorers, then the picker. */
export interface SchedulingProfile {
  readonly name: string;
  readonly filters: readonly Filter[];
  readonly scorers: readonly WeightedScorer[];
  readonly picker: Picker;
}

export type ProfileResult =
  | {
      readonly kind: "picked";
      readonly endpoints: readonly [Endpoint, ...Endpoint[]];
      /** Total of the first endpoint; NaN where no scorer ran. */
      readonly score: number;
    }
  | { readonly kind: "nothing-left" };

/** Working memory of one scheduler, so that a decision allocates nothing that grows with the pool. */
export class Scratch {
  #scores = new Float64Array(64);
  #totals = new Float64Array(64);

  /** Room for the scores of `count` candidates; contents undefined. */
  scores(count: number): Float64Array {
    if (this.#scores.length < count) this.#scores = new Float64Array(count * 2);
    return this.#scores.subarray(0, count);
  }

  /** `count` totals, all zero. */
  totals(count: number): Float64Array {
    if (this.#totals.length < count) this.#totals = new Float64Array(count * 2);
    return this.#totals.subarray(0, count).fill(0);
  }
}

/**
 * Runs one profile:
 *
 *     total(endpoint) = sum over scorers of weight x clamp(score(endpoint), 0, 1)
 *
 * A score that is not a number counts as 0. Filters that leave nothing end the profile.
 */
export function runProfile(
  profile: SchedulingProfile,
  context: SchedulingContext,
  { endpoints, scratch }: { endpoints: readonly Endpoint[]; scratch: Scratch },
): ProfileResult {
  let candidates = endpoints;
  for (const filter of profile.filters) {
    candidates = filter.filter(context, candidates);
    if (candidates.length === 0) return { kind: "nothing-left" };
  }

  const totals = scratch.totals(candidates.length);
  const scores = scratch.scores(candidates.length);
  for (const { scorer, weight } of profile.scorers) {
    scorer.score(context, candidates, scores);
    addWeighted(totals, scores, weight);
  }

  const [first, ...fallbacks] = profile.picker.pick(totals).flatMap((index) => {
    const endpoint = candidates[index];
    return endpoint === undefined ? [] : [{ endpoint, total: totals[index] ?? Number.NaN }];
  });
  if (first === undefined) return { kind: "nothing-left" };
  return {
    kind: "picked",
    endpoints: [first.endpoint, ...fallbacks.map(({ endpoint }) => endpoint)],
    score: profile.scorers.length === 0 ? Number.NaN : first.total,
  };
}

function addWeighted(totals: Float64Array, scores: Float64Array, weight: number): void {
  for (let index = 0; index < totals.length; index += 1) {
    const score = scores[index] ?? 0;
    // The comparison is false for NaN, which so counts as 0.
    const clamped = score > 0 ? Math.min(1, score) : 0;
    totals[index] = (totals[index] ?? 0) + weight * clamped;
  }
}
