import type { Decision } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { FailedAttempt, RequestRecord } from "./request-record.ts";
import type { HeaderPair, InferenceRequest, RequestHead } from "./request.ts";
import type { ReportedNumber } from "./response-metadata.ts";
import type { TokenUsage } from "./usage.ts";

/** The head of a response. */
export interface ResponseHead {
  readonly httpStatus: number | undefined;
  /** `ip:port` of the endpoint that served, as the proxy reports it; undefined if it does not. */
  readonly servedBy: string | undefined;
  /** That endpoint of the pool; undefined if the pool does not have it. */
  readonly served: Endpoint | undefined;
  /** Endpoints of the decision that the proxy tried before it: all of them failed. */
  readonly failedBefore: readonly Endpoint[];
  /** True if no endpoint answered: the head is the proxy's own, or stands for a connection that failed. */
  readonly isUnreached: boolean;
  /** Milliseconds after which its `Retry-After` invites another request; undefined without one. */
  readonly retryAfterMs?: number | undefined;
  /** True if the body is a readable event stream, so that the first token is visible. */
  readonly isEventStream: boolean;
}

/**
 * Follows requests. Metrics and the request log follow every request from its start; the in-flight count, health and
 * plugins follow one request from its decision.
 *
 * For one request, each method but those for further attempts runs at most once, in this order, with the monotonic
 * milliseconds of the event. None may throw; if one does, `failed` runs, and the others are told all the same.
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
   * A second attempt leaves for the first target of this decision, and the first one goes on next to it. Runs only for
   * followers from the start.
   */
  hedged?(decision: Decision): void;
  /**
   * Of two attempts, the one of `lost` has ended, because the other one answered first, or because it failed itself. Runs
   * only for followers from the start; those of the attempt have its `ended`.
   */
  outrun?(lost: Decision, kept: Decision, failed: FailedAttempt | undefined): void;
  /**
   * A stage or a follower threw, which is a bug in the picker; until the decision, the client gets a 500. Runs only for
   * followers from the start.
   */
  failed?(head: RequestHead, cause: unknown): void;
  responseHead?(head: ResponseHead, atMs: number): void;
  /** Returns headers to set on the response. Runs right after `responseHead` of all followers. */
  responseHeaders?(head: ResponseHead): readonly HeaderPair[];
  /** The first token has arrived; if the response is not an event stream, its first byte. */
  firstToken?(atMs: number): void;
  /** Returns numbers for the proxy. Runs when the body of a response has ended, if the proxy can take them. */
  responseMetadata?(usage: TokenUsage | undefined): readonly ReportedNumber[];
  /** The request is over. Always runs. */
  ended?(record: RequestRecord): void;
}
