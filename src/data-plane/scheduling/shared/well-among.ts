import type { Endpoint } from "../../../core/endpoint.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";
import type { LoadSnapshot } from "../../../core/load.ts";
import { type Standing, standingCodes } from "../../../core/pool-snapshot.ts";

/** Ranks of candidates: a rank is used only if no candidate has a better one. */
const ranks = { well: 0, starting: 1, doubtful: 2, dead: 3 };

/**
 * The candidates that may take a request now, in their order; the same array if all may. If none may, those of the next
 * rank that has any; dead ones are last.
 *
 * A starting endpoint may always have one request, plus its share of the requests of the busiest candidate.
 */
export function wellAmong(
  candidates: readonly Endpoint[],
  standing: Standing,
  { inFlightRequests }: Pick<LoadSnapshot, "inFlightRequests">,
): readonly Endpoint[] {
  if (!standing.hasExceptions) return candidates;
  const slots = slotsOf(candidates);
  const busiest = busiestOf(slots, inFlightRequests);
  let best = Number.POSITIVE_INFINITY;
  let worst = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < slots.length; index += 1) {
    const rank = rankOf(slots[index] ?? 0, { standing, inFlightRequests, busiest });
    if (rank < best) best = rank;
    if (rank > worst) worst = rank;
  }
  if (best === worst) return candidates;
  return candidates.filter(
    ({ slot }) => rankOf(slot, { standing, inFlightRequests, busiest }) === best,
  );
}

function busiestOf(slots: Int32Array, inFlightRequests: Float64Array): number {
  let busiest = 0;
  for (let index = 0; index < slots.length; index += 1) {
    const requests = inFlightRequests[slots[index] ?? 0] ?? 0;
    if (requests > busiest) busiest = requests;
  }
  return busiest;
}

interface Ranking {
  readonly standing: Standing;
  readonly inFlightRequests: Float64Array;
  /** Most requests that a candidate has. */
  readonly busiest: number;
}

function rankOf(slot: number, { standing, inFlightRequests, busiest }: Ranking): number {
  const code = standing.codes[slot];
  // Most endpoints.
  if (code === standingCodes.well) return ranks.well;
  switch (code) {
    case standingCodes.starting: {
      const requestsMax = 1 + (standing.startRatios[slot] ?? 0) * busiest;
      return (inFlightRequests[slot] ?? 0) < requestsMax ? ranks.well : ranks.starting;
    }
    case standingCodes.trial:
      return (standing.trialPlaces[slot] ?? 0) > 0 ? ranks.well : ranks.doubtful;
    case standingCodes.ejected:
      return ranks.doubtful;
    case standingCodes.dead:
      return ranks.dead;
    case undefined:
    default:
      return ranks.well;
  }
}
