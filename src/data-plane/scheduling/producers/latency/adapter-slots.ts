import type { LoadSnapshot } from "../../../../core/load.ts";
import { copyUses, lifetimeSecondsUnused } from "./copy-uses.ts";
import { FadingRate } from "./fading-rate.ts";

/** Loads that an endpoint charges for a popular adapter that it has to evict: others wait for the next load. */
const evictionLoads = 2;
/** Milliseconds to load an adapter before any was seen. */
const loadMsPrior = 1_000;
const loadMsMax = 30_000;
/** Weight of one load in the learned time. */
const loadWeight = 0.1;
/** Names that are known as adapters; beyond it all are dropped and learned again. */
const namesMax = 4_096;
/** Milliseconds after which a model that no engine has named as an adapter is looked up again. */
const lookUpMs = 1_000;
/** Adapters that each engine is assumed to hold if none says how many. */
const adaptersMaxGuess = 4;

/** The adapters of one endpoint, as the requests sent there tell. */
interface Places {
  /** Requests in flight by adapter. */
  readonly inFlight: Map<string, number>;
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

/** The engines' signals that tell adapters, by slot. */
export type AdapterSignals = Pick<LoadSnapshot, "adapters" | "signalsAtMs">;

interface WaitInputs {
  /** As the engine reports it. */
  readonly adaptersMax: number | undefined;
  readonly requestMs: number;
  readonly queued: number;
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
 *     0                                              if a request with it is in flight there
 *     load + duration of a request x (1 + queued)    if other adapters in flight hold every place
 *     0                                              if it is among the last ones used there
 *     load, at the price load x (1 / (1 + z) + 2 v / (1 + v))   otherwise
 *
 * A load is an investment for a popular adapter: `z = 0.3 x uses per second x lifetime / (holders + 1)`. The second term
 * is for the adapter that has to leave, if any: `v` is the same with its own uses and `holders`. The lifetime is the time
 * since its last use, or 300 s if there is room.
 */
export class AdapterSlots {
  readonly #places: (Places | undefined)[] = [];
  readonly #adapters = new Map<string, Adapter>();
  /** Models that no engine has named as an adapter, with the time of the look. */
  readonly #others = new Map<string, number>();
  /** True once an engine has reported metrics. */
  #hasMetrics = false;
  /** True while every model counts as an adapter. */
  #isGuess = false;
  #loadMs = loadMsPrior;

  get loadMs(): number {
    return this.#loadMs;
  }

  /**
   * True if an engine has named the model as an adapter. While no engine has reported any metrics, every model counts as
   * one from the second on: most pools serve several models only as adapters, and a few names of one model take hardly
   * any place.
   */
  isAdapter(model: string, { adapters, signalsAtMs }: AdapterSignals, nowMs: number): boolean {
    const isKnown = this.#adapters.has(model);
    if (isKnown && !this.#isGuess) return true;
    const lookedMs = this.#others.get(model);
    if (lookedMs !== undefined && nowMs - lookedMs < lookUpMs) return isKnown;
    if (this.#others.size >= namesMax) this.#others.clear();
    this.#others.set(model, nowMs);
    if (signalsAtMs.some((atMs) => !Number.isNaN(atMs))) this.#stopGuessing();
    else this.#isGuess = !this.#hasMetrics && this.#others.size > 1;
    const isNamed = adapters.some((state) => state?.active.has(model) || state?.waiting.has(model));
    if (isNamed) this.#others.delete(model);
    if (isNamed || this.#isGuess) this.#learnName(model);
    return this.#adapters.has(model);
  }

  /**
   * @param requestMs duration of a whole request
   * @param queued requests at the endpoint that have no first token
   */
  wait(adapter: string, slot: number, inputs: WaitInputs): AdapterWait {
    const { adaptersMax, requestMs, queued, nowMs } = inputs;
    const places = this.#placesOf(slot);
    if (adaptersMax !== undefined) places.adaptersMax = adaptersMax;
    const { inFlight, resident } = places;
    const placesMax = places.adaptersMax ?? (this.#isGuess ? adaptersMaxGuess : undefined);
    if (placesMax === undefined || inFlight.has(adapter)) return noWait;
    if (inFlight.size >= placesMax) {
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

  /** Counts a request; call the result once when it is over. */
  enter(adapter: string, slot: number, nowMs: number): () => void {
    const places = this.#placesOf(slot);
    const {
      inFlight,
      resident,
      adaptersMax = this.#isGuess ? adaptersMaxGuess : namesMax,
    } = places;
    const known = this.#adapters.get(adapter);
    known?.uses.note(nowMs);
    inFlight.set(adapter, (inFlight.get(adapter) ?? 0) + 1);
    if (!resident.delete(adapter) && known !== undefined) known.holders += 1;
    resident.set(adapter, nowMs);
    for (const oldest of resident.keys()) {
      if (resident.size <= Math.min(adaptersMax, namesMax)) break;
      this.#leave(oldest, resident);
    }
    return () => {
      const left = (inFlight.get(adapter) ?? 0) - 1;
      if (left > 0) inFlight.set(adapter, left);
      else inFlight.delete(adapter);
    };
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

  #learnName(model: string): void {
    if (this.#adapters.has(model)) return;
    if (this.#adapters.size >= namesMax) this.#adapters.clear();
    this.#adapters.set(model, { uses: new FadingRate(), holders: this.#holdersOf(model) });
  }

  #stopGuessing(): void {
    this.#hasMetrics = true;
    if (!this.#isGuess) return;
    this.#isGuess = false;
    this.#adapters.clear();
    for (const places of this.#places) places?.resident.clear();
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

  #holdersOf(adapter: string): number {
    return this.#places.filter((places) => places?.resident.has(adapter)).length;
  }

  #placesOf(slot: number): Places {
    return (this.#places[slot] ??= {
      inFlight: new Map(),
      resident: new Map(),
      adaptersMax: undefined,
    });
  }
}

function oldestOf(resident: ReadonlyMap<string, number>) {
  for (const [adapter, usedAtMs] of resident) return { adapter, usedAtMs };
  return undefined;
}
