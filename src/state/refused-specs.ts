import { identityOf, type RefusedSpec } from "./membership.ts";

/** Difference between the endpoints left out now and before. */
export interface RefusedChange {
  readonly added: readonly RefusedSpec[];
  /** Added to the pool, or no longer listed by the source. */
  readonly removed: readonly RefusedSpec[];
  /** The number of endpoints left out now. */
  readonly count: number;
}

/** The endpoints that a source lists and the pool leaves out. */
export class RefusedSpecs {
  readonly #listeners = new Set<(change: RefusedChange) => void>();
  #byKey: ReadonlyMap<string, RefusedSpec> = new Map();

  get all(): readonly RefusedSpec[] {
    return [...this.#byKey.values()];
  }

  /** Calls `listener` when other endpoints are left out than before, or for another reason. */
  onChange(listener: (change: RefusedChange) => void): void {
    this.#listeners.add(listener);
  }

  replace(refused: readonly RefusedSpec[]): void {
    const before = this.#byKey;
    if (before.size === 0 && refused.length === 0) return;
    const now = new Map(refused.map((each) => [keyOf(each), each]));
    this.#byKey = now;
    const added = refused.filter((each) => !before.has(keyOf(each)));
    const removed = [...before].flatMap(([key, each]) => (now.has(key) ? [] : [each]));
    if (added.length + removed.length === 0) return;
    for (const listener of this.#listeners) listener({ added, removed, count: now.size });
  }
}

function keyOf({ spec, reason, holder }: RefusedSpec): string {
  return `${reason} ${identityOf(spec)} ${holder === undefined ? "" : identityOf(holder)}`;
}
