import type { ShadowDifference, ShadowPage } from "../../admin/shadow-page.ts";

/** Decisions that differ and that the page shows. */
const differencesMax = 50;

/** A difference, with its time as milliseconds since the Unix epoch: texts are made for readers only. */
export interface KeptDifference extends Omit<ShadowDifference, "at"> {
  readonly wallMs: number;
}

/** The last decisions that differ. */
export class LastDifferences {
  readonly #kept: KeptDifference[] = [];
  /** Place of the next one. */
  #next = 0;

  add(difference: KeptDifference): void {
    this.#kept[this.#next] = difference;
    this.#next = (this.#next + 1) % differencesMax;
  }

  /** The latest one first. */
  list(): ShadowPage["differences"] {
    const inOrder = [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)];
    return inOrder
      .toReversed()
      .map(({ wallMs, ...rest }) => Object.assign({ at: new Date(wallMs).toISOString() }, rest));
  }
}
