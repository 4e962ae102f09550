import type { Decision } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { FailedAttempt, RequestRecord } from "./request-record.ts";
import type { HeaderPair, InferenceRequest, RequestHead } from "./request.ts";

/** The head of a response. */
export interface ResponseHead {
  readonly httpStatus: number | undefined;
  /** `ip:port` of the endpoint that served, as the proxy reports it; undefined if it does not. */
  readonly servedBy: string | undefined;
  /** That endpoint of the pool; undefined if the pool does not have it. */
  readonly served: Endpoint | undefined;
  /** Endpoints of the decision that the proxy tried before it: all of them failed. */
  readonly failedBefore: readonly Endpoint[];
  /** True if the body is a readable event stream, so that the first token is visible. */
  readonly isEventStream: boolean;
}

/**
 * Follows requests. Metrics and the request log follow every request from its start; the in-flight count, health and
 * plugins follow one request from its decision.
 *
 * For one request, each method but `retried` runs at most once, in this order, with the monotonic milliseconds of the event. None
 * may throw; if one does, `failed` runs, and the others are told all the same.
 */
export interface RequestFollower {
  /** The request leaves for the decision's first target. Runs only for followers from the start. */
  routed?(request: InferenceRequest, decision: Decision): void;
  /**
   * The request failed at its endpoint before an answer began, and leaves for the first target of another decision.
   * Runs only for followers from the start; those of the failed attempt have its `ended`.
   */
  retried?(failed: FailedAttempt, decision: Decision): void;
  /**
   * A stage or a follower threw, which is a bug in the picker; until the decision, the client gets a 500. Runs only for
   * followers from the start.
   */
  failed?(head: RequestHead, cause: unknown): void;
  /** Returns headers to set on the response. */
  responseHead?(head: ResponseHead, atMs: number): readonly HeaderPair[] | undefined;
  /** The first token has arrived; if the response is not an event stream, its first byte. */
  firstToken?(atMs: number): void;
  /** The request is over. Always runs. */
  ended?(record: RequestRecord): void;
}
