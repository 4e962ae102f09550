import type { Refusal } from "./errors.ts";
import type { InferenceRequest } from "./request.ts";

/** A request that waits for its turn, as policies see it. */
export interface QueuedRequest {
  readonly request: InferenceRequest;
  /** The flow that it belongs to, within its band. */
  readonly fairnessId: string;
  /** Monotonic milliseconds at which its head arrived. */
  readonly receivedMs: number;
  /** Monotonic milliseconds at which its wait began. */
  readonly enqueuedMs: number;
  /** Maximum wait while the pool has endpoints, in milliseconds; `Infinity` for no bound. */
  readonly ttlMs: number;
  /** Expected time of its own work where that was least when it came, in milliseconds; NaN if it is unknown. */
  readonly ownMs: number;
  /** Order of arrival, which decides between requests that are equal otherwise. */
  readonly sequence: number;
  /** True if it was sent before, and no endpoint could be reached: it is the first of its flow. */
  readonly isReturned?: boolean;
  /** Requests of its flow that came later and were sent first, under an order that bounds their number. */
  readonly passes?: number;
}

/** The requests of one fairness id and one band that wait. */
export interface WaitingFlow {
  readonly fairnessId: string;
  /** The request whose turn is first, by the ordering policy of the band. */
  readonly first: QueuedRequest;
  readonly size: number;
}

/** Orders the requests of one flow. */
export interface OrderingPolicy {
  /** Negative if `a` goes first, 0 if the order of arrival decides. Constant as long as both wait. */
  compare(a: QueuedRequest, b: QueuedRequest): number;
  /** Undefined if the order does not change while requests wait. */
  readonly changing?: ChangingOrder;
  /** Maximum `passes` of a request, which then goes first; undefined for no bound. */
  readonly passesMax?: number;
  /** True if it reads `ownMs` of requests, which takes about as long as a decision. */
  readonly readsOwnMs?: boolean;
}

/**
 * An order that changes while requests wait. They are in classes, with `compare` as the constant order of each, and the
 * first ones of all classes are compared as they are now. So a choice costs as much as there are classes.
 */
interface ChangingOrder {
  /** The class of a request, constant as long as it waits; a few hundred at most. */
  classOf(queued: QueuedRequest): number;
  /** Negative if `a` goes first now, 0 if the order of arrival decides. */
  compareAt(a: QueuedRequest, b: QueuedRequest, nowMs: number): number;
}

/** Chooses the flow of a band whose turn is next. */
export interface FlowPicker {
  /** `flows`: those with requests, at least one, by ascending fairness id. */
  pick(flows: readonly WaitingFlow[], nowMs: number): WaitingFlow | undefined;
}

/** Decides which flow of a band is served next. */
export interface FairnessPolicy {
  /** Creates the picker of one band; undefined if flows do not matter, so that the band is one queue. */
  pickerOf?(priority: number): FlowPicker;
}

/** Computes the saturation from which each band waits. */
export interface UsageLimitPolicy {
  /**
   * Writes one ceiling for each priority to `ceilings`, which is 1 everywhere before. `priorities`: those of all bands,
   * highest first.
   */
  limit(saturation: number, priorities: readonly number[], ceilings: Float64Array): void;
}

/** A request that an engine works on. */
export interface RunningRequest {
  /** Share of its answer that has been sent, 0 to 1, as far as it can be known. */
  progress(): number;
  /** Ends it with this error. Returns false if it cannot be ended any more. */
  evict(refusal: Refusal): boolean;
}

/** Settings of the requests of one priority. */
export interface BandPlan {
  readonly priority: number;
  /** Maximum number of requests that wait. */
  readonly requestsMax: number;
  /** Maximum memory of requests that wait, in bytes. */
  readonly bytesMax: number;
  /** Maximum wait while the pool has endpoints, in milliseconds; `Infinity` for no bound. */
  readonly ttlMs: number;
  /** Share of the prompt tokens sent that it gets at least while it has requests, whatever waits above it; 0 for none. */
  readonly guaranteedShare: number;
  /** Names of the policies. */
  readonly fairness: string;
  readonly ordering: string;
}

/** Settings of the queue, complete. */
export interface FlowControlPlan {
  /** Maximum number of requests that wait, over all bands; `Infinity` for no bound. */
  readonly requestsMax: number;
  /** Maximum memory of requests that wait, over all bands, in bytes; `Infinity` for no bound. */
  readonly bytesMax: number;
  /** Maximum wait while nothing can serve a request, in milliseconds; `Infinity` for no bound. */
  readonly noEndpointTtlMs: number;
  /** Bands that always exist, by descending priority; one of them has the priority 0. */
  readonly bands: readonly BandPlan[];
  /** Settings of other bands; their priority is replaced. */
  readonly otherBands: BandPlan;
  /** The same for priorities below 0. */
  readonly otherNegativeBands: BandPlan;
  /** Name of the usage limit policy. */
  readonly usageLimit: string;
  /** True if running requests of a priority below 0 may be evicted for waiting ones. */
  readonly evicts: boolean;
}

/**
 * The end of a wait, by the names of llm-d-router.
 *
 * - `Dispatched`: the request went on to scheduling.
 * - `RejectedCapacity`: no place was left, or a request that had precedence took it.
 * - `RejectedNoEndpoints`: no place was left, and the pool was empty.
 * - `EvictedTTL`, `EvictedNoEndpoints`: the time to wait was over, with endpoints in the pool or without.
 * - `EvictedContextCancelled`: the client left.
 * - `RejectedOther`, `EvictedOther`: the picker stops.
 */
export const flowOutcomes = [
  "Dispatched",
  "RejectedCapacity",
  "RejectedNoEndpoints",
  "EvictedTTL",
  "EvictedNoEndpoints",
  "EvictedContextCancelled",
  "RejectedOther",
  "EvictedOther",
] as const;

export type FlowOutcome = (typeof flowOutcomes)[number];

/** The wait of a request, for records and logs. */
export interface QueueStay {
  /** Priority of the band that it waited in. */
  readonly band: number;
  readonly fairnessId: string;
  /** Requests of its band and of those above that waited when it came. */
  readonly position: number;
  readonly waitedMs: number;
  /** Requests that were sent while it waited. */
  readonly sentMeanwhile: number;
  /** The reason for the wait; undefined if it did not wait. */
  readonly heldBy: FlowHold | undefined;
  readonly outcome: FlowOutcome;
}

/**
 * The reason that a request waits.
 *
 * - `saturation`: that of the pool was at or above the ceiling of its band.
 * - `engine-wait`: it would have waited in the engine, this share of the longest wait there.
 * - `no-endpoints`: the pool was empty, or connections to all its endpoints failed.
 * - `no-suitable-endpoint`: the pool had none that could take it.
 */
export type FlowHold =
  | { readonly kind: "saturation"; readonly saturation: number; readonly ceiling: number }
  | { readonly kind: "engine-wait"; readonly fullness: number; readonly ceiling: number }
  | { readonly kind: "no-endpoints" }
  | { readonly kind: "no-suitable-endpoint" };
