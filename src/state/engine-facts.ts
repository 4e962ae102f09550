import type { Endpoint } from "../core/endpoint.ts";
import type { AdapterState } from "../core/load.ts";
import type { PoolSlots } from "./pool-slots.ts";
import type { SlotHolder } from "./report-writer.ts";
import type { RunningView } from "./running-view.ts";
import { ServedModels } from "./served-models.ts";

interface FactDeps {
  readonly slots: PoolSlots;
  readonly view: RunningView;
}

/** Facts about engines that seldom change: the kind of engine, its models and its adapters. */
export class EngineFacts {
  readonly #slots: PoolSlots;
  readonly #view: RunningView;
  readonly #engines: (string | undefined)[] = [];
  /** By slot, for endpoints that list their models. */
  readonly #models = new Map<number, ReadonlySet<string>>();
  readonly #served = new ServedModels();

  constructor({ slots, view }: FactDeps) {
    this.#slots = slots;
    this.#view = view;
    slots.follow({ turnover: (slot) => this.#forget(slot) });
  }

  /** Stores the engine whose metrics an endpoint has. */
  setEngine(holder: SlotHolder, name: string): void {
    if (this.#isCurrent(holder)) this.#engines[holder.slot] = name;
  }

  /** The engine whose metrics an endpoint has; undefined until they were read. */
  engineOf({ slot }: Endpoint): string | undefined {
    return this.#engines[slot];
  }

  /** Stores the adapters that an engine reports. */
  setAdapters(holder: SlotHolder, adapters: AdapterState | undefined): void {
    if (!this.#isCurrent(holder)) return;
    this.#view.setAdapters(holder.slot, adapters);
    const names = adapters === undefined ? [] : [...adapters.active, ...adapters.waiting];
    this.#served.set("adapters", holder.slot, new Set(names));
  }

  /** Stores the models that an endpoint lists; undefined if it no longer lists any. */
  setModels(holder: SlotHolder, models: readonly string[] | undefined): void {
    if (!this.#isCurrent(holder)) return;
    const names = new Set(models);
    if (models === undefined) this.#models.delete(holder.slot);
    else this.#models.set(holder.slot, names);
    this.#served.set("models", holder.slot, names);
  }

  /** Drops the models of every endpoint, because the configuration in force does not read them. */
  forgetModels(): void {
    for (const slot of this.#models.keys()) this.#served.set("models", slot, new Set());
    this.#models.clear();
  }

  /**
   * By slot, the models that an endpoint lists, adapters included; undefined while no endpoint
   * lists any.
   */
  get models(): ReadonlyMap<number, ReadonlySet<string>> | undefined {
    return this.#models.size === 0 ? undefined : this.#models;
  }

  /** Models that an endpoint listed before, and none does now. */
  readonly pastModels = this.#served.past;

  /** True if an endpoint lists a model of this name or has loaded it as an adapter. */
  isServed(model: string): boolean {
    return this.#served.has(model);
  }

  /** Facts about an endpoint that left do not hold for the next one in its slot. */
  #isCurrent(holder: SlotHolder): boolean {
    return this.#slots.holderOf(holder) !== undefined;
  }

  #forget(slot: number): void {
    this.#engines[slot] = undefined;
    this.#models.delete(slot);
    this.#served.forget(slot);
  }
}
