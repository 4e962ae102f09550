import type { Endpoint } from "../../../core/endpoint.ts";
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
  let busiest = 0;
  for (const { slot } of candidates) busiest = Math.max(busiest, inFlightRequests[slot] ?? 0);
  const rankOf = ({ slot }: Endpoint): number => {
    switch (standing.codes[slot]) {
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
  };
  const found = candidates.map(rankOf);
  const best = Math.min(...found);
  if (found.every((rank) => rank === best)) return candidates;
  return candidates.filter((_, index) => found[index] === best);
}
