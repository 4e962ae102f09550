import type { AnswerFailure } from "./answer-failure.ts";
import type { Decision } from "./decision.ts";
import type { Refusal } from "./errors.ts";
import type { UnreadReason } from "./parse-result.ts";
import type { InferenceRequest, RequestHead } from "./request.ts";
import type { TokenUsage } from "./usage.ts";

/**
 * How a request's life ended.
 *
 * - `complete`: the whole response went by.
 * - `refused`: we answered in the engine's place.
 * - `aborted`: the stream closed before the response was over: the client left, or the engine died.
 */
export type RequestEnd = "complete" | "refused" | "aborted";

/** Everything worth saying about one request once it is over; all times are monotonic ms. */
export interface RequestRecord {
  readonly head: RequestHead;
  /** The reason that what goes by the model did not apply; undefined if it did, or nothing does. */
  readonly unread: UnreadReason | undefined;
  /** Undefined when the stream ended before the request was understood. */
  readonly request: InferenceRequest | undefined;
  readonly decision: Decision | undefined;
  readonly refusal: Refusal | undefined;
  /** Status the client got; undefined when no response head was seen. */
  readonly httpStatus: number | undefined;
  /** The reason the answer counts as an error; undefined if it went well or there was none. */
  readonly failure: AnswerFailure | undefined;
  /** `ip:port` of the endpoint that served, as the proxy reports it; undefined if it does not. */
  readonly servedBy: string | undefined;
  readonly usage: TokenUsage | undefined;
  readonly responseBytes: number;
  /** Pieces in which the response body came. */
  readonly responseChunks: number;
  readonly startedMs: number;
  /** Time the scheduler itself took; undefined when it was not asked. */
  readonly schedulingMs: number | undefined;
  readonly decidedMs: number | undefined;
  readonly responseHeadMs: number | undefined;
  readonly firstChunkMs: number | undefined;
  readonly lastChunkMs: number | undefined;
  readonly endedMs: number;
  readonly end: RequestEnd;
}
