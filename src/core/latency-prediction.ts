/** Headroom to the client's objective, in milliseconds; negative if it is missed. */
export interface Headrooms {
  /** Until the first token. */
  readonly ttftMs: number;
  /** Per further token. */
  readonly tpotMs: number;
}

/** The parts of the cost of a request by `Endpoint.slot`, for loops over many endpoints. */
export interface CostColumns {
  readonly prefillMs: Float64Array;
  readonly copyMs: Float64Array;
  readonly adapterMs: Float64Array;
  readonly decoding: Float64Array;
}

/**
 * Predicted latency of a request, by `Endpoint.slot`. Valid until the end of the decision that it was made for; NaN for
 * an endpoint that was no candidate.
 */
export interface LatencyPrediction {
  /** Undefined if the endpoint has no prediction. */
  headrooms(slot: number): Headrooms | undefined;
  /** True if a plugin has asked for headrooms in this decision; undefined if the producer does not know. */
  readonly wereHeadroomsRead?: boolean;
  /** Time to first token. */
  ttftMs(slot: number): number;
  /** Time per further token. */
  tpotMs(slot: number): number;
  /** Time to compute the prompts that the endpoint has to compute before this one, and this one's uncached part. */
  prefillMs(slot: number): number;
  /** The part of `prefillMs` that is for this prompt. */
  ownPrefillMs(slot: number): number;
  /** Price of copying cached blocks of the prompt to the endpoint; negative if others will use the copy. */
  copyMs(slot: number): number;
  /** Price of the wait for the request's adapter: less than the wait if later requests profit from the load. */
  adapterMs(slot: number): number;
  /** Requests that decode there. */
  decoding(slot: number): number;
  /** The four parts of the cost in columns, if the producer keeps them so; see `costColumnsOf`. */
  readonly columns?: CostColumns;
}
