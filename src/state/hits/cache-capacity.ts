import type { Endpoint } from "../../core/endpoint.ts";
import type { LoadSnapshot } from "../../core/load.ts";
import { hasRole, servesStage } from "../../core/roles.ts";

/** The prefix caches of a pool. */
export interface CacheCapacity {
  /** Endpoints that compute prompts. */
  readonly endpoints: number;
  /** Those of them that report the size of their cache. */
  readonly reporting: number;
  /** Tokens that all of them hold together; those that do not report count as the mean of the others. NaN if none does. */
  readonly tokens: number;
}

/** The caches of the endpoints that compute prompts: all but those that only decode, or encode. */
export function cacheCapacityOf(
  endpoints: readonly Endpoint[],
  load: Pick<LoadSnapshot, "blockTokens" | "blocksMax">,
): CacheCapacity {
  let [count, reporting, tokens] = [0, 0, 0];
  for (const endpoint of endpoints) {
    if (hasRole(endpoint) && !servesStage(endpoint, "prefill")) continue;
    count += 1;
    const own = (load.blockTokens[endpoint.slot] ?? 0) * (load.blocksMax[endpoint.slot] ?? 0);
    // NaN if the engine does not report both.
    if (!(own > 0)) continue;
    reporting += 1;
    tokens += own;
  }
  return {
    endpoints: count,
    reporting,
    tokens: reporting === 0 ? Number.NaN : (tokens / reporting) * count,
  };
}
