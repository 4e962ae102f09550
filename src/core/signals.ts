import type { AdapterState } from "./load.ts";

/** What one scrape of an engine told; undefined where it reported nothing usable. */
export interface EngineSignals {
  readonly waitingRequests: number | undefined;
  readonly runningRequests: number | undefined;
  /** 0 to 1. */
  readonly kvCacheUsedRatio: number | undefined;
  readonly blockTokens: number | undefined;
  readonly blocksMax: number | undefined;
  /** Unix seconds at which the engine's process started. */
  readonly startedAtSeconds: number | undefined;
  readonly adapters: AdapterState | undefined;
  /** Further numbers that a configuration asked for, by `producer/attributeKey`. */
  readonly attributes: ReadonlyMap<string, number>;
}
