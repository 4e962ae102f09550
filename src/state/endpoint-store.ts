import type { Endpoint } from "../core/endpoint.ts";
import type { LoadSnapshot } from "../core/load.ts";
import type { EngineSignals } from "../core/signals.ts";
import { clearSignals, createLoadColumns, type LoadColumns } from "./load-columns.ts";
import {
  endpointOf,
  type EndpointSpec,
  identityOf,
  type MembershipChange,
  type RefusedSpec,
  relabelledAs,
  uniqueSpecsOf,
} from "./membership.ts";
import { SlotTable } from "./slot-table.ts";

export interface EndpointStoreOptions {
  /** Endpoints that fit, with those that have gone but still run requests. 64 bytes each. */
  readonly slotsMax?: number;
}

/**
 * Which endpoints there are, and how loaded each of them is.
 *
 * Writers: one discovery source calls `apply`, the scraper `recordSignals`, and the in-flight
 * ledger `addInFlight` and `subtractInFlight`. A slot belongs to one endpoint from its arrival
 * until it has gone and its last request has finished.
 */
export class EndpointStore {
  readonly #slots: SlotTable;
  readonly #columns: LoadColumns;
  /** The live endpoint of each slot; undefined for a free slot and for an endpoint that has gone. */
  readonly #bySlot: (Endpoint | undefined)[] = [];
  readonly #byHostPort = new Map<string, Endpoint>();
  readonly #listeners = new Set<(change: MembershipChange) => void>();
  #endpoints: readonly Endpoint[] = Object.freeze([]);
  #hasSynced = false;

  constructor({ slotsMax = 4_096 }: EndpointStoreOptions = {}) {
    this.#slots = new SlotTable(slotsMax);
    this.#columns = createLoadColumns(slotsMax);
  }

  /** Whether a source has said what the pool is: before that, an empty pool means nothing. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** The live endpoints. The array is the same object until membership or a label changes. */
  endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** The live endpoint at `ip:port`. */
  endpointAt(hostPort: string): Endpoint | undefined {
    return this.#byHostPort.get(hostPort);
  }

  /**
   * The load of every endpoint.
   *
   * These are the live columns and no copy: a decision runs without a pause and every writer is
   * on its thread, so nothing changes under it. A reader on another thread would need a copy.
   */
  load(): LoadSnapshot {
    return this.#columns;
  }

  /** Calls `listener` after each `apply` that changed something, until the result is called. */
  onChange(listener: (change: MembershipChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Makes `specs` the pool. Endpoints that stay keep their slot, their place in the order and,
   * unless their labels changed, their object; new ones follow in the order of `specs`.
   *
   * Endpoints that stay come before new ones where slots run out. What was refused for capacity
   * is tried again by the next `apply`, not when a slot becomes free.
   */
  apply(specs: readonly EndpointSpec[]): MembershipChange {
    const { wanted, refused: duplicates } = uniqueSpecsOf(specs);
    const { stay, relabelled, removed } = this.#partition(wanted);
    for (const endpoint of removed) this.#remove(endpoint);
    for (const endpoint of relabelled) this.#set(endpoint);
    const { added, refused } = this.#add(wanted);

    this.#hasSynced = true;
    const change = { added, removed, relabelled, refused: [...duplicates, ...refused] };
    if (added.length + removed.length + relabelled.length > 0) {
      this.#endpoints = Object.freeze([...stay, ...added]);
      for (const listener of this.#listeners) listener(change);
    }
    return change;
  }

  /**
   * Stores what a scrape that succeeded at `atMs` told; nothing if the endpoint has gone.
   *
   * A signal the scrape did not find becomes unknown: the last value would look fresh.
   */
  recordSignals(endpoint: Endpoint, signals: EngineSignals, atMs: number): void {
    const slot = this.#liveSlotOf(endpoint);
    if (slot === undefined) return;
    const columns = this.#columns;
    columns.waitingRequests[slot] = signals.waitingRequests ?? Number.NaN;
    columns.runningRequests[slot] = signals.runningRequests ?? Number.NaN;
    columns.kvCacheUsedRatio[slot] = signals.kvCacheUsedRatio ?? Number.NaN;
    columns.blockTokens[slot] = signals.blockTokens ?? Number.NaN;
    columns.blocksMax[slot] = signals.blocksMax ?? Number.NaN;
    columns.adapters[slot] = signals.adapters;
    columns.signalsAtMs[slot] = atMs;
    this.#recordAttributes(slot, signals.attributes);
  }

  /** A configuration names the attributes, so there are few; their columns come with the first value. */
  #recordAttributes(slot: number, attributes: ReadonlyMap<string, number>): void {
    const columns = this.#columns.attributes;
    for (const [key, column] of columns) {
      if (!attributes.has(key)) column[slot] = Number.NaN;
    }
    for (const [key, value] of attributes) {
      let column = columns.get(key);
      if (column === undefined) {
        column = new Float64Array(this.#columns.waitingRequests.length).fill(Number.NaN);
        columns.set(key, column);
      }
      column[slot] = value;
    }
  }

  /**
   * Counts one request; only the in-flight ledger calls this. Returns the slot it is counted in,
   * for `subtractInFlight`, or undefined where the endpoint has gone and no slot is left.
   *
   * An endpoint that has gone is counted too: it may come back before its request finishes.
   */
  addInFlight(endpoint: Endpoint, promptTokens: number): number | undefined {
    const slot = this.#liveSlotOf(endpoint) ?? this.#slots.take(identityOf(endpoint));
    if (slot === undefined) return undefined;
    const { inFlightRequests, inFlightTokens } = this.#columns;
    inFlightRequests[slot] = (inFlightRequests[slot] ?? 0) + 1;
    inFlightTokens[slot] = (inFlightTokens[slot] ?? 0) + promptTokens;
    return slot;
  }

  /** Undoes one `addInFlight`; only the in-flight ledger calls this. */
  subtractInFlight(slot: number, promptTokens: number): void {
    const { inFlightRequests, inFlightTokens } = this.#columns;
    inFlightRequests[slot] = (inFlightRequests[slot] ?? 0) - 1;
    inFlightTokens[slot] = (inFlightTokens[slot] ?? 0) - promptTokens;
    this.#freeIfUnused(slot);
  }

  #partition(wanted: ReadonlyMap<string, EndpointSpec>) {
    const stay: Endpoint[] = [];
    const relabelled: Endpoint[] = [];
    const removed: Endpoint[] = [];
    for (const endpoint of this.#endpoints) {
      const spec = wanted.get(identityOf(endpoint));
      const current = spec && relabelledAs(endpoint, spec);
      if (current === undefined) removed.push(endpoint);
      else {
        stay.push(current);
        if (current !== endpoint) relabelled.push(current);
      }
    }
    return { stay, relabelled, removed };
  }

  #add(wanted: ReadonlyMap<string, EndpointSpec>) {
    const added: Endpoint[] = [];
    const refused: RefusedSpec[] = [];
    for (const [identity, spec] of wanted) {
      const slot = this.#slots.take(identity);
      if (slot === undefined) refused.push({ spec, reason: "capacity" });
      else if (this.#bySlot[slot] === undefined) {
        const endpoint = endpointOf(spec, slot);
        this.#set(endpoint);
        added.push(endpoint);
      }
    }
    return { added, refused };
  }

  #set(endpoint: Endpoint): void {
    this.#bySlot[endpoint.slot] = endpoint;
    this.#byHostPort.set(endpoint.hostPort, endpoint);
  }

  #remove(endpoint: Endpoint): void {
    this.#bySlot[endpoint.slot] = undefined;
    this.#byHostPort.delete(endpoint.hostPort);
    clearSignals(this.#columns, endpoint.slot);
    this.#freeIfUnused(endpoint.slot);
  }

  #freeIfUnused(slot: number): void {
    if (this.#columns.inFlightRequests[slot] !== 0 || this.#bySlot[slot] !== undefined) return;
    this.#columns.inFlightTokens[slot] = 0;
    this.#slots.free(slot);
  }

  /** The slot of a live endpoint, given by its present object or by an earlier one. */
  #liveSlotOf(endpoint: Endpoint): number | undefined {
    const { slot } = endpoint;
    const live = this.#bySlot[slot];
    // The usual case, without building a key.
    if (live === endpoint) return slot;
    const held = this.#slots.slotOf(identityOf(endpoint));
    return held === undefined || this.#bySlot[held] === undefined ? undefined : held;
  }
}
