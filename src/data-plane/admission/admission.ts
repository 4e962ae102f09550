import type { SaturationDetector } from "../../core/data-plane-plugin.ts";
import type { Refusal } from "../../core/errors.ts";
import type { PoolSnapshot } from "../../core/pool-snapshot.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { shedding } from "./shed.ts";

/** One request that asks for admission. */
export interface AdmissionCase {
  readonly request: InferenceRequest;
  /** The pool at this moment. */
  readonly pool: Pick<PoolSnapshot, "endpoints" | "load" | "nowMs">;
  /**
   * Returns a signal that aborts if the request ends before it is admitted. Created on the first call, because only a
   * request that waits needs it.
   */
  readonly signal: () => AbortSignal;
}

/** The reason to refuse a request; undefined if it may run. */
export type Admitted = Refusal | undefined;

/**
 * Decides whether and when a request may run. Returns a value, or a promise if the request waits. Scheduling follows,
 * with a snapshot of the pool at that time.
 *
 * No request waits yet: requests of a priority below 0 are refused while the pool is saturated, all others are
 * admitted.
 */
export class Admission {
  readonly #detector: SaturationDetector;

  constructor(detector: SaturationDetector) {
    this.#detector = detector;
  }

  admit({ request, pool }: AdmissionCase): Admitted | Promise<Admitted> {
    const { endpoints, load, nowMs } = pool;
    // An empty pool is not saturated: scheduling refuses the request because no endpoint is ready.
    if (endpoints.length === 0) return undefined;
    return shedding(request, () => this.#detector.saturation(endpoints, load, nowMs));
  }
}
