import type { LoadSignal } from "./signals.ts";

/** The LoRA adapters an engine reports. One may be both active and waiting, if running and waiting requests use it. */
export interface AdapterState {
  readonly active: ReadonlySet<string>;
  readonly waiting: ReadonlySet<string>;
  /** Number of adapters that the engine can load at the same time. */
  readonly adaptersMax: number;
}

/**
 * Estimate of every endpoint's load at one instant, in columns indexed by `Endpoint.slot`.
 *
 * Signals are the engine's last report, corrected by the requests that were sent and that ended since; as the report
 * ages, our own counts take its place. NaN in a column means unknown. Readers must not keep a snapshot beyond the
 * decision it was taken for.
 */
export interface LoadSnapshot {
  /** Requests the engine has queued and not started; may have a fraction. */
  readonly waitingRequests: Float64Array;
  /** Requests in the engine's running batch; may have a fraction. */
  readonly runningRequests: Float64Array;
  /** Share of the KV cache in use, 0 to 1. */
  readonly kvCacheUsedRatio: Float64Array;
  /** Monotonic milliseconds at which the scrape of the last report was sent. */
  readonly signalsAtMs: Float64Array;
  /** Monotonic milliseconds at which the next report is due. */
  readonly signalsDueAtMs: Float64Array;
  /** Weight of the last report against our own counts: 1 while it is fresh, 0 if it does not count. */
  readonly signalsTrust: Float64Array;
  /**
   * The same signals while the engine's report counts, otherwise NaN: the report, corrected by what was sent and ended since
   * and never below our own counts. NaN for a signal that the engine does not report.
   */
  readonly told: Readonly<Record<LoadSignal, Float64Array>>;
  /** Tokens per KV-cache block. */
  readonly blockTokens: Float64Array;
  /** Number of KV-cache blocks of the engine. */
  readonly blocksMax: Float64Array;
  /** The engine's own counts since its start: prompt tokens looked up in its prefix cache, and those found there. */
  readonly prefixLookupTokens: Float64Array;
  readonly prefixHitTokens: Float64Array;
  /** Requests sent that have not ended; 0 if there are none. */
  readonly inFlightRequests: Float64Array;
  /** Prompt tokens of those requests; 0 if there are none. */
  readonly inFlightTokens: Float64Array;
  /** LoRA adapters by slot; undefined if the engine reports none. */
  readonly adapters: readonly (AdapterState | undefined)[];
  /** Further numbers, one column each, under `producer/attribute`; NaN if unknown. */
  readonly attributes: ReadonlyMap<string, Float64Array>;
}
