/** The LoRA adapters an engine reports. */
export interface AdapterState {
  readonly active: ReadonlySet<string>;
  readonly waiting: ReadonlySet<string>;
  /** Adapters the engine can hold at a time. */
  readonly adaptersMax: number;
}

/**
 * What is known of every endpoint's load at one instant, in columns indexed by `Endpoint.slot`.
 *
 * A column holds NaN where the signal was never read. Readers must not keep a snapshot beyond
 * the decision it was taken for.
 */
export interface LoadSnapshot {
  /** Requests the engine has queued and not started. */
  readonly waitingRequests: Float64Array;
  /** Requests in the engine's running batch. */
  readonly runningRequests: Float64Array;
  /** Share of the KV cache in use, 0 to 1. */
  readonly kvCacheUsedRatio: Float64Array;
  /** Monotonic milliseconds of the last successful scrape. */
  readonly signalsAtMs: Float64Array;
  /** Tokens per KV-cache block. */
  readonly blockTokens: Float64Array;
  /** KV-cache blocks the engine has. */
  readonly blocksMax: Float64Array;
  /** Requests we sent and have not seen finish; 0 when none. */
  readonly inFlightRequests: Float64Array;
  /** Prompt tokens of the requests we sent and have not seen finish; 0 when none. */
  readonly inFlightTokens: Float64Array;
  /** LoRA adapters by slot; undefined where the engine reports none. */
  readonly adapters: readonly (AdapterState | undefined)[];
  /** Further numbers, one column each, under `producer/attribute`; NaN where unknown. */
  readonly attributes: ReadonlyMap<string, Float64Array>;
}
