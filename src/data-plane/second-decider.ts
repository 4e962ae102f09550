import type { RolloutRecord } from "../core/decision-record.ts";
import type { InferenceRequest, RequestHead } from "../core/request.ts";
import type { Scheduler, SchedulingGraph } from "./scheduling/scheduler.ts";

/** A second document that decides about requests in place of the one in force. */
export interface SecondArm {
  readonly graph: SchedulingGraph;
  readonly scheduler: Scheduler;
  /** It threw: the document in force decides about this request. */
  failed(head: RequestHead, cause: unknown): void;
}

/** The document that decides about a request. */
export interface Assignment {
  /** Undefined if the document in force decides. */
  readonly arm: SecondArm | undefined;
  /** For the record of the decision. */
  readonly rollout: RolloutRecord;
}

/** The requests about which a second document decides. */
export interface SecondDecider {
  /** The document for this request, the same at each of its attempts; undefined if there is no rollout. */
  assignmentOf(request: InferenceRequest): Assignment | undefined;
  /** The arm whose decisions are marked as those of the shadow; undefined once it is gone. */
  readonly arm: SecondArm | undefined;
}
