import { drainOf, type Endpoint, isLastResort } from "../core/endpoint.ts";
import type { AdapterState, LoadSnapshot } from "../core/load.ts";
import type { TrustSettings } from "../core/signal-settings.ts";
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
import { RefusedSpecs } from "./refused-specs.ts";
import type { SlotHolder } from "./report-writer.ts";
import { ServedModels } from "./served-models.ts";
import { type CountedRequest, RunningView } from "./running-view.ts";
import { SignalBoard } from "./signal-board.ts";
import { SlotTable } from "./slot-table.ts";

/** Without a request for this long, nobody looks at the signals. */
const quietMs = 100;
/** Between two looks whether any report counts. */
const trustLookMs = 1_000;

export interface EndpointStoreOptions {
  /** Endpoints that fit, with those that have gone but still run requests. Some 450 bytes each. */
  readonly slotsMax?: number;
}

/**
 * Which endpoints there are, and how loaded each of them is.
 *
 * Writers: one discovery source calls `apply`, the scraper publishes reports on `board`, perhaps on
 * another thread, and the in-flight ledger counts requests. A slot belongs to one endpoint from its
 * arrival until it has gone and its last request has finished.
 */
export class EndpointStore {
  /** Where reports of engines arrive. */
  readonly board: SignalBoard;
  readonly #slots: SlotTable;
  readonly #view: RunningView;
  /** The live endpoint of each slot; undefined for a free slot and for an endpoint that has gone. */
  readonly #bySlot: (Endpoint | undefined)[] = [];
  /** By slot, of the endpoints that have said what they serve. */
  readonly #models = new Map<number, ReadonlySet<string>>();
  readonly #served = new ServedModels();
  readonly #engines: (string | undefined)[] = [];
  readonly #byHostPort = new Map<string, Endpoint>();
  /** Endpoints that the last list names and the pool leaves out. */
  readonly refused = new RefusedSpecs();
  readonly #listeners = new Set<(change: MembershipChange) => void>();
  readonly #restartListeners = new Set<(endpoint: Endpoint) => void>();
  #takers: readonly Endpoint[] = Object.freeze([]);
  #hasLastResort = true;
  readonly #trustListeners = new Set<(isGone: boolean) => void>();
  readonly #awakeListeners = new Set<() => void>();
  #loadedAtMs = Number.NEGATIVE_INFINITY;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #trustAtMs = Number.NEGATIVE_INFINITY;
  #hasTrust = false;
  #endpoints: readonly Endpoint[] = Object.freeze([]);
  /** The list that was applied last; undefined before the first and where some of it was refused. */
  #applied: readonly EndpointSpec[] | undefined;
  #hasSynced = false;

  constructor({ slotsMax = 4_096 }: EndpointStoreOptions = {}) {
    this.#slots = new SlotTable(slotsMax);
    this.board = SignalBoard.create(slotsMax);
    this.#view = new RunningView(this.board, (slot) => {
      const endpoint = this.#bySlot[slot];
      // A decision is under way, which must not find the pool changed.
      if (endpoint !== undefined) queueMicrotask(() => this.#tellRestart(endpoint));
    });
  }

  /** Whether a source has said what the pool is: before that, an empty pool means nothing. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** The live endpoints. The array is the same object until membership or a label changes. */
  endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /**
   * The live endpoints that take new requests: those that drain keep what they have. Where all of them
   * drain, those that still answer well are better than none.
   */
  takers(): readonly Endpoint[] {
    return this.#takers;
  }

  /** The live endpoint at `ip:port`. */
  endpointAt(hostPort: string): Endpoint | undefined {
    return this.#byHostPort.get(hostPort);
  }

  /**
   * What is believed of every endpoint's load at `nowMs`.
   *
   * These are live columns and no copy: a decision runs without a pause, and nothing but this and the
   * counting of requests changes them.
   */
  load(nowMs: number): LoadSnapshot {
    this.#loadedAtMs = nowMs;
    const load = this.#view.at(nowMs, this.#endpoints);
    if (nowMs - this.#trustAtMs >= trustLookMs) this.#lookAtTrust(load, nowMs);
    return load;
  }

  /** Calls `listener` after each `apply` that changed something, until the result is called. */
  onChange(listener: (change: MembershipChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Calls `listener` when a request is sent after a while without any, until the result is called. */
  onAwake(listener: () => void): () => void {
    this.#awakeListeners.add(listener);
    return () => void this.#awakeListeners.delete(listener);
  }

  /** Calls `listener` when no endpoint's reports count any more, and when one's do again. */
  onTrust(listener: (isGone: boolean) => void): void {
    this.#trustListeners.add(listener);
  }

  /** Calls `listener` when an endpoint's engine has started anew and holds nothing of what it held. */
  onRestart(listener: (endpoint: Endpoint) => void): void {
    this.#restartListeners.add(listener);
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

  /** Whether endpoints that are about to be ended take requests where all others have gone. */
  set hasLastResort(hasLastResort: boolean) {
    this.#hasLastResort = hasLastResort;
    this.#setTakers();
  }

  /** How far reports count by their age from now on. */
  setTrust(trust: TrustSettings): void {
    this.#view.trust = trust;
  }

  /** Stores the adapters that an engine reports; they change less often than its numbers. */
  setAdapters(holder: SlotHolder, adapters: AdapterState | undefined): void {
    if (!this.#isCurrent(holder)) return;
    this.#view.setAdapters(holder.slot, adapters);
    const names = adapters === undefined ? [] : [...adapters.active, ...adapters.waiting];
    this.#served.set("adapters", holder.slot, new Set(names));
  }

  /** The adapters that the engine in a slot reports; undefined where it reports none. */
  adaptersOf(slot: number): AdapterState | undefined {
    return this.#view.adaptersOf(slot);
  }

  /** Stores which engine's metrics an endpoint has. */
  setEngine(holder: SlotHolder, name: string): void {
    if (this.#isCurrent(holder)) this.#engines[holder.slot] = name;
  }

  /** Stores the models that an endpoint says it serves; undefined where it does not say any more. */
  setModels(holder: SlotHolder, models: readonly string[] | undefined): void {
    if (!this.#isCurrent(holder)) return;
    const names = new Set(models);
    if (models === undefined) this.#models.delete(holder.slot);
    else this.#models.set(holder.slot, names);
    this.#served.set("models", holder.slot, names);
  }

  /** By slot, the models that an endpoint says it serves, adapters included; undefined while no endpoint says any. */
  get models(): ReadonlyMap<number, ReadonlySet<string>> | undefined {
    return this.#models.size === 0 ? undefined : this.#models;
  }

  /** True if an endpoint says that it serves a model of this name or has loaded it as an adapter. */
  isServed(model: string): boolean {
    return this.#served.has(model);
  }

  /** The live endpoint that had the slot when something was found out about it. */
  holderOf(holder: SlotHolder): Endpoint | undefined {
    return this.#isCurrent(holder) ? this.#bySlot[holder.slot] : undefined;
  }

  /** The engine whose metrics an endpoint has; undefined while none could be read. */
  engineOf({ slot }: Endpoint): string | undefined {
    return this.#engines[slot];
  }

  /** Requests that are believed to be at an endpoint beyond those it reported; 0 without a report. */
  correctionOf({ slot }: Endpoint): number {
    return this.#view.correctionOf(slot);
  }

  /** Where the attributes with these names are to be written, by slot; shared between threads. */
  attributeColumns(names: Iterable<string>): ReadonlyMap<string, Float64Array> {
    return this.#view.attributeColumns(names);
  }

  /**
   * Counts one request; only the in-flight ledger calls this. Returns what the other two want, or
   * undefined where the endpoint has gone and no slot is left.
   *
   * An endpoint that has gone is counted too: it may come back before its request finishes.
   */
  countSent(endpoint: Endpoint, promptTokens: number): CountedRequest | undefined {
    const slot = this.#liveSlotOf(endpoint) ?? this.#slots.take(identityOf(endpoint));
    if (slot === undefined) return undefined;
    // A decision was made on what was loaded just before.
    if (this.#loadedAtMs - this.#sentAtMs > quietMs) {
      for (const listener of this.#awakeListeners) listener();
    }
    this.#sentAtMs = this.#loadedAtMs;
    return this.#view.sent(slot, promptTokens);
  }

  /** The answer to a counted request has begun. */
  countStarted(request: CountedRequest): void {
    this.#view.started(request);
  }

  /** Undoes one `countSent`. */
  countFinished(request: CountedRequest): void {
    this.#view.finished(request);
    this.#freeIfUnused(request.slot);
  }

  /** Whether any report counts, of a pool where one did. */
  #lookAtTrust({ signalsTrust }: LoadSnapshot, nowMs: number): void {
    this.#trustAtMs = nowMs;
    const hasTrust = this.#endpoints.some(({ slot }) => (signalsTrust[slot] ?? 0) > 0);
    if (hasTrust === this.#hasTrust || this.#endpoints.length === 0) return;
    this.#hasTrust = hasTrust;
    for (const listener of this.#trustListeners) listener(!hasTrust);
  }

  #setTakers(): void {
    const takers = this.#endpoints.filter((endpoint) => drainOf(endpoint) === undefined);
    const isDesperate = takers.length === 0 && this.#hasLastResort;
    this.#takers = Object.freeze(isDesperate ? this.#endpoints.filter(isLastResort) : takers);
  }

  #tellRestart(endpoint: Endpoint): void {
    if (this.#bySlot[endpoint.slot] === undefined) return;
    for (const listener of this.#restartListeners) listener(endpoint);
  }

  /** What was found out about an endpoint that has gone says nothing of the one that came. */
  #isCurrent({ slot, generation }: SlotHolder): boolean {
    return this.board.generations[slot] === generation && this.#bySlot[slot] !== undefined;
  }

  /** Brings in a list of the endpoints that there are; undefined, and nothing done, for another list. */
  #redescribe(specs: readonly EndpointSpec[]): MembershipChange | undefined {
    const changed = this.#applied && redescribed(this.#applied, specs);
    if (changed === undefined) return undefined;
    const updated: Endpoint[] = [];
    for (const spec of changed) {
      const slot = this.#liveSlot(identityOf(spec));
      const endpoint = slot === undefined ? undefined : this.#bySlot[slot];
      if (endpoint === undefined) {
        if (isOnlyKept(spec)) continue;
        return undefined;
      }
      const current = describedAs(endpoint, spec);
      if (current !== endpoint) updated.push(current);
    }
    if (updated.length > 0) {
      for (const endpoint of updated) this.#set(endpoint);
      const now = this.#endpoints.map((endpoint) => this.#bySlot[endpoint.slot] ?? endpoint);
      this.#endpoints = Object.freeze(now);
    }
    this.#applied = specs;
    return { added: [], removed: [], updated, refused: [] };
  }

  #reconcile(specs: readonly EndpointSpec[]): MembershipChange {
    const isLive = (identity: string) => this.#liveSlot(identity) !== undefined;
    const { wanted, refused: duplicates } = settledClaims(specs, isLive);
    const { stay, updated, removed } = this.#partition(wanted);
    for (const endpoint of removed) this.#remove(endpoint);
    for (const endpoint of updated) this.#set(endpoint);
    const { added, refused } = this.#add(wanted);
    if (added.length + removed.length + updated.length > 0) {
      this.#endpoints = Object.freeze([...stay, ...added]);
    }
    // A list with specs that have no place cannot be compared with: they may get one by any change.
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
      if (isOnlyKept(spec) && this.#liveSlot(identity) === undefined) continue;
      const slot = this.#slots.take(identity);
      if (slot === undefined) refused.push({ spec, reason: "capacity" });
      else if (this.#bySlot[slot] === undefined) {
        this.#view.forget(slot);
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
    this.#engines[endpoint.slot] = undefined;
    this.#models.delete(endpoint.slot);
    this.#served.forget(endpoint.slot);
    this.#view.forget(endpoint.slot);
    this.#freeIfUnused(endpoint.slot);
  }

  #freeIfUnused(slot: number): void {
    if (this.board.inFlightRequests[slot] !== 0 || this.#bySlot[slot] !== undefined) return;
    this.#view.clearCounts(slot);
    this.#slots.free(slot);
  }

  /** The slot of a live endpoint, given by its present object or by an earlier one. */
  #liveSlotOf(endpoint: Endpoint): number | undefined {
    const { slot } = endpoint;
    const live = this.#bySlot[slot];
    // The usual case, without building a key.
    if (live === endpoint) return slot;
    return this.#liveSlot(identityOf(endpoint));
  }

  #liveSlot(identity: string): number | undefined {
    const held = this.#slots.slotOf(identity);
    return held === undefined || this.#bySlot[held] === undefined ? undefined : held;
  }
}
