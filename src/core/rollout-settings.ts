/** The rules by which a shadow document takes over requests. */
export interface RolloutSettings {
  /** Shares of the requests, 0 to 1, ascending. */
  readonly steps: readonly number[];
  readonly stickBy: "conversation" | "tenant";
  /** Least time and requests of the shadow document in each step. */
  readonly stepMs: number;
  readonly stepRequests: number;
  /** Longest time of a step. */
  readonly stepMsMax: number;
  /** Rises that are tolerated, as ratios, and of the share of failed requests. */
  readonly ttftRiseMax: number;
  readonly tpotRiseMax: number;
  readonly errorRiseMax: number;
  /** Least probability that a document that is as good is not rolled back. */
  readonly confidence: number;
}

/**
 * `comparing`: the shadow document decides about the share of the step. `promoted`: about all requests. `rolledBack`: about none,
 * until another one comes.
 */
export type RolloutState = "comparing" | "promoted" | "rolledBack";
