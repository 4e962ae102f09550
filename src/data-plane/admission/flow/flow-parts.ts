import type { FlowControlPlan, FlowOutcome, QueuedRequest } from "../../../core/flow-control.ts";
import type { PoolSnapshot } from "../../../core/pool-snapshot.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import type { Clock } from "../../../std/clock.ts";
import type { BandRules } from "./bands.ts";
import type { EvictionObserver } from "./evictions.ts";
import type { GateRules } from "./gate.ts";
import type { Waiter } from "./waiting.ts";

/** The queue under one configuration. */
export interface FlowRules extends BandRules, GateRules {
  readonly plan: FlowControlPlan;
  /** The flow of a request. */
  readonly fairnessIdOf: (request: InferenceRequest) => string;
  /** The maximum wait that a request asks for, in milliseconds; `Infinity` if it asks for none. */
  readonly askedTtlMsOf: (request: InferenceRequest) => number;
}

/** The end of a wait. */
export interface FlowEnd {
  readonly outcome: FlowOutcome;
  readonly waitedMs: number;
}

/** Told of each request of the queue. */
export interface FlowObserver extends EvictionObserver {
  /** A request was let through without a wait. */
  passed(request: InferenceRequest, fairnessId: string, band: number): void;
  /** The wait of a request begins. `tookMs`: time that its entry took. */
  entered(waiting: QueuedRequest, band: number, tookMs: number): void;
  /** The wait of a request is over, or it was refused at once. */
  left(waiting: QueuedRequest, band: number, end: FlowEnd): void;
  /** The queue was checked for requests to send. */
  checked(tookMs: number): void;
  /** A policy threw, which is a bug. */
  failed(cause: unknown): void;
}

export interface FlowDeps {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  /** The pool now. */
  readonly snapshot: (nowMs: number) => PoolSnapshot;
  readonly observer: FlowObserver;
}

/** A request that comes to the queue. */
export interface FlowCase {
  readonly request: InferenceRequest;
  readonly pool: PoolSnapshot;
  readonly receivedMs: number;
  /** True if it was sent before, and no endpoint could be reached. Limits do not apply to it. */
  readonly isReturned?: boolean;
  readonly waiter: () => Waiter;
}
