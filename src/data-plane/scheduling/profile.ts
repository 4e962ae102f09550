import type { Endpoint } from "../../core/endpoint.ts";
import type { Filter, Picker, SchedulingContext, Scorer } from "../../core/data-plane-plugin.ts";
import type { StageTrace } from "../../core/request-trace.ts";
import type { ScoreRows } from "./score-rows.ts";
import { filterAttributes, pickAttributes, scorerAttributes } from "./stage-attributes.ts";

/** A filter under the name that the document gives it. */
export interface NamedFilter {
  readonly name: string;
  readonly filter: Filter;
}

/** A scorer with its weight, under the name that the document gives it. */
export interface WeightedScorer {
  readonly name: string;
  /** The type of the plugin; left out if it has none of its own. */
  readonly type?: string;
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

interface ProfileStart {
  readonly endpoints: readonly Endpoint[];
  readonly rows: ScoreRows;
  /** Undefined if the decision is not traced. */
  readonly stages?: StageTrace | undefined;
}

/** Filters, scores and picks. A total is the sum over the scorers of weight x score, with scores clamped to [0, 1]. */
export function runProfile(
  profile: SchedulingProfile,
  context: SchedulingContext,
  start: ProfileStart,
): ProfileRun {
  const { stages, endpoints } = start;
  stages?.begin("run_scheduler_profile");
  const run = filteredRun(profile, context, start);
  if (run.judged.length > 0) {
    scoreAll(run, context, start);
    stages?.begin("pick_endpoints");
    run.picked = profile.picker.pick(run.totals);
    stages?.end(pickAttributes(run));
  }
  stages?.end({
    "llm_d.epp.scheduling.profile.name": profile.name,
    "pointsman.profile.candidate_endpoints": endpoints.length,
  });
  return run;
}

/** A run whose steps are not all made. */
interface OpenRun extends ProfileRun {
  scores: readonly Float64Array[];
  totals: Float64Array;
  picked: readonly number[];
}

function filteredRun(
  profile: SchedulingProfile,
  context: SchedulingContext,
  { endpoints, stages }: ProfileStart,
): OpenRun {
  let judged = endpoints;
  let kept: readonly (readonly Endpoint[])[] = [];
  stages?.begin("filter_endpoints");
  for (const { filter } of profile.filters) {
    judged = filter.filter(context, judged);
    kept = kept.length === 0 ? [judged] : [...kept, judged];
    if (judged.length === 0) break;
  }
  const run = { profile, began: endpoints, kept, judged, scores: [], totals: nothing, picked: [] };
  stages?.end(filterAttributes(run, context));
  return run;
}

function scoreAll(run: OpenRun, context: SchedulingContext, { rows, stages }: ProfileStart): void {
  const { profile, judged } = run;
  const totals = rows.take(judged.length).fill(0);
  const scores: Float64Array[] = [];
  stages?.begin("llm_d.epp.scoring");
  for (const weighted of profile.scorers) {
    const row = rows.take(judged.length);
    stages?.begin(`llm_d.epp.scorer.${weighted.type ?? weighted.name}`);
    weighted.scorer.score(context, judged, row);
    stages?.end(scorerAttributes(weighted, row));
    addWeighted(totals, row, weighted.weight);
    scores.push(row);
  }
  stages?.end({
    "llm_d.epp.scorer.count": scores.length,
    "llm_d.epp.scoring.candidate_endpoints": judged.length,
  });
  run.scores = scores;
  run.totals = totals;
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
