/** Headroom to the client's objective, in milliseconds; negative if it is missed. */
export interface Headrooms {
  /** Until the first token. */
  readonly ttftMs: number;
  /** Per further token. */
  readonly tpotMs: number;
}

/** Predicted latency of a request, by `Endpoint.slot`. */
export interface LatencyPrediction {
  /** Undefined if the endpoint has no prediction. */
  headrooms(slot: number): Headrooms | undefined;
}
