import type { Endpoint } from "../../core/endpoint.ts";
import type { Filter, Picker, SchedulingContext, Scorer } from "../../core/data-plane-plugin.ts";
import type { ScoreRows } from "./score-rows.ts";

/** A filter under the name that the document gives it. */
export interface NamedFilter {
  readonly name: string;
  readonly filter: Filter;
}

/** A scorer with its weight, under the name that the document gives it. */
export interface WeightedScorer {
  readonly name: string;
  readonly scorer: Scorer;
  readonly weight: number;
}

/** A named chain: filters in order, then weighted scorers, then the picker. */
export interface SchedulingProfile {
  readonly name: string;
  readonly filters: readonly NamedFilter[];
  readonly scorers: readonly WeightedScorer[];
  readonly picker: Picker;
}

/** The steps and results of one profile, for the decision and the decision log. */
export interface ProfileRun {
  readonly profile: SchedulingProfile;
  /** The endpoints it began with: usually the candidates that are well. */
  readonly began: readonly Endpoint[];
  /** The candidates left after each filter that ran, in the order of `profile.filters`. */
  readonly kept: readonly (readonly Endpoint[])[];
  /** The candidates that were scored. */
  readonly judged: readonly Endpoint[];
  /** Scores by scorer, each in the order of `judged`; valid until the next decision. */
  readonly scores: readonly Float64Array[];
  /** Weighted sums in the order of `judged`; valid until the next decision. */
  readonly totals: Float64Array;
  /** Indexes into `judged`, best first; empty if no candidate was left. */
  readonly picked: readonly number[];
}

const nothing = new Float64Array(0);

/** Filters, scores and picks. A total is the sum over the scorers of weight x score, with scores clamped to [0, 1]. */
export function runProfile(
  profile: SchedulingProfile,
  context: SchedulingContext,
  { endpoints, rows }: { readonly endpoints: readonly Endpoint[]; readonly rows: ScoreRows },
): ProfileRun {
  let judged = endpoints;
  let kept: readonly (readonly Endpoint[])[] = [];
  for (const { filter } of profile.filters) {
    judged = filter.filter(context, judged);
    kept = kept.length === 0 ? [judged] : [...kept, judged];
    if (judged.length === 0) {
      return { profile, began: endpoints, kept, judged, scores: [], totals: nothing, picked: [] };
    }
  }

  const totals = rows.take(judged.length).fill(0);
  const scores: Float64Array[] = [];
  for (const { scorer, weight } of profile.scorers) {
    const row = rows.take(judged.length);
    scorer.score(context, judged, row);
    addWeighted(totals, row, weight);
    scores.push(row);
  }
  return {
    profile,
    began: endpoints,
    kept,
    judged,
    scores,
    totals,
    picked: profile.picker.pick(totals),
  };
}

/** The endpoints that a run picked, best first; undefined if it picked none. */
export function pickedEndpoints({
  judged,
  picked,
}: ProfileRun): readonly [Endpoint, ...Endpoint[]] | undefined {
  if (picked.length === 1) {
    // The usual case, in each decision.
    const only = judged[picked[0] ?? -1];
    return only === undefined ? undefined : [only];
  }
  const [first, ...others] = picked.flatMap((index) => judged[index] ?? []);
  return first === undefined ? undefined : [first, ...others];
}

function addWeighted(totals: Float64Array, scores: Float64Array, weight: number): void {
  const count = totals.length;
  for (let index = 0; index < count; index += 1) {
    const score = scores[index] ?? 0;
    // NaN makes the comparison false, so it counts as 0. `Math.min` takes twice as long here.
    const clamped = score > 0 ? (score < 1 ? score : 1) : 0;
    totals[index] = (totals[index] ?? 0) + weight * clamped;
  }
}
