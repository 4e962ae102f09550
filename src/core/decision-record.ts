/** Inputs and results of one decision, for people; endpoints by their ids. */
export interface DecisionRecord {
  /** Counts decisions since the start; the debug header carries it. */
  readonly id: number;
  readonly requestId: string;
  /** Monotonic milliseconds of the decision. */
  readonly atMs: number;
  readonly api: string;
  readonly model: string;
  readonly targetModel: string;
  readonly priority: number;
  readonly promptTokens: number;
  /** The profile whose choice is the answer; undefined if the request was refused. */
  readonly profile: string | undefined;
  /** Best first; empty if the request was refused. */
  readonly picked: readonly string[];
  /** Total of the pick minus the best other total; undefined if there is no other. */
  readonly margin: number | undefined;
  /** Everything the filters began with; undefined once the numbers have been overwritten. */
  readonly candidates: readonly CandidateRecord[] | undefined;
  readonly profiles: readonly ProfileRecord[];
}

/** The inputs of one candidate; undefined for what was never read. */
export interface CandidateRecord {
  readonly endpoint: string;
  readonly waitingRequests: number | undefined;
  readonly runningRequests: number | undefined;
  readonly kvCacheUsedRatio: number | undefined;
  /** Milliseconds since those three were read. */
  readonly signalsAgeMs: number | undefined;
  readonly inFlightRequests: number | undefined;
  readonly inFlightTokens: number | undefined;
  /** Leading blocks of the prompt the endpoint is believed to hold, and blocks of the prompt. */
  readonly prefixMatchedBlocks: number | undefined;
  readonly prefixTotalBlocks: number | undefined;
}

export interface ProfileRecord {
  readonly name: string;
  /** Candidates that were left out because they were believed not to be well, or had just started. */
  readonly unwell: readonly string[];
  readonly filters: readonly {
    readonly name: string;
    readonly keptCount: number;
    readonly dropped: readonly string[];
  }[];
  readonly scorers: readonly { readonly name: string; readonly weight: number }[];
  /** Best first; undefined once the numbers have been overwritten. */
  readonly totals: readonly TotalRecord[] | undefined;
  readonly picked: readonly string[];
}

interface TotalRecord {
  readonly endpoint: string;
  readonly total: number;
  /** Unweighted scores by scorer. */
  readonly scores: Readonly<Record<string, number>>;
}
