import type { RequestRecord } from "./request-record.ts";
import type { HeaderPair } from "./request.ts";

/** The head of a response. */
export interface ResponseHead {
  readonly httpStatus: number | undefined;
  /** `ip:port` of the endpoint that served, as the proxy reports it; undefined if it does not. */
  readonly servedBy: string | undefined;
}

/**
 * Follows one request after its decision: the in-flight count, health and plugins do.
 *
 * Each method runs at most once, in this order, with the monotonic milliseconds of the event.
 */
export interface RequestFollower {
  /** Returns headers to set on the response. */
  responseHead?(head: ResponseHead, atMs: number): readonly HeaderPair[] | undefined;
  /** The engine has generated its first token. */
  firstToken?(atMs: number): void;
  /** The request is over. This always runs. */
  ended?(record: RequestRecord): void;
}
