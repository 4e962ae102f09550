import type { SaturationDetector } from "../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { Refusal } from "../../core/errors.ts";
import type { LoadSnapshot } from "../../core/load.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { shedding } from "./shed.ts";

/** One request that asks to run. */
export interface AdmissionCase {
  readonly request: InferenceRequest;
  /** The pool at the moment of asking. */
  readonly pool: {
    readonly endpoints: readonly Endpoint[];
    readonly load: LoadSnapshot;
    /** Monotonic milliseconds. */
    readonly nowMs: number;
  };
  /** Aborts when the request ends before it is admitted. Only a request that waits needs it, so it is made when called. */
  readonly signal: () => AbortSignal;
}

/** The reason to refuse a request; undefined if it may run. */
export type Admitted = Refusal | undefined;

/**
 * Decides whether and when a request may run. The answer is a value or, for a request that waits, a promise; the
 * schedule is made afterwards, on the pool as it is then.
 *
 * Nothing waits yet: only requests of a priority below 0 are refused, while the pool is saturated.
 */
export class Admission {
  readonly #detector: SaturationDetector;

  constructor(detector: SaturationDetector) {
    this.#detector = detector;
  }

  admit({ request, pool }: AdmissionCase): Admitted | Promise<Admitted> {
    const { endpoints, load, nowMs } = pool;
    // An empty pool is not a full one: scheduling says that no endpoint is ready.
    if (endpoints.length === 0) return undefined;
    return shedding(request, () => this.#detector.saturation(endpoints, load, nowMs));
  }
}
