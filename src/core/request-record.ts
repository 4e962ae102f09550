import type { AnswerFailure } from "./answer-failure.ts";
import type { Decision } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Refusal } from "./errors.ts";
import type { UnreadReason } from "./parse-result.ts";
import type { InferenceRequest, RequestHead } from "./request.ts";
import type { TokenUsage } from "./usage.ts";

/**
 * The end of a request.
 *
 * - `complete`: the whole response went by, or all of it that its API promises: who closes after the
 *   completion marker has lost nothing.
 * - `refused`: we answered in the engine's place.
 * - `aborted`: the response broke off before it was over.
 */
export type RequestEnd = "complete" | "refused" | "aborted";

/**
 * The side that broke a response off.
 *
 * - `client`: it left.
 * - `engine`: it ended a stream before the completion marker.
 * - `proxy`: its connection to us closed.
 * - `drain`: we cut the stream off because our time to drain was over.
 * - `unknown`: the proxy reset the stream without giving a reason.
 */
export type EndedBy = "client" | "engine" | "proxy" | "drain" | "unknown";

/** Everything worth saying about one request once it is over; all times are monotonic ms. */
export interface RequestRecord {
  readonly head: RequestHead;
  /** The reason that rules on the model did not apply; undefined if they did, or there are none. */
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
  /**
   * Endpoints of the decision that the proxy tried before the one that served: each has failed.
   * Empty if the first one served, or the proxy does not report it.
   */
  readonly failedBefore: readonly Endpoint[];
  /** The answer was compressed, so the name of a rewritten model in it is still the engine's. */
  readonly keepsTargetName: boolean;
  readonly usage: TokenUsage | undefined;
  readonly responseBytes: number;
  /** Pieces in which the response body came. */
  readonly responseChunks: number;
  readonly startedMs: number;
  /** Time the scheduler itself took; undefined when it was not asked. */
  readonly schedulingMs: number | undefined;
  readonly decidedMs: number | undefined;
  readonly responseHeadMs: number | undefined;
  /**
   * The first generated token; the first byte of an answer that is not a readable event stream.
   * Undefined if there was none.
   */
  readonly firstTokenMs: number | undefined;
  readonly lastChunkMs: number | undefined;
  readonly endedMs: number;
  readonly end: RequestEnd;
  /** Undefined unless `end` is `aborted`. */
  readonly endedBy: EndedBy | undefined;
}
