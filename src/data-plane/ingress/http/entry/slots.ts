import type { CancelTimer, Clock } from "../../../../std/clock.ts";
import { type Linked, LinkedList } from "../../../../std/linked-list.ts";

export interface SlotLimits {
  /** Slots that can be held at once; 0 for no limit. */
  readonly heldMax: number;
  /** Askers that can wait for a slot. */
  readonly waitingMax: number;
  /** Time that one waits at most; 0 for no limit. */
  readonly waitMs: number;
}

export type SlotRefusal = "queue_full" | "queue_timeout";

/** The one that asks for a slot; exactly one of its methods runs, unless it leaves before. */
export interface SlotAsker {
  entered(): void;
  refused(reason: SlotRefusal): void;
}

/** Bounds how many things happen at once. Those beyond wait in the order in which they came. */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #clock: Pick<Clock, "nowMs" | "after">;
  readonly #waiting = new LinkedList<Slot>();
  /** One for all slots. */
  readonly #owner: SlotOwner = {
    enter: (slot) => this.#enter(slot),
    leave: (slot, wasHeld) => this.#leave(slot, wasHeld),
  };
  #held = 0;
  #isFilling = false;
  #waitedMsTotal = 0;
  readonly #refused = { queue_full: 0, queue_timeout: 0 };

  constructor(limits: SlotLimits, clock: Pick<Clock, "nowMs" | "after">) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get limits(): SlotLimits {
    return this.#limits;
  }

  get held(): number {
    return this.#held;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Time that all askers together have waited. */
  get waitedMsTotal(): number {
    return this.#waitedMsTotal;
  }

  get refused(): Readonly<Record<SlotRefusal, number>> {
    return this.#refused;
  }

  /** A slot that is not held yet. */
  slot(): Slot {
    return new Slot(this.#clock.nowMs(), this.#owner);
  }

  #enter(slot: Slot): void {
    const { heldMax, waitingMax, waitMs } = this.#limits;
    if (heldMax === 0 || (this.#held < heldMax && this.#waiting.size === 0)) {
      this.#held += 1;
      return slot.hold();
    }
    if (this.#waiting.size >= waitingMax) {
      this.#refused.queue_full += 1;
      return slot.refuse("queue_full");
    }
    this.#waiting.pushBack(slot);
    slot.isQueued = true;
    if (waitMs > 0) slot.waitFor(this.#clock.after(waitMs, () => this.#expire(slot)));
  }

  #expire(slot: Slot): void {
    this.#stopWaiting(slot);
    this.#refused.queue_timeout += 1;
    slot.refuse("queue_timeout");
  }

  #leave(slot: Slot, wasHeld: boolean): void {
    if (!wasHeld) return this.#stopWaiting(slot);
    this.#held -= 1;
    this.#fill();
  }

  /** Lets in the ones that have waited longest. A loop, so that one that leaves at once does not nest. */
  #fill(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    while (this.#held < this.#limits.heldMax) {
      const next = this.#waiting.head;
      if (next === undefined) break;
      this.#stopWaiting(next);
      this.#held += 1;
      next.hold();
    }
    this.#isFilling = false;
  }

  #stopWaiting(slot: Slot): void {
    if (!slot.isQueued) return;
    slot.isQueued = false;
    this.#waiting.remove(slot);
    this.#waitedMsTotal += this.#clock.nowMs() - slot.askedMs;
  }
}

interface SlotOwner {
  enter(slot: Slot): void;
  leave(slot: Slot, wasHeld: boolean): void;
}

/** One slot for one asker. */
export class Slot implements Linked<Slot> {
  readonly askedMs: number;
  /** Kept by `Slots`. */
  isQueued = false;
  previous: Slot | undefined;
  next: Slot | undefined;
  readonly #owner: SlotOwner;
  #asker: SlotAsker | undefined;
  #state: "new" | "waiting" | "held" | "over" = "new";
  #cancelWait: CancelTimer | undefined;

  constructor(askedMs: number, owner: SlotOwner) {
    this.askedMs = askedMs;
    this.#owner = owner;
  }

  /** Call it once. The asker may be told before this returns. */
  enter(asker: SlotAsker): void {
    if (this.#state !== "new") return;
    this.#state = "waiting";
    this.#asker = asker;
    this.#owner.enter(this);
  }

  /** Frees the slot, or the place in the queue. Later calls do nothing. */
  leave(): void {
    const { state } = this.#settle("over");
    if (state === "held" || state === "waiting") this.#owner.leave(this, state === "held");
  }

  hold(): void {
    this.#settle("held").asker?.entered();
  }

  refuse(reason: SlotRefusal): void {
    this.#settle("over").asker?.refused(reason);
  }

  waitFor(cancel: CancelTimer): void {
    this.#cancelWait = cancel;
  }

  #settle(next: "held" | "over") {
    const before = { state: this.#state, asker: this.#asker };
    this.#state = next;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#asker = undefined;
    return before;
  }
}
