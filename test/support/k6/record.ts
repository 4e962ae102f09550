/** One HTTP request of a script. */
export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly status: number;
}

/** One value that a script gave to one of its metrics. */
export interface Sample {
  readonly metric: string;
  readonly value: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface CheckResult {
  readonly name: string;
  readonly isPassed: boolean;
}

/** All that scripts did through the stand-ins, in order. */
export const record = {
  requests: [] as SentRequest[],
  samples: [] as Sample[],
  checks: [] as CheckResult[],
  /** Names of the metrics, with their kinds. */
  metrics: {} as Record<string, string>,
  sleptSeconds: 0,
};
