/** Conditions for the ejection and return of endpoints; times in milliseconds. */
export interface HealthSettings {
  /** Failed responses in a row that eject an endpoint; 0 for never. */
  readonly failuresInRowMax: number;
  /** Share of failed responses that ejects an endpoint, if it is also several times that of the others; 0 for never. */
  readonly failureRatioMax: number;
  /**
   * Multiple of the time to first token that its work explains at which an endpoint is ejected; 0 for never.
   */
  readonly ttftFactorMax: number;
  /** Time without a response that ejects an endpoint, if its engine reports no progress meanwhile; 0 for never. */
  readonly stallMs: number;
  /** Answers in a row, far shorter than those of the others to such requests, that eject an endpoint; 0 for never. */
  readonly shortAnswersInRowMax: number;
  /** Duration of the first ejection; each further one is twice as long as the previous, up to the maximum. */
  readonly ejectionMs: number;
  readonly ejectionMsMax: number;
  /** Maximum share of live endpoints that may be ejected, 0 to 1; never the last one. Dead ones do not count. */
  readonly ejectedRatioMax: number;
  /** Time until a new or returned endpoint gets its full share; 0 for at once. */
  readonly slowStartMs: number;
  /** True if endpoints that are about to be stopped take requests when no other is left. */
  readonly hasLastResort: boolean;
}

/** Active checks of an endpoint. */
export interface HealthCheckSettings {
  readonly path: string;
  /** Service name for a check with the gRPC health service, which replaces the GET of the path. */
  readonly grpcService: string | undefined;
  /** Undefined for the port that the endpoint serves on. */
  readonly port: number | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failed checks in a row that eject the endpoint. */
  readonly failuresMax: number;
}

/** Reasons for an ejection. */
export const ejectionReasons = [
  "failures",
  "failure-ratio",
  "broken",
  "slow",
  "stalled",
  "short",
  "refused",
  "check",
] as const;
export type EjectionReason = (typeof ejectionReasons)[number];

/** Names of evidence; each ends in its unit. Names of all others end as those of the endpoint, and begin with `others`. */
export type EvidenceName =
  | "answers"
  | "badAnswersInRow"
  | "brokenRatio"
  | "brokenStreams"
  | "clients"
  | "factor"
  | "factorMax"
  | "failureRatio"
  | "failureRatioLimit"
  | "failures"
  | "failuresInRow"
  | "failuresInRowMax"
  | "longestMs"
  | "otherEndpoints"
  | "othersAnsweredMsAgo"
  | "othersAnswers"
  | "othersBrokenRatio"
  | "othersEndpoints"
  | "othersFactor"
  | "othersFailureRatio"
  | "othersLate"
  | "othersShortestMs"
  | "othersUsualMs"
  | "patienceMs"
  | "refusedInRow"
  | "reportedRunning"
  | "shortAnswersInRow"
  | "shortAnswersInRowMax"
  | "silentMs"
  | "times"
  | "ttftMs"
  | "unchangedMs"
  | "unreachedInRow"
  | "usualMs"
  | "waiting"
  | "waitingRequests"
  | "windowMs"
  | "workTokens";

/** The numbers that led to an ejection, of the endpoint and of the others. */
export type EjectionEvidence = Readonly<Partial<Record<EvidenceName, number>>>;

/** Phase of an endpoint, which limits its requests. */
export type HealthPhase = "ready" | "ejected" | "trial" | "slow-start" | "paused";

/** Health of an endpoint, with its ejection until that is over. */
export interface HealthState {
  readonly phase: HealthPhase;
  readonly reason?: EjectionReason;
  /** True if nothing answers at the address: the endpoint does not count as live. */
  readonly isDead?: boolean;
  readonly evidence?: EjectionEvidence;
}
