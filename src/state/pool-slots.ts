import type { Endpoint } from "../core/endpoint.ts";
import { identityOf } from "./membership.ts";
import type { SlotHolder } from "./report-writer.ts";
import { SignalBoard } from "./signal-board.ts";
import { SlotTable } from "./slot-table.ts";

/** A part of the state that keeps something by slot. */
interface SlotFollower {
  /** An endpoint takes or leaves the slot: facts about the one before do not hold for the next. */
  turnover(slot: number): void;
  /** Nothing refers to the slot any more. */
  freed?(slot: number): void;
}

/**
 * Which endpoint has which slot. A slot belongs to one endpoint from its arrival until it has gone and its last request has
 * finished.
 */
export class PoolSlots {
  /** Where reports of engines arrive. */
  readonly board: SignalBoard;
  readonly #table: SlotTable;
  /** The live endpoint of each slot; undefined for a free slot and for an endpoint that has gone. */
  readonly #live: (Endpoint | undefined)[] = [];
  readonly #followers: SlotFollower[] = [];

  /** @param slotsMax endpoints that fit, with those that have gone but still run requests; some 450 bytes each */
  constructor(slotsMax = 4_096) {
    this.#table = new SlotTable(slotsMax);
    this.board = SignalBoard.create(slotsMax);
  }

  follow(follower: SlotFollower): void {
    this.#followers.push(follower);
  }

  /** The live endpoint in a slot. */
  at(slot: number): Endpoint | undefined {
    return this.#live[slot];
  }

  /** The live endpoint of this identity. */
  liveOf(identity: string): Endpoint | undefined {
    const slot = this.#table.slotOf(identity);
    return slot === undefined ? undefined : this.#live[slot];
  }

  /** The live endpoint that had the slot when something was found out about it. */
  holderOf({ slot, generation }: SlotHolder): Endpoint | undefined {
    return this.board.generations[slot] === generation ? this.#live[slot] : undefined;
  }

  /** The slot for an endpoint of this identity, a new one if it has none; undefined if all are taken. */
  take(identity: string): number | undefined {
    return this.#table.take(identity);
  }

  /**
   * The slot to count a request in, undefined if all are taken. An endpoint that has gone gets one too: it may come back
   * before its request finishes.
   */
  countingSlotOf(endpoint: Endpoint): number | undefined {
    // The usual case, without building a key.
    if (this.#live[endpoint.slot] === endpoint) return endpoint.slot;
    return this.#table.take(identityOf(endpoint));
  }

  /** A new endpoint takes its slot. */
  enter(endpoint: Endpoint): void {
    this.#turnOver(endpoint.slot);
    this.#live[endpoint.slot] = endpoint;
  }

  /** The endpoint in the slot is described anew. */
  redescribe(endpoint: Endpoint): void {
    this.#live[endpoint.slot] = endpoint;
  }

  leave({ slot }: Endpoint): void {
    this.#live[slot] = undefined;
    this.#turnOver(slot);
    this.freeIfUnused(slot);
  }

  /** Frees the slot of an endpoint that has gone once no request of it is in flight. */
  freeIfUnused(slot: number): void {
    if (this.board.inFlightRequests[slot] !== 0 || this.#live[slot] !== undefined) return;
    for (const follower of this.#followers) follower.freed?.(slot);
    this.#table.free(slot);
  }

  #turnOver(slot: number): void {
    Atomics.add(this.board.generations, slot, 1);
    for (const follower of this.#followers) follower.turnover(slot);
  }
}
