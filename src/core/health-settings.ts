/** When an endpoint gets no requests for a while because of how its answers went; times in milliseconds. */
export interface HealthSettings {
  /** Failed answers in a row that eject it; 0 for never. */
  readonly failuresInRowMax: number;
  /** Share of failed answers that ejects it, where it is also several times that of the others; 0 for never. */
  readonly failureRatioMax: number;
  /** Ejected from this many times the time to first token that its work explains; 0 for never. */
  readonly ttftFactorMax: number;
  /** Silence that ejects it, where its engine does not work meanwhile; 0 for never. */
  readonly stallMs: number;
  /** The first ejection lasts this long; each further one twice as long as the one before, up to the longest. */
  readonly ejectionMs: number;
  readonly ejectionMsMax: number;
  /** The most of the living endpoints that may be ejected, 0 to 1; never the last one. The dead do not count. */
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
export const ejectionReasons = [
  "failures",
  "failure-ratio",
  "broken",
  "slow",
  "stalled",
  "refused",
  "check",
] as const;
export type EjectionReason = (typeof ejectionReasons)[number];

/** The numbers that led to an ejection, the endpoint's own and the others'; each name ends in its unit. */
export type EjectionEvidence = Readonly<Record<string, number>>;

/** What an endpoint may be given. */
export type HealthPhase = "ready" | "ejected" | "trial" | "slow-start";

/** An endpoint's standing, and the ejection that it is not over. */
export interface HealthState {
  readonly phase: HealthPhase;
  readonly reason?: EjectionReason;
  /** Nothing answers there: it does not count among the living. */
  readonly isDead?: boolean;
  readonly evidence?: EjectionEvidence;
}
