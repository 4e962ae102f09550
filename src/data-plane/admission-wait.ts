import type { Outcome } from "../core/decision.ts";
import type { Refusal } from "../core/errors.ts";
import type { QueueStay } from "../core/flow-control.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { RequestTrace } from "../core/request-trace.ts";
import type { Turn, Unsent, Waiter } from "./admission/flow/waiting.ts";
import { isUnplaced, type OutcomeOrHeld } from "./routing.ts";

interface WaitParts {
  /** Schedules and counts the request; with nothing changed if it is held. */
  readonly schedule: (pool: PoolSnapshot, heldFrom: number | undefined) => OutcomeOrHeld;
  readonly ownMs: (pool: PoolSnapshot) => number;
  /** The outcome if that throws, which is a bug. */
  readonly failed: (cause: unknown) => Outcome;
  /** Takes note of the outcome. */
  readonly decided: (outcome: Outcome) => Outcome;
  /** Runs with 1 when the wait begins, with -1 when it is over. */
  readonly onWait: (change: 1 | -1) => void;
  /** Undefined if the request is not sampled. */
  readonly trace?: Pick<RequestTrace, "waiting"> | undefined;
}

/** The wait of one request for admission. */
export class AdmissionWait implements Waiter {
  /** The outcome of the request; `gone` if it ended before its turn. Never rejects. */
  readonly outcome: Promise<Outcome>;
  readonly #parts: WaitParts;
  readonly #resolve: (outcome: Outcome) => void;
  #leave: (() => void) | undefined;
  #isOver = false;
  #stay: QueueStay | undefined;

  constructor(parts: WaitParts) {
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.outcome = promise;
    this.#resolve = resolve;
  }

  /** The facts of the wait once it is over; undefined if there was none, or the request ended before its turn. */
  get stay(): QueueStay | undefined {
    return this.#stay;
  }

  waits(leave: () => void): void {
    this.#leave = leave;
    this.#parts.onWait(1);
    this.#parts.trace?.waiting(true, undefined);
  }

  turn(pool: PoolSnapshot, { stay, heldFrom }: Turn): Unsent | undefined {
    if (this.#isOver) return undefined;
    const outcome = this.#scheduled(pool, heldFrom);
    if (outcome.kind === "held") return outcome;
    if (isUnplaced(outcome)) return "unplaced";
    this.#end(this.#parts.decided(outcome), stay);
    return undefined;
  }

  ownMs(pool: PoolSnapshot): number {
    return this.#parts.ownMs(pool);
  }

  refuse(refusal: Refusal, stay: QueueStay): void {
    if (!this.#isOver) this.#end(this.#parts.decided({ kind: "refused", refusal }), stay);
  }

  /** The request has ended: it leaves the queue at once. */
  giveUp(): void {
    if (this.#isOver) return;
    this.#leave?.();
    this.#end({ kind: "gone" }, undefined);
  }

  #scheduled(pool: PoolSnapshot, heldFrom: number | undefined): OutcomeOrHeld {
    try {
      return this.#parts.schedule(pool, heldFrom);
    } catch (cause) {
      return this.#parts.failed(cause);
    }
  }

  #end(outcome: Outcome, stay: QueueStay | undefined): void {
    this.#isOver = true;
    this.#stay = stay;
    // A request that is refused at once has not waited.
    if (this.#leave !== undefined) {
      this.#parts.onWait(-1);
      this.#parts.trace?.waiting(false, stay);
    }
    this.#resolve(outcome);
  }
}
