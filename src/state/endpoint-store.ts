import { drainOf, type Endpoint, isLastResort } from "../core/endpoint.ts";
import { settledClaims } from "./address-claims.ts";
import {
  describedAs,
  endpointOf,
  type EndpointSpec,
  identityOf,
  isOnlyKept,
  type MembershipChange,
  redescribed,
  type RefusedSpec,
} from "./membership.ts";
import { PoolSlots } from "./pool-slots.ts";
import { RefusedSpecs } from "./refused-specs.ts";
import type { SlotHolder } from "./report-writer.ts";
import type { SignalBoard } from "./signal-board.ts";

/** The endpoints of the pool; one discovery source calls `apply`. */
export class EndpointStore {
  readonly #slots: PoolSlots;
  readonly #byHostPort = new Map<string, Endpoint>();
  /** Endpoints of the last list that the pool leaves out. */
  readonly refused = new RefusedSpecs();
  readonly #listeners = new Set<(change: MembershipChange) => void>();
  // These arrays are not frozen: V8 makes an object for each step of a loop over a frozen array, in each decision.
  #endpoints: readonly Endpoint[] = [];
  #takers: readonly Endpoint[] = [];
  #hasLastResort = true;
  /** The list applied last; undefined before the first one and if some of it was refused. */
  #applied: readonly EndpointSpec[] | undefined;
  #hasSynced = false;

  constructor(slots: PoolSlots = new PoolSlots()) {
    this.#slots = slots;
  }

  /** The board that reports of engines are written to. */
  get board(): SignalBoard {
    return this.#slots.board;
  }

  /** True once a source has listed the pool: before that, an empty pool means nothing. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** The live endpoints. The array is the same object until membership or a label changes. */
  endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /**
   * The live endpoints that take new requests. If all of them drain and `hasLastResort` is set,
   * these are the preempted and disrupted ones, which still serve well.
   */
  takers(): readonly Endpoint[] {
    return this.#takers;
  }

  /** The live endpoint at `ip:port`. */
  endpointAt(hostPort: string): Endpoint | undefined {
    return this.#byHostPort.get(hostPort);
  }

  /** The same endpoint with its current details; undefined if it has left the pool. */
  current(endpoint: Endpoint): Endpoint | undefined {
    return this.#slots.liveOf(identityOf(endpoint));
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
   * Of several specs with one id or one address, `settledClaims` chooses one. Endpoints that stay
   * come before new ones if slots run out. A refused spec is tried again by the next `apply`, not when
   * a slot becomes free.
   */
  apply(specs: readonly EndpointSpec[]): MembershipChange {
    const change = this.#redescribe(specs) ?? this.#reconcile(specs);
    this.#hasSynced = true;
    this.refused.replace(change.refused);
    const { added, removed, updated } = change;
    if (added.length + removed.length + updated.length > 0) {
      this.#setTakers();
      for (const listener of this.#listeners) listener(change);
    }
    return change;
  }

  /** True if preempted and disrupted endpoints take requests when there are no others. */
  set hasLastResort(hasLastResort: boolean) {
    this.#hasLastResort = hasLastResort;
    this.#setTakers();
  }

  /** The live endpoint that a finding is about; undefined if the slot has changed hands. */
  holderOf(holder: SlotHolder): Endpoint | undefined {
    return this.#slots.holderOf(holder);
  }

  #setTakers(): void {
    const takers = this.#endpoints.filter((endpoint) => drainOf(endpoint) === undefined);
    const isDesperate = takers.length === 0 && this.#hasLastResort;
    this.#takers = isDesperate ? this.#endpoints.filter(isLastResort) : takers;
  }

  /**
   * Applies a list with the same endpoints as the last one. Returns undefined, and does nothing,
   * for any other list.
   */
  #redescribe(specs: readonly EndpointSpec[]): MembershipChange | undefined {
    const changed = this.#applied && redescribed(this.#applied, specs);
    if (changed === undefined) return undefined;
    const updated: Endpoint[] = [];
    for (const spec of changed) {
      const endpoint = this.#slots.liveOf(identityOf(spec));
      if (endpoint === undefined) {
        if (isOnlyKept(spec)) continue;
        return undefined;
      }
      const current = describedAs(endpoint, spec);
      if (current !== endpoint) updated.push(current);
    }
    if (updated.length > 0) {
      for (const endpoint of updated) this.#redescribed(endpoint);
      const now = this.#endpoints.map((endpoint) => this.#slots.at(endpoint.slot) ?? endpoint);
      this.#endpoints = now;
    }
    this.#applied = specs;
    return { added: [], removed: [], updated, refused: [] };
  }

  #reconcile(specs: readonly EndpointSpec[]): MembershipChange {
    const isLive = (identity: string) => this.#slots.liveOf(identity) !== undefined;
    const { wanted, refused: duplicates } = settledClaims(specs, isLive);
    const { stay, updated, removed } = this.#partition(wanted);
    for (const endpoint of removed) this.#remove(endpoint);
    for (const endpoint of updated) this.#redescribed(endpoint);
    const { added, refused } = this.#add(wanted);
    if (added.length + removed.length + updated.length > 0) {
      this.#endpoints = [...stay, ...added];
    }
    // A list with refused specs is no base for a comparison: any change may give them a place.
    const isWhole = wanted.size === specs.length && refused.length === 0;
    this.#applied = isWhole ? specs : undefined;
    return { added, removed, updated, refused: [...duplicates, ...refused] };
  }

  #partition(wanted: ReadonlyMap<string, EndpointSpec>) {
    const stay: Endpoint[] = [];
    const updated: Endpoint[] = [];
    const removed: Endpoint[] = [];
    for (const endpoint of this.#endpoints) {
      const spec = wanted.get(identityOf(endpoint));
      const current = spec && describedAs(endpoint, spec);
      if (current === undefined) removed.push(endpoint);
      else {
        stay.push(current);
        if (current !== endpoint) updated.push(current);
      }
    }
    return { stay, updated, removed };
  }

  #add(wanted: ReadonlyMap<string, EndpointSpec>) {
    const added: Endpoint[] = [];
    const refused: RefusedSpec[] = [];
    for (const [identity, spec] of wanted) {
      if (isOnlyKept(spec) && this.#slots.liveOf(identity) === undefined) continue;
      const slot = this.#slots.take(identity);
      if (slot === undefined) refused.push({ spec, reason: "capacity" });
      else if (this.#slots.at(slot) === undefined) {
        const endpoint = endpointOf(spec, slot);
        this.#slots.enter(endpoint);
        this.#byHostPort.set(endpoint.hostPort, endpoint);
        added.push(endpoint);
      }
    }
    return { added, refused };
  }

  #redescribed(endpoint: Endpoint): void {
    this.#slots.redescribe(endpoint);
    this.#byHostPort.set(endpoint.hostPort, endpoint);
  }

  #remove(endpoint: Endpoint): void {
    this.#byHostPort.delete(endpoint.hostPort);
    this.#slots.leave(endpoint);
  }
}
