import type { AdapterState } from "./load.ts";

/** Signals of an engine's load that are numbers, with the name that metrics and logs give each. */
export const loadSignalLabels = {
  waitingRequests: "waiting-requests",
  runningRequests: "running-requests",
  kvCacheUsedRatio: "kv-cache-used",
} as const;
export type LoadSignal = keyof typeof loadSignalLabels;

// The keys are those of the type.
export const loadSignals = Object.keys(loadSignalLabels) as readonly LoadSignal[];

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
