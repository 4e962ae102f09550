import type { AdapterState } from "../../../../core/load.ts";

/** Loads that an endpoint charges in addition if it has to evict an adapter, which others then load again. */
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

/** The adapters of one endpoint, as the requests sent there tell. */
interface Places {
  /** Requests in flight by adapter. */
  readonly inFlight: Map<string, number>;
  /** Adapters by their last use, the oldest first: those that the engine is assumed to hold. */
  readonly resident: Set<string>;
  /** Adapters that the engine can hold; undefined if it never said. */
  adaptersMax: number | undefined;
}

/** Waiting for an adapter, in parts. */
export interface AdapterWait {
  readonly ms: number;
  /** True if the engine has to load it. */
  readonly isLoad: boolean;
}

const noWait: AdapterWait = { ms: 0, isLoad: false };

/**
 * The time that requests wait for a LoRA adapter:
 *
 * - 0 if a request with it is in flight there;
 * - a load and a whole request for each one queued, if other adapters in flight hold every place;
 * - 0 if it was among the last adapters used, as many as the engine can hold;
 * - else a load, and two more if it has to evict another adapter.
 */
export class AdapterSlots {
  readonly #places: (Places | undefined)[] = [];
  readonly #names = new Set<string>();
  /** Models that no engine has named as an adapter, with the time of the look. */
  readonly #others = new Map<string, number>();
  #loadMs = loadMsPrior;

  get loadMs(): number {
    return this.#loadMs;
  }

  /** True if an engine has named the model as an adapter. */
  isAdapter(model: string, adapters: readonly (AdapterState | undefined)[], nowMs: number) {
    if (this.#names.has(model)) return true;
    const lookedMs = this.#others.get(model);
    if (lookedMs !== undefined && nowMs - lookedMs < lookUpMs) return false;
    if (adapters.some((state) => state?.active.has(model) || state?.waiting.has(model))) {
      if (this.#names.size >= namesMax) this.#names.clear();
      this.#names.add(model);
      this.#others.delete(model);
      return true;
    }
    if (this.#others.size >= namesMax) this.#others.clear();
    this.#others.set(model, nowMs);
    return false;
  }

  /**
   * @param requestMs duration of a whole request
   * @param queued requests at the endpoint that have no first token
   */
  wait(adapter: string, slot: number, { adaptersMax, requestMs, queued }: WaitInputs): AdapterWait {
    const places = this.#placesOf(slot);
    if (adaptersMax !== undefined) places.adaptersMax = adaptersMax;
    const { inFlight, resident } = places;
    if (places.adaptersMax === undefined || inFlight.has(adapter)) return noWait;
    if (inFlight.size >= places.adaptersMax) {
      return { ms: this.#loadMs + requestMs * (1 + queued), isLoad: true };
    }
    if (resident.has(adapter)) return noWait;
    const loads = resident.size >= places.adaptersMax ? 1 + evictionLoads : 1;
    return { ms: loads * this.#loadMs, isLoad: true };
  }

  /** Counts a request; call the result once when it is over. */
  enter(adapter: string, slot: number): () => void {
    const places = this.#placesOf(slot);
    const { inFlight, resident, adaptersMax = Infinity } = places;
    inFlight.set(adapter, (inFlight.get(adapter) ?? 0) + 1);
    resident.delete(adapter);
    resident.add(adapter);
    for (const oldest of resident) {
      if (resident.size <= Math.min(adaptersMax, namesMax)) break;
      resident.delete(oldest);
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
    this.#places[slot] = undefined;
  }

  #placesOf(slot: number): Places {
    return (this.#places[slot] ??= {
      inFlight: new Map(),
      resident: new Set(),
      adaptersMax: undefined,
    });
  }
}

interface WaitInputs {
  /** As the engine reports it. */
  readonly adaptersMax: number | undefined;
  readonly requestMs: number;
  readonly queued: number;
}
