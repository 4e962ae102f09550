import type { EngineSnapshot } from "../../simulator/engine-contract.ts";
import { type EngineOptions, kvBlocksOf } from "../../simulator/engine-options.ts";

/** The endpoint of a simulated engine in virtual time, which nothing connects to. */
export function specOf(index: number) {
  return {
    id: `default/e${index}`,
    namespace: "default",
    name: `e${index}`,
    address: "127.0.0.1",
    port: 1 + index,
    labels: {},
  };
}

/**
 * The signals that a scraper reads of an engine, adapters as vLLM V1 tells them.
 *
 * @param startedAtSeconds since the Unix epoch; undefined if the engine does not tell
 */
export function signalsOf(
  options: EngineOptions,
  snapshot: EngineSnapshot,
  startedAtSeconds: number | undefined,
) {
  const { waitingRequests, runningRequests, kvUsedRatio, requestedAdapters } = snapshot;
  const { blockTokens, loraSlotsMax } = options;
  const names = new Set(requestedAdapters);
  return {
    waitingRequests,
    runningRequests,
    kvCacheUsedRatio: kvUsedRatio,
    blockTokens,
    blocksMax: kvBlocksOf(options),
    prefixLookupTokens: snapshot.prefixQueryTokensTotal,
    prefixHitTokens: snapshot.prefixHitTokensTotal,
    startedAtSeconds,
    adapters: { active: names, waiting: names, adaptersMax: loraSlotsMax },
    attributes: new Map<string, number>(),
  };
}
