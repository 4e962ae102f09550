import type { Endpoint } from "./endpoint.ts";
import type { LoadSnapshot } from "./load.ts";

/** Codes of `Standing.codes`. */
export const standingCodes = {
  /** Takes requests without reservation. */
  well: 0,
  /** New, restarted or back from an ejection: takes a growing share (`Standing.startRatios`). */
  starting: 1,
  /** Its ejection is over: takes a few requests that show how it is (`Standing.trialPlaces`). */
  trial: 2,
  /** Gets requests only if no better endpoint is left. */
  ejected: 3,
  /** Ejected, and nothing answers there: comes last. */
  dead: 4,
} as const;

/** What health believes of each endpoint, in columns by `Endpoint.slot`. */
export interface Standing {
  /** False while every endpoint is well: the columns need not be read then. */
  readonly hasExceptions: boolean;
  /** One of `standingCodes`; `well` for slots without an endpoint. */
  readonly codes: Uint8Array;
  /** Requests that an endpoint on trial may be given now; without meaning for others. */
  readonly trialPlaces: Uint8Array;
  /** Share of the busiest candidate's requests that a starting endpoint may have, 0 to 1; without meaning for others. */
  readonly startRatios: Float64Array;
}

/**
 * The pool at one instant: all that a decision knows besides its request.
 *
 * Columns are live and not copied, so that a decision costs no memory that grows with the pool: nothing changes them
 * within one synchronous decision, and the next tick of the state does. A copy gives the same decision.
 */
export interface PoolSnapshot {
  /** The endpoints that take new requests. */
  readonly endpoints: readonly Endpoint[];
  readonly load: LoadSnapshot;
  readonly standing: Standing;
  /** By slot, the models that an endpoint says it serves, adapters included; undefined while no endpoint says any. */
  readonly models: ReadonlyMap<number, ReadonlySet<string>> | undefined;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}
