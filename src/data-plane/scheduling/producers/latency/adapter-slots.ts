import type { AdapterState, LoadSnapshot } from "../../../../core/load.ts";
import { copyUses, lifetimeSecondsUnused } from "./copy-uses.ts";
import { FadingRate } from "./fading-rate.ts";

/** Loads that an endpoint charges for a popular adapter that it has to evict: others wait for the next load. */
const evictionLoads = 2;
/** Milliseconds to load an adapter before any was seen. */
const loadMsPrior = 1_000;
const loadMsMax = 30_000;
/** Most that a load counts as slack. */
const slackMsMax = 1_000;
/** Weight of one load in the learned time. */
const loadWeight = 0.1;
/** Names that are known as adapters; beyond it all are dropped and learned again. */
const namesMax = 4_096;
/** Milliseconds between two looks at the adapters that engines report, while models are asked for that none has named. */
const lookMs = 50;
/** Adapters that each engine is assumed to hold if none says how many. */
const adaptersMaxGuess = 4;

/** The adapters of one endpoint, as the requests sent there tell. */
interface Places {
  /** Requests in flight by adapter; the first adapters have the places, the others wait for one. */
  readonly inFlight: Map<string, number>;
  /** Requests in flight by models that are not known as adapters. */
  readonly others: Map<string, number>;
  /** Adapters that the engine is assumed to hold, with the time of their last use in ms, the oldest first. */
  readonly resident: Map<string, number>;
  /** Adapters that the engine can hold; undefined if it never said. */
  adaptersMax: number | undefined;
}

/** Facts about one adapter over all endpoints. */
interface Adapter {
  readonly uses: FadingRate;
  /** Endpoints that are assumed to hold it. */
  holders: number;
}

/** The engines' signals that tell of adapters, by slot. */
export type AdapterSignals = Pick<LoadSnapshot, "adapters" | "signalsAtMs">;

export interface WaitInputs {
  /** As the engine reports them. */
  reported: AdapterState | undefined;
  /** True if others send to the engine too, whose adapters only the report has. */
  readonly isShared: boolean;
  /** Duration of a whole request. */
  readonly requestMs: number;
  /** Requests at the endpoint that have no first token. */
  queued: number;
  readonly nowMs: number;
}

/** The wait for an adapter. */
export interface AdapterWait {
  /** Expected milliseconds. */
  readonly ms: number;
  /** Milliseconds that the wait counts as in a decision: less if later requests profit from the load, more if they suffer. */
  readonly priceMs: number;
}

const noWait: AdapterWait = { ms: 0, priceMs: 0 };

/**
 * The time that a request waits for its LoRA adapter, and the price of it:
 *
 *     load + duration of a request x (1 + queued)    if other adapters in flight hold every place
 *     0, at the price duration x adapters that wait  if a request with it is in flight there and has a place
 *     0                                              if it is among the last ones used there
 *     load, at the price load x (1 / (1 + z) + 2 v / (1 + v))   otherwise
 *
 * Requests of adapters that have a place keep others from getting one, without an end if they keep coming. A load is an
 * investment for a popular adapter: `z = 0.3 x uses per second x lifetime / (holders + 1)`. The second term is for the
 * adapter that has to leave, if any: `v` is the same with its own uses and `holders`. The lifetime is the time since its
 * last use, or 300 s if there is room.
 *
 * Requests of a model count before an engine has named it as an adapter.
 */
export class AdapterSlots {
  readonly #places: (Places | undefined)[] = [];
  readonly #adapters = new Map<string, Adapter>();
  /** Models that were asked for before any engine had reported metrics. */
  readonly #unknown = new Set<string>();
  /** Last states whose names were read, by slot. A changed state is a new object. */
  readonly #read: (AdapterState | undefined)[] = [];
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** True once an engine has reported metrics. */
  #hasMetrics = false;
  /** True while every model counts as an adapter. */
  #isGuess = false;
  #loadMs = loadMsPrior;

  get loadMs(): number {
    return this.#loadMs;
  }

  /**
   * The time of a load if there are adapters, at most a second. A prompt waits for its adapter while the engine could compute
   * others, and few prompts are all of adapters that are not loaded.
   */
  get slackMs(): number {
    return this.#adapters.size === 0 ? 0 : Math.min(this.#loadMs, slackMsMax);
  }

  /** False if no engine has adapters, so that there is nothing to count. */
  get mayHaveAdapters(): boolean {
    return !this.#hasMetrics || this.#read.length > 0 || this.#adapters.size > 0;
  }

  /**
   * True if an engine has named the model as an adapter. While no engine has reported any metrics, every model counts as
   * one from the second on: most pools serve several models only as adapters, and a few names of one model take hardly
   * any place.
   */
  isAdapter(model: string, signals: AdapterSignals, nowMs: number): boolean {
    if (this.#adapters.has(model) && !this.#isGuess) return true;
    if (nowMs - this.#lookedMs >= lookMs) {
      this.#lookedMs = nowMs;
      this.#look(signals);
    }
    if (!this.#hasMetrics) this.#guess(model);
    return this.#adapters.has(model);
  }

  /** The model if it is an adapter; without signals, nothing is learned from them or from the request. */
  adapterOf(model: string, signals: AdapterSignals | undefined, nowMs: number): string | undefined {
    const isAdapter =
      signals === undefined ? this.#adapters.has(model) : this.isAdapter(model, signals, nowMs);
    return isAdapter ? model : undefined;
  }

  wait(adapter: string, slot: number, inputs: WaitInputs): AdapterWait {
    const { reported, isShared, requestMs, queued, nowMs } = inputs;
    const places = this.#placesOf(slot);
    if (reported !== undefined) places.adaptersMax = reported.adaptersMax;
    const { inFlight, resident } = places;
    const placesMax = places.adaptersMax ?? (this.#isGuess ? adaptersMaxGuess : undefined);
    if (placesMax === undefined) return noWait;
    const ofOthers = isShared ? reported : undefined;
    const wanted = inFlight.size + addedBy(ofOthers, inFlight);
    const isPlaced =
      hasPlace(adapter, inFlight, placesMax) || isPlacedIn(ofOthers, adapter, wanted <= placesMax);
    if (isPlaced) {
      return { ms: 0, priceMs: requestMs * Math.max(0, wanted - placesMax) };
    }
    if (wanted >= placesMax) {
      const ms = this.#loadMs + requestMs * (1 + queued);
      return { ms, priceMs: ms };
    }
    if (resident.has(adapter)) return noWait;
    const leaving = resident.size >= placesMax ? oldestOf(resident) : undefined;
    const seconds =
      leaving === undefined ? lifetimeSecondsUnused : (nowMs - leaving.usedAtMs) / 1_000;
    const z = this.#usesIn(seconds, adapter, { nowMs, holdersMore: 1 });
    const v =
      leaving === undefined ? 0 : this.#usesIn(seconds, leaving.adapter, { nowMs, holdersMore: 0 });
    const loads = 1 / (1 + z) + (evictionLoads * v) / (1 + v);
    return { ms: this.#loadMs, priceMs: loads * this.#loadMs };
  }

  /** Counts a request of an adapter, or of a model that may be one; call the result once when it is over. */
  enter(model: string, slot: number, nowMs: number): () => void {
    const places = this.#placesOf(slot);
    const adapter = this.#adapters.get(model);
    if (adapter === undefined) addTo(places.others, model, 1);
    else {
      adapter.uses.note(nowMs);
      addTo(places.inFlight, model, 1);
      this.#use(model, adapter, { places, nowMs });
    }
    return () => addTo(places.inFlight.has(model) ? places.inFlight : places.others, model, -1);
  }

  /** Learns from a first token that came this much later than without a load. */
  noteLoad(lateMs: number): void {
    const ms = Math.min(loadMsMax, Math.max(0, lateMs));
    this.#loadMs += loadWeight * (ms - this.#loadMs);
  }

  forget(slot: number): void {
    const resident = this.#places[slot]?.resident;
    for (const adapter of resident?.keys() ?? []) {
      if (resident !== undefined) this.#leave(adapter, resident);
    }
    this.#places[slot] = undefined;
  }

  /** Drops adapters that were used last before the engine restarted; those of requests in flight have ended with it. */
  restart(slot: number, restartMs: number): void {
    const resident = this.#places[slot]?.resident;
    for (const [adapter, usedAtMs] of resident ?? []) {
      if (resident !== undefined && usedAtMs < restartMs) this.#leave(adapter, resident);
    }
  }

  #look({ adapters, signalsAtMs }: AdapterSignals): void {
    if (!this.#hasMetrics && signalsAtMs.some((atMs) => !Number.isNaN(atMs))) {
      this.#hasMetrics = true;
      if (this.#isGuess) this.#unlearn();
      this.#isGuess = false;
    }
    // The column has a place for each slot that a pool may have: without an object for each of them.
    for (let slot = 0; slot < adapters.length; slot += 1) {
      const state = adapters[slot];
      if (state === undefined || state === this.#read[slot]) continue;
      this.#read[slot] = state;
      for (const name of state.active) this.#learn(name);
      for (const name of state.waiting) this.#learn(name);
    }
  }

  #guess(model: string): void {
    if (this.#unknown.size >= namesMax) this.#unknown.clear();
    this.#unknown.add(model);
    this.#isGuess ||= this.#unknown.size > 1;
    if (!this.#isGuess) return;
    for (const unknown of this.#unknown) this.#learn(unknown);
    this.#unknown.clear();
  }

  #learn(name: string): void {
    if (this.#adapters.has(name)) return;
    if (this.#adapters.size >= namesMax) this.#unlearn();
    const adapter: Adapter = { uses: new FadingRate(), holders: 0 };
    this.#adapters.set(name, adapter);
    for (const places of this.#places) {
      const count = places?.others.get(name);
      if (places === undefined || count === undefined) continue;
      places.others.delete(name);
      places.inFlight.set(name, count);
      for (let use = 0; use < count; use += 1) adapter.uses.note(this.#lookedMs);
      this.#use(name, adapter, { places, nowMs: this.#lookedMs });
    }
  }

  /** Takes every adapter for another model again. */
  #unlearn(): void {
    this.#adapters.clear();
    this.#read.length = 0;
    for (const places of this.#places) {
      if (places === undefined) continue;
      for (const [name, count] of places.inFlight) addTo(places.others, name, count);
      places.inFlight.clear();
      places.resident.clear();
    }
  }

  #use(
    name: string,
    adapter: Adapter,
    { places, nowMs }: { readonly places: Places; readonly nowMs: number },
  ): void {
    const { resident, adaptersMax = this.#isGuess ? adaptersMaxGuess : namesMax } = places;
    if (!resident.delete(name)) adapter.holders += 1;
    resident.set(name, nowMs);
    for (const oldest of resident.keys()) {
      if (resident.size <= Math.min(adaptersMax, namesMax)) break;
      this.#leave(oldest, resident);
    }
  }

  /** Expected uses of an adapter on an endpoint; see `copyUses`. */
  #usesIn(
    seconds: number,
    adapter: string,
    { nowMs, holdersMore }: { readonly nowMs: number; readonly holdersMore: 0 | 1 },
  ): number {
    const known = this.#adapters.get(adapter);
    if (known === undefined) return 0;
    const holders = Math.max(1, known.holders + holdersMore);
    return copyUses(known.uses.perSecond(nowMs), Math.max(0, seconds), holders);
  }

  #leave(adapter: string, resident: Map<string, number>): void {
    resident.delete(adapter);
    const known = this.#adapters.get(adapter);
    if (known !== undefined) known.holders = Math.max(0, known.holders - 1);
  }

  #placesOf(slot: number): Places {
    return (this.#places[slot] ??= {
      inFlight: new Map(),
      others: new Map(),
      resident: new Map(),
      adaptersMax: undefined,
    });
  }
}

function oldestOf(resident: ReadonlyMap<string, number>) {
  for (const [adapter, usedAtMs] of resident) return { adapter, usedAtMs };
  return undefined;
}

/** True if the adapter is among the first ones in flight, which have the places of the engine. */
function hasPlace(
  adapter: string,
  inFlight: ReadonlyMap<string, number>,
  placesMax: number,
): boolean {
  if (inFlight.size <= placesMax) return inFlight.has(adapter);
  let place = 0;
  for (const other of inFlight.keys()) {
    if (place >= placesMax) return false;
    if (other === adapter) return true;
    place += 1;
  }
  return false;
}

/** True if a report names the adapter as one that has a place, or will have one because there is room for all. */
function isPlacedIn(
  reported: AdapterState | undefined,
  adapter: string,
  hasRoom: boolean,
): boolean {
  if (reported === undefined) return false;
  return reported.active.has(adapter) || (hasRoom && reported.waiting.has(adapter));
}

/** Number of adapters in a report that are not in flight from here. */
function addedBy(
  reported: AdapterState | undefined,
  inFlight: ReadonlyMap<string, number>,
): number {
  if (reported === undefined) return 0;
  const { active, waiting } = reported;
  let added = 0;
  for (const name of active) if (!inFlight.has(name)) added += 1;
  for (const name of waiting) if (!inFlight.has(name) && !active.has(name)) added += 1;
  return added;
}

/** Adds to a count, which has no entry while it is 0. */
function addTo(counts: Map<string, number>, key: string, more: number): void {
  const count = (counts.get(key) ?? 0) + more;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
