import type { AnswerFailure } from "./answer-failure.ts";
import type { Decision } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Refusal } from "./errors.ts";
import type { QueueStay } from "./flow-control.ts";
import type { UnreadReason } from "./parse-result.ts";
import type { InferenceRequest, RequestHead } from "./request.ts";
import type { TokenUsage } from "./usage.ts";

/**
 * The end of a request.
 *
 * - `complete`: the whole response passed, or all of it up to the completion marker: a close after the marker loses
 *   nothing.
 * - `refused`: the picker answered in the engine's place.
 * - `aborted`: the response broke off before it was over.
 */
export type RequestEnd = "complete" | "refused" | "aborted";

/**
 * The side that broke off a response.
 *
 * - `client`: it left, or stopped sending its body.
 * - `engine`: it ended a stream before the completion marker.
 * - `proxy`: its connection to the picker closed.
 * - `drain`: the picker cut the stream off because its time to drain was over.
 * - `eviction`: the picker ended it in favor of requests of a higher priority.
 * - `limit`: the gateway's time limit for the whole request was over.
 * - `unknown`: the proxy reset the stream without giving a reason.
 */
export type EndedBy = "client" | "engine" | "proxy" | "drain" | "eviction" | "limit" | "unknown";

/** A try of a request that failed before its answer began, so that the request went to another endpoint. */
export interface FailedAttempt {
  readonly decision: Decision;
  /** Its status, or the one that stands for a connection that failed. */
  readonly httpStatus: number | undefined;
  /** False if no answer came: the connection failed, or it took too long. */
  readonly hasAnswered: boolean;
  readonly failedMs: number;
}

/** Facts about one request, complete once it is over; all times are monotonic milliseconds. */
export interface RequestRecord {
  readonly head: RequestHead;
  /** Id of its trace; undefined if it is not traced. */
  readonly traceId?: string | undefined;
  /** The reason that rules on the model did not apply; undefined if they did, or there are none. */
  readonly unread: UnreadReason | undefined;
  /** Undefined if the stream ended before the request was understood. */
  readonly request: InferenceRequest | undefined;
  readonly decision: Decision | undefined;
  /** Number of its decision in the decision log, also if that refused the request; undefined if there was none. */
  readonly recordId?: number | undefined;
  readonly refusal: Refusal | undefined;
  /** Its wait for admission; undefined if it did not wait, or ended before its turn. */
  readonly stay?: QueueStay | undefined;
  /** Status of the response; undefined if no response head was seen. */
  readonly httpStatus: number | undefined;
  /** The reason the response counts as an error; undefined if it does not, or there was none. */
  readonly failure: AnswerFailure | undefined;
  /** `ip:port` of the endpoint that served, as the proxy reports it; undefined if it does not. */
  readonly servedBy: string | undefined;
  /**
   * Endpoints that were tried before the one that served: all of them failed. Empty if the first one served, or a proxy
   * tries them and does not report which one did.
   */
  readonly failedBefore: readonly Endpoint[];
  /** Failed tries of an ingress that connects to endpoints itself; the decision is that of the last try. */
  readonly failedAttempts: readonly FailedAttempt[];
  /** Endpoints whose attempts were given up because another one answered first. */
  readonly outrun: readonly Endpoint[];
  /**
   * True if the model was rewritten but the response was compressed, so that it still has the engine's name of the
   * model.
   */
  readonly keepsTargetName: boolean;
  readonly usage: TokenUsage | undefined;
  /** Id of the response or conversation that the engine answered with; undefined if its API has none. */
  readonly answerId: string | undefined;
  readonly responseBytes: number;
  /** Chunks of the response body, as the ingress received them. */
  readonly responseChunks: number;
  readonly startedMs: number;
  /** Time that the scheduler took; undefined if it did not run. */
  readonly schedulingMs: number | undefined;
  readonly decidedMs: number | undefined;
  readonly responseHeadMs: number | undefined;
  /**
   * Time of the first generated token, or of the first byte if the response is not a readable event stream. Undefined
   * if there was none.
   */
  readonly firstTokenMs: number | undefined;
  readonly lastChunkMs: number | undefined;
  readonly endedMs: number;
  readonly end: RequestEnd;
  /** Undefined unless `end` is `aborted`. */
  readonly endedBy: EndedBy | undefined;
}
