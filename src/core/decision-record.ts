import type { RequestEnd } from "./request-record.ts";

/** Inputs and results of one decision in readable form; endpoints are given by their ids. */
export interface DecisionRecord {
  /** Number of the decision, counted from the start of the process; the debug header carries it. */
  readonly id: number;
  readonly requestId: string;
  /** Monotonic milliseconds of the decision. */
  readonly atMs: number;
  readonly api: string;
  readonly model: string;
  readonly targetModel: string;
  readonly priority: number;
  readonly promptTokens: number;
  /** The profile whose choice received the request; undefined if the request was refused. */
  readonly profile: string | undefined;
  /** Best first; empty if the request was refused. */
  readonly picked: readonly string[];
  /** Total of the pick minus the best other total; undefined if there is no other. */
  readonly margin: number | undefined;
  /**
   * The candidates before filters, of more than 64 those with the best totals; undefined once the numbers have been
   * overwritten.
   */
  readonly candidates: readonly CandidateRecord[] | undefined;
  readonly profiles: readonly ProfileRecord[];
  /** Latency and cached tokens that were predicted for the pick; undefined if nothing was. */
  readonly predicted: PredictedRecord | undefined;
  /** The same as it turned out; undefined until the request has ended. */
  readonly actual: ActualRecord | undefined;
}

/** Undefined for a part that was not predicted. */
export interface PredictedRecord {
  /** From the decision to the first token. */
  readonly ttftMs: number | undefined;
  readonly tpotMs: number | undefined;
  readonly cachedTokens: number | undefined;
}

/** Undefined for a part that was not seen. */
export interface ActualRecord extends PredictedRecord {
  /** `ip:port` of the endpoint that served, as the proxy reports it. */
  readonly servedBy: string | undefined;
  /** Prompt tokens, as the engine counted them. */
  readonly promptTokens: number | undefined;
  readonly end: RequestEnd;
  /**
   * `failed`: another attempt followed. `outrun`: another one answered first. Undefined for the attempt of which the client
   * got the answer.
   */
  readonly attempt?: "failed" | "outrun" | undefined;
  /** Status of an attempt that failed, or the one that stands for its connection. */
  readonly httpStatus?: number | undefined;
}

/** The inputs of one candidate; undefined if a value is unknown. */
export interface CandidateRecord {
  readonly endpoint: string;
  readonly waitingRequests: number | undefined;
  readonly runningRequests: number | undefined;
  readonly kvCacheUsedRatio: number | undefined;
  /** Age of the three values above, in milliseconds. */
  readonly signalsAgeMs: number | undefined;
  readonly inFlightRequests: number | undefined;
  readonly inFlightTokens: number | undefined;
  /** Leading blocks of the prompt that the endpoint is estimated to have cached, and all blocks of the prompt. */
  readonly prefixMatchedBlocks: number | undefined;
  readonly prefixTotalBlocks: number | undefined;
  readonly predictedTtftMs: number | undefined;
  readonly predictedTpotMs: number | undefined;
  /** The parts of an expected cost: work ahead and uncached, price of copying cached blocks, wait for the adapter. */
  readonly prefillMs: number | undefined;
  readonly copyMs: number | undefined;
  readonly adapterMs: number | undefined;
  /** Requests that generate there. */
  readonly decodingRequests: number | undefined;
}

export interface ProfileRecord {
  readonly name: string;
  /** Candidates that were left out because they were ejected, dead, on trial or starting. */
  readonly unwell: readonly string[];
  readonly filters: readonly {
    readonly name: string;
    readonly keptCount: number;
    readonly dropped: readonly string[];
  }[];
  readonly scorers: readonly { readonly name: string; readonly weight: number }[];
  /** Best first, at most 64; undefined once the numbers have been overwritten. */
  readonly totals: readonly TotalRecord[] | undefined;
  readonly picked: readonly string[];
}

export interface TotalRecord {
  readonly endpoint: string;
  readonly total: number;
  /** Unweighted scores by scorer. */
  readonly scores: Readonly<Record<string, number>>;
}
