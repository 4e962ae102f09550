import type {
  FlowHold,
  FlowOutcome,
  QueuedRequest,
  QueueStay,
} from "../../../core/flow-control.ts";
import type { Refusal } from "../../../core/errors.ts";
import type { PoolSnapshot } from "../../../core/pool-snapshot.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import type { HeapItem } from "./heap.ts";

/** The pool at a moment, as the queue sees it. */
export type PoolNow = Pick<PoolSnapshot, "endpoints" | "load" | "models" | "standing" | "nowMs">;

/** The turn of a request that waits. */
export interface Turn {
  readonly stay: QueueStay;
  /** Share of the longest wait in an engine from which it is held; undefined if it is sent in any case. */
  readonly heldFrom: number | undefined;
}

/** A request that would wait in its engine. */
export interface HeldBack {
  /** The wait in the engine, as a share of its limit. */
  readonly fullness: number;
  /** Counts it as work of its endpoint, until the function that this returns is called. Call it at once, or never. */
  readonly suppose: () => () => void;
}

/** The reason that a request is not sent. */
export type Unsent = HeldBack | "unplaced";

/** The side of a request that waits: the queue calls one of `turn` and `refuse` until it is settled. */
export interface Waiter {
  /** The wait begins. `leave` ends it without an answer, because the client has left. */
  waits(leave: () => void): void;
  /**
   * Schedules and counts the request on this pool before it returns. Returns the reason, with nothing changed, if it waits
   * on: no endpoint can take it now, or it would wait in the engine.
   */
  turn(pool: PoolSnapshot, turn: Turn): Unsent | undefined;
  /** Least expected time of the request's own work on this pool, in milliseconds; NaN if it is unknown. */
  ownMs(pool: PoolSnapshot): number;
  refuse(refusal: Refusal, stay: QueueStay): void;
}

/** Facts about a request when it comes to the queue. */
export interface Arrival {
  readonly request: InferenceRequest;
  readonly fairnessId: string;
  readonly receivedMs: number;
  readonly nowMs: number;
  /** The maximum wait that the request asks for, in milliseconds; `Infinity` if it asks for none. */
  readonly askedTtlMs: number;
  /** Expected time of its own work, in milliseconds; NaN if it is unknown. */
  readonly ownMs: number;
  readonly sequence: number;
  readonly isReturned: boolean;
}

/** The part of a band that its requests read. */
interface OwnBand {
  readonly priority: number;
  readonly plan: { readonly ttlMs: number };
}

/** A request that waits. */
export class Waiting<InBand extends OwnBand = OwnBand> implements QueuedRequest, HeapItem {
  readonly request: InferenceRequest;
  readonly fairnessId: string;
  readonly receivedMs: number;
  readonly enqueuedMs: number;
  readonly sequence: number;
  readonly isReturned: boolean;
  readonly waiter: Waiter;
  readonly band: InBand;
  readonly #askedTtlMs: number;
  readonly ownMs: number;
  /** Memory that it holds: the body as it came, and its texts. */
  readonly heldBytes: number;
  place = -1;
  passes = 0;
  /** The reason that it waits now. */
  heldBy: FlowHold | undefined;
  /** True while it is aside, because no endpoint could take it. */
  isAside = false;
  #position = 0;
  #sentBefore = 0;

  constructor(arrival: Arrival, band: InBand, waiter: Waiter) {
    this.band = band;
    this.request = arrival.request;
    this.fairnessId = arrival.fairnessId;
    this.receivedMs = arrival.receivedMs;
    this.enqueuedMs = arrival.nowMs;
    this.#askedTtlMs = arrival.askedTtlMs;
    this.ownMs = arrival.ownMs;
    this.sequence = arrival.sequence;
    this.isReturned = arrival.isReturned;
    this.heldBytes = heldBytesOf(arrival.request);
    this.waiter = waiter;
  }

  /** True until its wait is over. */
  get isQueued(): boolean {
    return this.place >= 0 || this.isAside;
  }

  get ttlMs(): number {
    return Math.min(this.#askedTtlMs, this.band.plan.ttlMs);
  }

  /** Notes how many wait before it, and how many were sent so far. */
  entered(position: number, sentBefore: number): void {
    this.#position = position;
    this.#sentBefore = sentBefore;
  }

  /** Its wait, as it ends with this outcome. */
  stay(outcome: FlowOutcome, at: { readonly nowMs: number; readonly sent: number }): QueueStay {
    return {
      band: this.band.priority,
      fairnessId: this.fairnessId,
      position: this.#position,
      waitedMs: at.nowMs - this.enqueuedMs,
      sentMeanwhile: at.sent - this.#sentBefore,
      heldBy: this.heldBy,
      outcome,
    };
  }
}

/** Bytes of text per token of an estimate. */
const textBytesPerToken = 4;

/** Memory of a request that waits: its body in the pieces that came, and the texts that were read of it. */
function heldBytesOf({ bodyBytes, promptTokens }: InferenceRequest): number {
  return bodyBytes + promptTokens * textBytesPerToken;
}
