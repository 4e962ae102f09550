import type { Outcome } from "../core/decision.ts";
import type { Refusal } from "../core/errors.ts";
import type { QueueStay } from "../core/flow-control.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { Waiter } from "./admission/flow/waiting.ts";

interface WaitParts {
  /** Schedules and counts the request; undefined, with nothing changed, if no endpoint can take it. */
  readonly schedule: (pool: PoolSnapshot) => Outcome | undefined;
  readonly refuse: (refusal: Refusal) => Outcome;
  /** The wait is over: with its facts, unless the request ended before. */
  readonly onEnd: (stay: QueueStay | undefined) => void;
}

/** The wait of one request for admission. */
export class AdmissionWait implements Waiter {
  /** The outcome of the request; `gone` if it ended before its turn. Never rejects. */
  readonly outcome: Promise<Outcome>;
  readonly #parts: WaitParts;
  readonly #resolve: (outcome: Outcome) => void;
  #leave: (() => void) | undefined;
  #isOver = false;

  constructor(parts: WaitParts) {
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.outcome = promise;
    this.#resolve = resolve;
  }

  waits(leave: () => void): void {
    this.#leave = leave;
  }

  turn(pool: PoolSnapshot, stay: QueueStay): boolean {
    if (this.#isOver) return true;
    const outcome = this.#parts.schedule(pool);
    if (outcome === undefined) return false;
    this.#end(outcome, stay);
    return true;
  }

  refuse(refusal: Refusal, stay: QueueStay): void {
    if (!this.#isOver) this.#end(this.#parts.refuse(refusal), stay);
  }

  /** The request has ended: it leaves the queue at once. */
  giveUp(): void {
    if (this.#isOver) return;
    this.#leave?.();
    this.#end({ kind: "gone" }, undefined);
  }

  #end(outcome: Outcome, stay: QueueStay | undefined): void {
    this.#isOver = true;
    this.#parts.onEnd(stay);
    this.#resolve(outcome);
  }
}
