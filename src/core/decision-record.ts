import type { ErrorCode, Refusal } from "./errors.ts";
import type { QueueStay } from "./flow-control.ts";
import type { EndedBy, RequestEnd } from "./request-record.ts";
import type { RolloutState } from "./rollout-settings.ts";

/** Inputs and results of one decision in readable form; endpoints are given by their ids. */
export interface DecisionRecord {
  /** Number of the decision, counted from the start of the process; the debug header carries it. */
  readonly id: number;
  /** At most 256 characters, like the models. */
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
  /** The code of the error that answered the request; undefined if it was sent. */
  readonly refusal: ErrorCode | undefined;
  /** The message of this error, cut like the id. */
  readonly refusalMessage: string | undefined;
  /** Undefined unless it was made during a rollout. */
  readonly rollout: RolloutRecord | undefined;
  /** Its wait for admission; undefined until the request has ended, and if it did not wait. */
  readonly stay: QueueStay | undefined;
  /** Total of the pick minus the best other total; undefined if there is no other. */
  readonly margin: number | undefined;
  /**
   * The candidates before filters; unless `isWhole`, of more than 64 those with the best totals. Undefined once the numbers
   * have been overwritten.
   */
  readonly candidates: readonly CandidateRecord[] | undefined;
  readonly candidateCount: number;
  /** True if all candidates have their numbers, and the record has all that the decision depended on. */
  readonly isWhole: boolean;
  /** Endpoints that took requests and were no candidates for this one. */
  readonly leftOut: readonly LeftOutRecord[];
  readonly profiles: readonly ProfileRecord[];
  /** Latency and cached tokens that were predicted for the pick; undefined if nothing was. */
  readonly predicted: PredictedRecord | undefined;
  /** The same as it turned out; undefined until the request has ended. */
  readonly actual: ActualRecord | undefined;
}

/** The rollout of a shadow document at the time of a decision. */
export interface RolloutRecord {
  /** The document that decided. */
  readonly decidedBy: "inForce" | "shadow";
  /** Hash of the text of the shadow document, as in the log. */
  readonly shadowHash: string;
  readonly state: RolloutState;
  /** Share of the requests that the shadow document decided about. */
  readonly shareRatio: number;
  readonly assignedBy: AssignedBy;
  /** True if the shadow document threw at this request, so that the one in force decided in its place. */
  readonly hasThrown: boolean;
}

/**
 * The part of a request by which a rollout assigns it to a document, always with the tenant. `conversation`: the id of a stored
 * one. `opening`: the first messages. `prompt`: all of a prompt without messages.
 */
export type AssignedBy = "session" | "conversation" | "opening" | "prompt" | "tenant";

/** An endpoint that was no candidate. `subset`: the gateway's hint does not name it. `model`: it serves others. */
export interface LeftOutRecord {
  readonly endpoint: string;
  readonly reason: "subset" | "model";
}

/** The outcome of a decision, once its request or attempt is over. */
export interface EndedRecord extends ActualRecord {
  readonly stay?: QueueStay | undefined;
  readonly refusal?: Refusal | undefined;
}

/** A request that ended before any decision about it. */
export interface UndecidedRecord {
  /** At most 256 characters, like the model. */
  readonly requestId: string;
  /** Monotonic milliseconds of its arrival and of its end. */
  readonly atMs: number;
  readonly endedAtMs: number;
  /** Undefined, like the model and the priority, if it ended before it was understood. */
  readonly api: string | undefined;
  readonly model: string | undefined;
  readonly priority: number | undefined;
  /** Undefined if it was not refused: the client left. */
  readonly refusal: ErrorCode | undefined;
  /** The message of the error that answered it, cut like the id. */
  readonly refusalMessage: string | undefined;
  readonly stay: QueueStay | undefined;
  readonly end: RequestEnd;
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
  /** The side that broke it off, if `end` is `aborted`. */
  readonly endedBy?: EndedBy | undefined;
  /** Code of the reason that it counts as an error, as `error` in the log; undefined if it does not. */
  readonly failure?: string | undefined;
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
  /** Weight of the engine's report in the values above against the picker's own counts, 0 to 1. */
  readonly signalsTrust: number | undefined;
  readonly inFlightRequests: number | undefined;
  readonly inFlightTokens: number | undefined;
  /** Leading blocks of the prompt that the endpoint is estimated to have cached, and all blocks of the prompt. */
  readonly prefixMatchedBlocks: number | undefined;
  readonly prefixTotalBlocks: number | undefined;
  readonly prefixBlockTokens: number | undefined;
  readonly predictedTtftMs: number | undefined;
  readonly predictedTpotMs: number | undefined;
  /** The parts of an expected cost: work ahead and uncached, price of copying cached blocks, wait for the adapter. */
  readonly prefillMs: number | undefined;
  /** The part of `prefillMs` that is for this prompt; the rest is ahead of it. */
  readonly ownPrefillMs: number | undefined;
  readonly copyMs: number | undefined;
  readonly adapterMs: number | undefined;
  /** Requests that generate there. */
  readonly decodingRequests: number | undefined;
  /** Health; undefined if every candidate was well, or the record is not whole. */
  readonly standing: StandingName | undefined;
  /** Place of the request's model among the adapters that the engine reports. */
  readonly adapter: AdapterPlace | undefined;
  /** Further numbers that the decision may have read, by name. */
  readonly further: Readonly<Record<string, number>>;
}

export type StandingName = "well" | "starting" | "trial" | "ejected" | "dead";
export type AdapterPlace = "active" | "waiting" | "absent";

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
