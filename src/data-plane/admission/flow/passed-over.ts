import type { FlowHold } from "../../../core/flow-control.ts";
import type { Queued } from "./band.ts";
import type { HeldBack, Unsent } from "./waiting.ts";

/** Requests that one look through the queue may pass over; each costs a decision. */
const passedOverMax = 48;

/**
 * A look through the queue that sent nothing is followed by a rest of this many times its length, so that requests that are
 * held cost a fifth of a core at most.
 */
const restFactor = 4;

/**
 * The requests that one look through the queue has passed over, because they would wait in their engines. Each counts as
 * work of its engine until the look ends, so that those after it see the queue that the engine has in the picker.
 */
export class PassedOver {
  readonly #requests: Queued[] = [];
  readonly #undo: (() => void)[] = [];
  #restUntilMs = 0;
  /** The highest priority of those that the rest is for. */
  #restPriority = Number.NEGATIVE_INFINITY;

  /** True if no further request may be looked at. */
  get isFull(): boolean {
    return this.#requests.length >= passedOverMax;
  }

  /** The priority at and below which no request is looked at now; -Infinity if all are. */
  restPriority(nowMs: number): number {
    return nowMs < this.#restUntilMs ? this.#restPriority : Number.NEGATIVE_INFINITY;
  }

  add(request: Queued, { suppose }: HeldBack): void {
    this.#undo.push(suppose());
    request.band.passOver(request);
    this.#requests.push(request);
  }

  /** Puts all back, each at its place. */
  end(hasSent: boolean, startMs: number, endMs: number): void {
    const wasVain = this.#requests.length > 0 && !hasSent;
    if (wasVain) {
      this.#restPriority = Math.max(...this.#requests.map(({ band }) => band.priority));
      this.#restUntilMs = endMs + restFactor * (endMs - startMs);
    } else if (startMs >= this.#restUntilMs) this.#restUntilMs = 0;
    for (const undo of this.#undo) undo();
    for (const request of this.#requests) request.band.putBack(request);
    this.#undo.length = 0;
    this.#requests.length = 0;
  }
}

/** The reason for a wait, as records have it. */
export function holdOf(reason: Unsent, ceiling: number): FlowHold {
  if (reason === "unplaced") return { kind: "no-suitable-endpoint" };
  return { kind: "engine-wait", fullness: reason.fullness, ceiling };
}
