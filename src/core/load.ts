import type { LoadSignal } from "./signals.ts";

/** The LoRA adapters an engine reports. One may be active and waiting at once: requests of both kinds may have it. */
export interface AdapterState {
  readonly active: ReadonlySet<string>;
  readonly waiting: ReadonlySet<string>;
  /** Adapters the engine can hold at a time. */
  readonly adaptersMax: number;
}

/**
 * What is believed of every endpoint's load at one instant, in columns indexed by `Endpoint.slot`.
 *
 * Signals are what the engine reported last, corrected by what we have sent and seen finish since;
 * as the report ages, our own accounting takes its place. A column holds NaN where nothing is
 * known. Readers must not keep a snapshot beyond the decision it was taken for.
 */
export interface LoadSnapshot {
  /** Requests the engine has queued and not started; may have a fraction. */
  readonly waitingRequests: Float64Array;
  /** Requests in the engine's running batch; may have a fraction. */
  readonly runningRequests: Float64Array;
  /** Share of the KV cache in use, 0 to 1. */
  readonly kvCacheUsedRatio: Float64Array;
  /** Monotonic milliseconds at which the last report was asked for. */
  readonly signalsAtMs: Float64Array;
  /** Monotonic milliseconds up to which the last report is no older than its reader plans. */
  readonly signalsDueAtMs: Float64Array;
  /** How far the last report counts against our own accounting: 1 while fresh, 0 for none at all. */
  readonly signalsTrust: Float64Array;
  /**
   * The same signals as the engine reports them, at full trust, while its report counts; otherwise NaN, whatever
   * our own accounting says.
   */
  readonly told: Readonly<Record<LoadSignal, Float64Array>>;
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
