import type { AdapterState } from "../../core/load.ts";

/** Names that are kept; beyond it all are dropped and learned again. */
const namesMax = 4_096;

/** The LoRA adapters that engines have named: loading one takes time that no prompt explains. */
export class AdapterNames {
  readonly #names = new Set<string>();
  /** The last states that were read; a changed state is a new object. */
  readonly #read = new WeakSet<AdapterState>();

  note(state: AdapterState | undefined): void {
    if (state === undefined || this.#read.has(state)) return;
    this.#read.add(state);
    if (this.#names.size + state.active.size + state.waiting.size > namesMax) this.#names.clear();
    for (const name of state.active) this.#names.add(name);
    for (const name of state.waiting) this.#names.add(name);
  }

  /** True if a model is an adapter that an engine with this state would have to load first. */
  isMissing(model: string, state: AdapterState | undefined): boolean {
    this.note(state);
    return state !== undefined && this.#names.has(model) && !state.active.has(model);
  }
}
