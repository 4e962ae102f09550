import type { Endpoint } from "../../core/endpoint.ts";
import type { ProfileRun } from "./profile.ts";

/** Totals that differ by less are ties. */
const tie = 1e-9;

/**
 * The reason that a run did not pick an endpoint that another document picked: the filter that left it out, `tie` if its
 * total is that of the pick, the scorer that speaks most against it, or `picker` if the pick has no advantage.
 * `candidates`: it was left out before any filter.
 */
export function differenceReason({ profile, judged, ...run }: ProfileRun, other: Endpoint): string {
  const at = placeOf(judged, other);
  if (at === -1) {
    const filter = run.kept.findIndex((kept) => placeOf(kept, other) === -1);
    const wasLeftOut = placeOf(run.began, other) === -1;
    return (wasLeftOut ? undefined : profile.filters[filter]?.name) ?? "candidates";
  }
  const picked = run.picked[0] ?? -1;
  const margin = (run.totals[picked] ?? 0) - (run.totals[at] ?? 0);
  if (Math.abs(margin) <= tie) return "tie";
  let [name, most] = ["picker", 0];
  for (const [index, scorer] of profile.scorers.entries()) {
    const row = run.scores[index];
    const ahead = scorer.weight * (clamped(row?.[picked]) - clamped(row?.[at]));
    if (ahead > most) [name, most] = [scorer.name, ahead];
  }
  return name;
}

/** By slot: the two documents may have seen different objects. */
function placeOf(endpoints: readonly Endpoint[], { slot }: Endpoint): number {
  return endpoints.findIndex((endpoint) => endpoint.slot === slot);
}

/** As totals count scores. */
function clamped(score: number | undefined): number {
  return score === undefined || Number.isNaN(score) ? 0 : Math.min(1, Math.max(0, score));
}
