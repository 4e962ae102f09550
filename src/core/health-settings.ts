/** When an endpoint gets no requests for a while because of how its answers went; times in milliseconds. */
export interface HealthSettings {
  /** Failed answers in a row that eject it; 0 for never. */
  readonly failuresInRowMax: number;
  /** Share of failed answers that ejects it, where it is also several times that of the others; 0 for never. */
  readonly failureRatioMax: number;
  /** How many times its own usual time to first token ejects it, beyond what the others rose by; 0 for never. */
  readonly ttftFactorMax: number;
  /** Requests that wait this long and none of them answered eject it; 0 for never. */
  readonly stallMs: number;
  /** The first ejection lasts this long; each further one twice as long as the one before, up to the longest. */
  readonly ejectionMs: number;
  readonly ejectionMsMax: number;
  /** The most of the pool that may be ejected, 0 to 1; never the last endpoint. */
  readonly ejectedRatioMax: number;
  /** How long a new or returned endpoint takes to get its full share; 0 for at once. */
  readonly slowStartMs: number;
  /** Whether an endpoint that is about to be ended takes requests where no other is left. */
  readonly hasLastResort: boolean;
}

/** How an endpoint is asked whether it is well. */
export interface HealthCheckSettings {
  readonly path: string;
  /** The name to ask the gRPC health service for, in place of a GET of the path. */
  readonly grpcService: string | undefined;
  /** Undefined: the port it serves on. */
  readonly port: number | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failed checks in a row that eject it. */
  readonly failuresMax: number;
}

/** Why an endpoint may be ejected. */
export const ejectionReasons = ["failures", "failure-ratio", "slow", "stalled", "check"] as const;
export type EjectionReason = (typeof ejectionReasons)[number];

/** What an endpoint may be given. */
export type HealthPhase = "ready" | "ejected" | "trial" | "slow-start";
