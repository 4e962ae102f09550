import type { Endpoint } from "../core/endpoint.ts";
import type { MissingReason, ReadingState } from "../core/signals.ts";
import type { CancelTimer, Clock } from "../std/clock.ts";
import type { EndpointStore } from "./endpoint-store.ts";
import type { SlotHolder } from "./report-writer.ts";

/** Signals that the configuration in force reads, each with the plugins that read it. */
export type SignalNeeds = ReadonlyMap<string, readonly string[]>;

/** A needed signal that endpoints of one engine do not report although they report others. */
export interface MissingGroup {
  readonly signal: string;
  readonly engine: string;
  /** The expected metric; empty if none is known. */
  readonly family: string;
  readonly reason: MissingReason;
  readonly endpoints: number;
  /** The number of all endpoints of the engine. */
  readonly ofEndpoints: number;
  readonly neededBy: readonly string[];
}

export type SilenceEvent =
  | { readonly kind: "missing"; readonly group: MissingGroup }
  | { readonly kind: "reported-again"; readonly signal: string; readonly engine: string };

interface ReadingStatesDeps {
  readonly store: EndpointStore;
  readonly clock: Clock;
  readonly onEvent: (event: SilenceEvent) => void;
}

/**
 * Delay between a change and the check of all endpoints: a hundred engines that change together are
 * one event.
 */
const settleMs = 2_000;

interface Known {
  readonly generation: number;
  readonly state: ReadingState;
}

/**
 * State of every endpoint's scrapes, and the needed signals that are missing.
 *
 * One event is sent when a signal becomes missing at an engine, for another reason or under another
 * name, and one when all of the engine's endpoints report it again; not one per endpoint.
 */
export class ReadingStates {
  readonly #deps: ReadingStatesDeps;
  readonly #bySlot = new Map<number, Known>();
  #needs: SignalNeeds = new Map();
  /** Groups that events were sent for, by their key. */
  #told = new Map<string, MissingGroup>();
  #cancelLook: CancelTimer | undefined;

  constructor(deps: ReadingStatesDeps) {
    this.#deps = deps;
    deps.store.onChange(({ removed }) => {
      for (const { slot } of removed) this.#bySlot.delete(slot);
      if (removed.length > 0) this.#lookSoon();
    });
  }

  /** Signals that the configuration in force reads. */
  set needs(needs: SignalNeeds) {
    this.#needs = needs;
    this.#lookSoon();
  }

  set({ slot, generation }: SlotHolder, state: ReadingState): void {
    this.#bySlot.set(slot, { generation, state });
    this.#lookSoon();
  }

  /** Undefined before an endpoint was scraped for the first time. */
  stateOf({ slot }: Endpoint): ReadingState | undefined {
    const known = this.#bySlot.get(slot);
    const { generations } = this.#deps.store.board;
    return known?.generation === generations[slot] ? known?.state : undefined;
  }

  /** The needed signals that are missing now. */
  missing(): readonly MissingGroup[] {
    return [...this.#groups().values()];
  }

  /** Cancels the pending check. */
  stop(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #lookSoon(): void {
    this.#cancelLook ??= this.#deps.clock.after(settleMs, () => {
      this.#cancelLook = undefined;
      this.#look();
    });
  }

  #look(): void {
    const groups = this.#groups();
    const { onEvent } = this.#deps;
    for (const [key, group] of groups) {
      if (!this.#told.has(key)) onEvent({ kind: "missing", group });
    }
    const still = new Set([...groups.values()].map(silenceOf));
    const ended = new Map([...this.#told.values()].map((group) => [silenceOf(group), group]));
    for (const [silence, { signal, engine }] of ended) {
      if (!still.has(silence)) onEvent({ kind: "reported-again", signal, engine });
    }
    this.#told = groups;
  }

  #groups(): Map<string, MissingGroup> {
    const groups = new Map<string, MissingGroup>();
    const states = this.#deps.store.endpoints().flatMap((endpoint) => this.stateOf(endpoint) ?? []);
    const ofEngine = new Map<string, number>();
    for (const { engine = "" } of states) ofEngine.set(engine, (ofEngine.get(engine) ?? 0) + 1);
    for (const { engine = "", missing } of states) {
      for (const { signal, family, reason } of missing) {
        const neededBy = this.#needs.get(signal);
        if (neededBy === undefined) continue;
        const key = JSON.stringify([signal, engine, family, reason]);
        const endpoints = (groups.get(key)?.endpoints ?? 0) + 1;
        const ofEndpoints = ofEngine.get(engine) ?? 0;
        groups.set(key, { signal, engine, family, reason, endpoints, ofEndpoints, neededBy });
      }
    }
    return groups;
  }
}

function silenceOf({ signal, engine }: MissingGroup): string {
  return JSON.stringify([signal, engine]);
}
