/** Tokens in flight as one producer counts them, and what this request would add; by `Endpoint.slot`. */
export interface InFlightLoad {
  /** Requests sent to the endpoint and not seen finish. */
  requests(slot: number): number;
  /** Tokens of those requests that the endpoint still has to work on. */
  tokens(slot: number): number;
  /** Tokens of this request's prompt that the endpoint does not hold in its cache. */
  uncachedTokens(slot: number): number;
}

/** Tokens in flight as one producer counts them, whatever the request; by `Endpoint.slot`. */
export interface TokenCounts {
  tokens(slot: number): number;
}
