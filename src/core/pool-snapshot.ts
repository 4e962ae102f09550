import type { Endpoint } from "./endpoint.ts";
import type { LoadSnapshot } from "./load.ts";

/** Codes of `Standing.codes`. */
export const standingCodes = {
  /** Takes requests without reservation. */
  well: 0,
  /** New, restarted or back from an ejection: takes a growing share (`Standing.startRatios`). */
  starting: 1,
  /** Its ejection is over, or connections failed: takes a few requests as a test (`Standing.trialPlaces`). */
  trial: 2,
  /** Gets requests only if no better endpoint is left. */
  ejected: 3,
  /** Ejected, and nothing answers at its address: used last. */
  dead: 4,
} as const;

/** Health of each endpoint, in columns indexed by `Endpoint.slot`. */
export interface Standing {
  /** False if every endpoint is well, so that the columns need not be read. */
  readonly hasExceptions: boolean;
  /** One of `standingCodes`; `well` for slots without an endpoint. */
  readonly codes: Uint8Array;
  /** Requests that an endpoint on trial may get now; meaningless for others. */
  readonly trialPlaces: Uint8Array;
  /** Share of the busiest candidate's requests that a starting endpoint may have, 0 to 1; meaningless for others. */
  readonly startRatios: Float64Array;
  /** True while connections to every endpoint fail, and no request may try one now. */
  readonly isCutOff: boolean;
}

/**
 * The pool at one instant: all inputs of a decision besides its request.
 *
 * Columns are live, not copied, so that a decision allocates nothing that grows with the pool. They do not change
 * within one synchronous decision, but the next tick of the state changes them. A copy gives the same decision.
 */
export interface PoolSnapshot {
  /** The endpoints that take new requests. */
  readonly endpoints: readonly Endpoint[];
  readonly load: LoadSnapshot;
  readonly standing: Standing;
  /** Models that an endpoint lists, adapters included, by slot; undefined if no endpoint lists any. */
  readonly models: ReadonlyMap<number, ReadonlySet<string>> | undefined;
  /** Models that an endpoint listed before, and none does now; undefined if that is unknown. */
  readonly pastModels?: ReadonlySet<string>;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}
