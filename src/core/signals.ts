import type { AdapterState } from "./load.ts";

/** Numeric signals of an engine's load, with their names in metrics and logs. */
export const loadSignalLabels = {
  waitingRequests: "waiting-requests",
  runningRequests: "running-requests",
  kvCacheUsedRatio: "kv-cache-used",
} as const;
export type LoadSignal = keyof typeof loadSignalLabels;

// The keys are those of the type.
export const loadSignals = Object.keys(loadSignalLabels) as readonly LoadSignal[];

/** The reason that a signal is missing although others are there. */
export type MissingReason =
  | "absent"
  | "malformed"
  | "not-a-number"
  | "negative"
  | "above-one"
  | "unmapped";

/**
 * A signal that an engine does not report while it reports others.
 *
 * `absent`: its page has no such series. `malformed`: a line cannot be read. `above-one`: a share above 1, such as a percentage.
 * `unmapped`: no metric of this engine is known for it.
 */
export interface MissingSignal {
  /** A label of `loadSignalLabels`, `adapters`, or an attribute's `producer/name`. */
  readonly signal: string;
  /** The expected metric; empty if none is known. */
  readonly family: string;
  readonly reason: MissingReason;
}

/** State of one endpoint's scrapes. */
export interface ReadingState {
  /** The address of the metrics, or the last one that was tried. */
  readonly url: string;
  readonly engine: string | undefined;
  /** The reason that scrapes fail now; undefined if they work. */
  readonly failure: { readonly kind: string; readonly reason: string } | undefined;
  readonly missing: readonly MissingSignal[];
}

/** Signals of one scrape of an engine; each is undefined if it was not reported. */
export interface EngineSignals {
  readonly waitingRequests: number | undefined;
  readonly runningRequests: number | undefined;
  /** 0 to 1. */
  readonly kvCacheUsedRatio: number | undefined;
  readonly blockTokens: number | undefined;
  readonly blocksMax: number | undefined;
  /** Prompt tokens that the engine has looked up in its prefix cache since its start, and those that it found there. */
  readonly prefixLookupTokens: number | undefined;
  readonly prefixHitTokens: number | undefined;
  /** Unix seconds at which the engine's process started. */
  readonly startedAtSeconds: number | undefined;
  readonly adapters: AdapterState | undefined;
  /** Additional numbers that the configuration asks for, by `producer/attributeKey`. */
  readonly attributes: ReadonlyMap<string, number>;
}
