/**
 * Requests and tokens in flight as one producer counts them, and the tokens that this request would add; by
 * `Endpoint.slot`.
 */
export interface InFlightLoad {
  /** Requests sent to the endpoint that have not ended. */
  requests(slot: number): number;
  /** Estimated tokens of those requests that the endpoint still has to compute. */
  tokens(slot: number): number;
  /** Tokens of this request's prompt that are not in the endpoint's cache. */
  uncachedTokens(slot: number): number;
}

/** Tokens in flight as one producer counts them, independent of a request; by `Endpoint.slot`. */
export interface TokenCounts {
  tokens(slot: number): number;
}
