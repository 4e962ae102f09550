import type { InferenceRequest, RequestHead } from "../core/request.ts";
import type { Scheduler, SchedulingGraph } from "./scheduling/scheduler.ts";

/** A second document that decides about requests in place of the one in force. */
export interface SecondArm {
  readonly graph: SchedulingGraph;
  readonly scheduler: Scheduler;
  /** It threw: the document in force decides about this request. */
  failed(head: RequestHead, cause: unknown): void;
}

/** The requests about which a second document decides. */
export interface SecondDecider {
  /** For this request, the same at each of its attempts; undefined if the document in force decides. */
  armOf(request: InferenceRequest): SecondArm | undefined;
  /** The arm whose decisions are marked as those of the shadow; undefined once it is gone. */
  readonly arm: SecondArm | undefined;
}
