import type { Endpoint } from "../core/endpoint.ts";
import { identityOf } from "./membership.ts";
import type { SlotHolder } from "./report-writer.ts";
import { SignalBoard } from "./signal-board.ts";
import { SlotTable } from "./slot-table.ts";

/** A part of the state that keeps data by slot. */
interface SlotFollower {
  /**
   * An endpoint takes or leaves the slot: facts about the previous endpoint do not hold for the
   * next.
   */
  turnover(slot: number): void;
  /** Nothing refers to the slot any more. */
  freed?(slot: number): void;
}

/**
 * The endpoint of each slot. A slot belongs to one endpoint from its arrival until it has left and
 * its last request has finished.
 */
export class PoolSlots {
  /** The board that reports of engines are written to. */
  readonly board: SignalBoard;
  readonly #table: SlotTable;
  /** The live endpoint of each slot; undefined for a free slot and for an endpoint that left. */
  readonly #live: (Endpoint | undefined)[] = [];
  readonly #followers: SlotFollower[] = [];

  /**
   * @param slotsMax endpoints that fit, including those that left but still run requests; about 450
   * bytes each
   */
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

  /** The live endpoint that a finding is about; undefined if the slot has changed hands. */
  holderOf({ slot, generation }: SlotHolder): Endpoint | undefined {
    return this.board.generations[slot] === generation ? this.#live[slot] : undefined;
  }

  /** The slot for an endpoint of this identity, a new one if it has none; undefined if all are taken. */
  take(identity: string): number | undefined {
    return this.#table.take(identity);
  }

  /**
   * The slot to count a request in; undefined if all are taken. An endpoint that left gets one too:
   * it may return before its request finishes.
   */
  countingSlotOf(endpoint: Endpoint): number | undefined {
    // The usual case, without building a key.
    if (this.#live[endpoint.slot] === endpoint) return endpoint.slot;
    return this.#table.take(identityOf(endpoint));
  }

  /** Adds a new endpoint in its slot. */
  enter(endpoint: Endpoint): void {
    this.#turnOver(endpoint.slot);
    this.#live[endpoint.slot] = endpoint;
  }

  /** Replaces the object of the endpoint in the slot. */
  redescribe(endpoint: Endpoint): void {
    this.#live[endpoint.slot] = endpoint;
  }

  leave({ slot }: Endpoint): void {
    this.#live[slot] = undefined;
    this.#turnOver(slot);
    this.freeIfUnused(slot);
  }

  /** Frees the slot of an endpoint that left, once none of its requests is in flight. */
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
