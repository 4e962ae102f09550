import type { SchedulingContext, Scorer } from "../../../src/core/data-plane-plugin.ts";
import type { InFlightLoad } from "../../../src/core/in-flight-load.ts";
import { inFlight, leastCost } from "./least-cost.ts";

/** The name of the producer in the baselines' document. */
const producer = "inflight-load-producer";

/**
 * LMetric: tokens to compute before the first token, this prompt's uncached ones included, times the size of the batch
 * with it.
 */
export function lmetric(): Scorer {
  return leastCost((endpoint, context) => {
    return pendingTokens(endpoint.slot, context) * (inFlight(endpoint, context) + 1);
  });
}

/**
 * Dynamo's cost: tokens to compute before the first token, and the tokens of all prompts in flight, this one included,
 * which stand for its blocks in memory. Both are in tokens here; with blocks of one size the order is the same.
 */
export function dynamo(): Scorer {
  return leastCost(({ slot }, context) => {
    const held = context.load.inFlightTokens[slot] ?? 0;
    return pendingTokens(slot, context) + held + context.request.promptTokens;
  });
}

function pendingTokens(slot: number, { data, request }: SchedulingContext): number {
  // The producer of this name produces such data.
  const load = data.get(producer) as InFlightLoad | undefined;
  return load === undefined ? request.promptTokens : load.tokens(slot) + load.uncachedTokens(slot);
}
