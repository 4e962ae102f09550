/** Conditions for the ejection and return of endpoints; times in milliseconds. */
export interface HealthSettings {
  /** Failed answers in a row that eject it; 0 for never. */
  readonly failuresInRowMax: number;
  /** Share of failed answers that ejects it, if it is also several times that of the others; 0 for never. */
  readonly failureRatioMax: number;
  /** Ejected from this many times the time to first token that its work explains; 0 for never. */
  readonly ttftFactorMax: number;
  /** Silence that ejects it, if its engine does not work meanwhile; 0 for never. */
  readonly stallMs: number;
  /** Duration of the first ejection; each further one is twice as long as the last, up to the maximum. */
  readonly ejectionMs: number;
  readonly ejectionMsMax: number;
  /** Maximum share of live endpoints that may be ejected, 0 to 1; never the last one. Dead ones do not count. */
  readonly ejectedRatioMax: number;
  /** Time after which a new or returned endpoint gets its full share; 0 for at once. */
  readonly slowStartMs: number;
  /** True if an endpoint that is about to be stopped takes requests if no other is left. */
  readonly hasLastResort: boolean;
}

/** Active checks of an endpoint. */
export interface HealthCheckSettings {
  readonly path: string;
  /** Name for a check with the gRPC health service, instead of a GET of the path. */
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

/** Phase of an endpoint, which limits its requests. */
export type HealthPhase = "ready" | "ejected" | "trial" | "slow-start";

/** Health of an endpoint, with its ejection until that is over. */
export interface HealthState {
  readonly phase: HealthPhase;
  readonly reason?: EjectionReason;
  /** True if nothing answers there: it does not count as live. */
  readonly isDead?: boolean;
  readonly evidence?: EjectionEvidence;
}
