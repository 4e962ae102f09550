import type { SentRequest } from "./data-plane-plugin.ts";
import type { QueueStay } from "./flow-control.ts";
import type { RequestFollower } from "./request-follower.ts";
import type { HeaderPair, RequestHead } from "./request.ts";

/** Value of an attribute of a span. */
export type AttributeValue = string | number | boolean | readonly string[] | readonly number[];

/** Attributes of a span; those that are undefined are left out. */
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/** Decides which requests are traced. */
export interface Tracer {
  /** The trace of a request whose head has arrived; undefined if it is not sampled. */
  begin(head: RequestHead, startedMs: number): RequestTrace | undefined;
}

/**
 * The trace of one sampled request. It follows the request from its start, and is complete once `ended` ran. No method
 * throws.
 */
export interface RequestTrace extends RequestFollower {
  readonly traceId: string;
  /** The request is to be understood, admitted and scheduled. */
  deciding(): void;
  /** The request waits for its turn, or waits no more. `stay`: the wait; undefined if it ended before its turn. */
  waiting(isWaiting: boolean, stay: QueueStay | undefined): void;
  /**
   * The request is scheduled. The decision is the outermost stage, and has begun. Of several decisions before an attempt,
   * only the last one is kept.
   */
  scheduling(): StageTrace;
  /** The request leaves for the decision's first target. */
  attempt(sent: SentRequest): AttemptTrace;
  /** The request has an outcome. */
  decided(): void;
}

/** One attempt of a traced request. */
export interface AttemptTrace {
  /** Follows the attempt to its end. */
  readonly follower: RequestFollower;
  /** Headers by which spans of the engine become children of the attempt's. */
  readonly set: readonly HeaderPair[];
  /** Headers of the client that belong to another trace. */
  readonly removed: readonly string[];
}

/** The stages of one decision: each begins after the one before it has ended, or within it. */
export interface StageTrace {
  begin(stage: string): void;
  /** Ends the last stage that has begun and not ended. */
  end(attributes?: Attributes): void;
}
