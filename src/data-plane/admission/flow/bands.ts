import type { BandPlan, FlowControlPlan } from "../../../core/flow-control.ts";
import { Band, type BandPolicies } from "./band.ts";

/** Bands at a time besides those of the configuration. */
const otherBandsMax = 64;

/** The rules by which bands are made. */
export interface BandRules {
  readonly plan: FlowControlPlan;
  readonly policiesOf: (band: BandPlan) => BandPolicies;
  /** Priorities of the objectives; the same array until they change. */
  readonly priorities: () => readonly number[];
}

/**
 * The bands by priority. Those of the configuration always exist; those of objectives, and of requests with another
 * priority, are made when they are needed. If there are too many, empty ones go first, and then a request joins the next
 * band below.
 */
export class Bands {
  #rules: BandRules;
  #all: Band[] = [];
  #byPriority = new Map<number, Band>();
  #priorities: number[] = [];
  #wanted: readonly number[] = [];

  constructor(rules: BandRules) {
    this.#rules = rules;
    this.configure(rules);
  }

  /** By descending priority. */
  get all(): readonly Band[] {
    return this.#all;
  }

  /** The priorities of all bands, highest first. */
  get priorities(): readonly number[] {
    return this.#priorities;
  }

  configure(rules: BandRules): void {
    this.#rules = rules;
    for (const band of this.#all) {
      const plan = this.#planOf(band.priority);
      band.reconfigure(plan, rules.policiesOf(plan));
    }
    for (const { priority } of rules.plan.bands) this.#ensure(priority);
    this.#wanted = [];
    this.#ensureWanted();
  }

  /** The band of a request with this priority. */
  of(priority: number): Band {
    this.#ensureWanted();
    const band = this.#byPriority.get(priority) ?? this.#made(priority);
    if (band !== undefined) return band;
    const below = this.#all.find((each) => each.priority <= priority) ?? this.#all.at(-1);
    // The configuration has at least the band of priority 0.
    if (below === undefined) throw new Error("there is no band");
    return below;
  }

  /** Makes the bands of objectives, so that usage limits see them before their first request. */
  #ensureWanted(): void {
    const wanted = this.#rules.priorities();
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    for (const priority of wanted) this.#made(priority);
  }

  /** The band, made if it has to be; undefined if there are too many. */
  #made(priority: number): Band | undefined {
    const { bands } = this.#rules.plan;
    if (this.#all.length >= bands.length + otherBandsMax && !this.#dropEmpty()) {
      return this.#byPriority.get(priority);
    }
    return this.#ensure(priority);
  }

  #ensure(priority: number): Band {
    const known = this.#byPriority.get(priority);
    if (known !== undefined) return known;
    const plan = this.#planOf(priority);
    const band = new Band(plan, this.#rules.policiesOf(plan));
    this.#keep([...this.#all, band].toSorted((a, b) => b.priority - a.priority));
    return band;
  }

  /** Drops a band without requests that neither the configuration nor an objective names; false if there is none. */
  #dropEmpty(): boolean {
    const isNamed = (priority: number) =>
      this.#wanted.includes(priority) ||
      this.#rules.plan.bands.some((band) => band.priority === priority);
    const idle = this.#all.find((band) => band.size === 0 && !isNamed(band.priority));
    if (idle === undefined) return false;
    this.#keep(this.#all.filter((band) => band !== idle));
    return true;
  }

  #keep(bands: Band[]): void {
    this.#all = bands;
    this.#byPriority = new Map(bands.map((band) => [band.priority, band]));
    this.#priorities = bands.map(({ priority }) => priority);
  }

  #planOf(priority: number): BandPlan {
    const { bands, otherBands, otherNegativeBands } = this.#rules.plan;
    const named = bands.find((band) => band.priority === priority);
    return named ?? { ...(priority < 0 ? otherNegativeBands : otherBands), priority };
  }
}
