import { cut } from "../../core/client-values.ts";
import type { SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { Attributes } from "../../core/request-trace.ts";
import type { ProfileRun, WeightedScorer } from "./profile.ts";

/** Endpoints that the span of a pick names, best first. */
const topMax = 5;

export function filterAttributes(
  { profile, began, kept, judged }: Pick<ProfileRun, "profile" | "began" | "kept" | "judged">,
  { request }: SchedulingContext,
): Attributes {
  return {
    "llm_d.epp.filter.candidate_endpoints": began.length,
    "llm_d.epp.filter.filtered_endpoints": judged.length,
    "gen_ai.request.model": cut(request.targetModel),
    "gen_ai.request.id": cut(request.head.id),
    "pointsman.filter.names": profile.filters.slice(0, kept.length).map(({ name }) => name),
    "pointsman.filter.kept_endpoints": kept.map(({ length }) => length),
  };
}

export function scorerAttributes(
  { name, type, weight }: Pick<WeightedScorer, "name" | "type" | "weight">,
  scores: Float64Array,
): Attributes {
  let sum = 0;
  let max = 0;
  for (const score of scores) {
    // As totals count it: clamped, and NaN as 0.
    const counted = score > 0 ? Math.min(score, 1) : 0;
    sum += counted;
    if (counted > max) max = counted;
  }
  return {
    "llm_d.epp.scorer.type": type ?? name,
    "llm_d.epp.scorer.name": name,
    "llm_d.epp.scorer.weight": weight,
    "llm_d.epp.scorer.candidate_endpoints": scores.length,
    "llm_d.epp.scorer.endpoints_scored": scores.length,
    "llm_d.epp.scorer.score.max": max,
    "llm_d.epp.scorer.score.avg": scores.length === 0 ? 0 : sum / scores.length,
  };
}

export function pickAttributes({
  judged,
  totals,
  picked,
}: Pick<ProfileRun, "judged" | "totals" | "picked">): Attributes {
  const [best, second] = picked.length > 1 ? picked : [...picked, ...bestOf(totals, picked, 1)];
  const shown = [...picked, ...bestOf(totals, picked, topMax)].slice(0, topMax);
  const totalOf = (index: number) => totals[index] ?? 0;
  return {
    "llm_d.epp.picker.candidate_endpoints": judged.length,
    "llm_d.epp.picker.top_endpoints": shown.map((index) => judged[index]?.id ?? ""),
    "llm_d.epp.picker.top_scores": shown.map(totalOf),
    "pointsman.picker.margin":
      best === undefined || second === undefined ? undefined : totalOf(best) - totalOf(second),
  };
}

/** Indexes of the highest totals, highest first, without those that are picked. */
function bestOf(totals: Float64Array, picked: readonly number[], count: number): readonly number[] {
  const best: number[] = [];
  for (const [index, total] of totals.entries()) {
    if (picked.includes(index)) continue;
    const place = best.findIndex((other) => total > (totals[other] ?? 0));
    if (place !== -1) best.splice(place, 0, index);
    else if (best.length < count) best.push(index);
    if (best.length > count) best.pop();
  }
  return best;
}
