/** Time to spare against what the client asked for, in milliseconds; negative where it is too late. */
export interface Headrooms {
  /** Until the first token. */
  readonly ttftMs: number;
  /** Per further token. */
  readonly tpotMs: number;
}

/** How long a request would take, by `Endpoint.slot`. */
export interface LatencyPrediction {
  /** Undefined for an endpoint that nothing was predicted for. */
  headrooms(slot: number): Headrooms | undefined;
}
