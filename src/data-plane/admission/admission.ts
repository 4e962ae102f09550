import type { SaturationDetector } from "../../core/data-plane-plugin.ts";
import type { Refusal } from "../../core/errors.ts";
import type { RunningRequest } from "../../core/flow-control.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { FlowControl } from "./flow/flow-control.ts";
import type { FlowCase } from "./flow/flow-parts.ts";
import type { Unsent } from "./flow/waiting.ts";
import { shedding } from "./shed.ts";

/** One request that asks for admission. */
export type AdmissionCase = FlowCase;

/** Undefined if the request may be scheduled now, `waits` if it waits for its turn, or the reason to refuse it. */
export type Admitted = Refusal | "waits" | undefined;

/** The queue in force; undefined while flow control is off. */
export type FlowInForce = () => FlowControl | undefined;

/**
 * Decides whether and when a request may run. With flow control, a request may wait, and is then scheduled on the pool at
 * that time. Without it, none waits: requests of a priority below 0 are refused while the pool is saturated, all others
 * are admitted.
 */
export class Admission {
  readonly #detector: SaturationDetector;
  readonly #flow: FlowInForce | undefined;

  constructor(detector: SaturationDetector, flow: FlowInForce | undefined) {
    this.#detector = detector;
    this.#flow = flow;
  }

  admit(asked: AdmissionCase): Admitted {
    if (this.#flow !== undefined) return this.#flow()?.admit(asked);
    const { request, pool } = asked;
    const { endpoints, load, nowMs } = pool;
    // An empty pool is not saturated: scheduling refuses the request because no endpoint is ready.
    if (endpoints.length === 0) return undefined;
    return shedding(request, () => this.#detector.saturation(endpoints, load, nowMs));
  }

  /** Takes note of a request that was admitted and scheduled. It may have to wait for this reason. */
  scheduled(asked: AdmissionCase, reason: Unsent | undefined): Admitted {
    const flow = this.#flow?.();
    if (reason !== undefined) return flow?.hold(asked, reason);
    flow?.passed(asked);
    return undefined;
  }

  /** Follows a request that leaves for its engine; undefined if it is never evicted. */
  follow(request: InferenceRequest, running: RunningRequest): RequestFollower | undefined {
    return this.#flow?.()?.follow(request, running);
  }

  /** True if a request that was sent, and reached no endpoint, may wait for its turn. */
  get takesBack(): boolean {
    return this.#flow?.()?.mayWait === true;
  }

  /** Share of the longest wait in an engine from which an admitted request is held; undefined if none is. */
  heldFrom(request: InferenceRequest): number | undefined {
    return this.#flow?.()?.heldFrom(request);
  }
}
