/** The objectives for TPOT of the requests in flight, in milliseconds, by endpoint. Bounded by those requests. */
export class TpotObjectives {
  /** Ascending. */
  readonly #bySlot: (number[] | undefined)[] = [];

  /** The strictest objective at the endpoint; undefined if no request there has one. */
  strictestMs(slot: number): number | undefined {
    return this.#bySlot[slot]?.[0];
  }

  /** Counts a request; call the result once when it is over. */
  enter(slot: number, tpotMs: number): () => void {
    const all = (this.#bySlot[slot] ??= []);
    all.splice(placeIn(all, tpotMs), 0, tpotMs);
    return () => {
      // Equal objectives are the same to the rest.
      const place = placeIn(all, tpotMs);
      if (all[place] === tpotMs) all.splice(place, 1);
    };
  }

  /** Requests under way keep the list that they were counted in. */
  forget(slot: number): void {
    this.#bySlot[slot] = undefined;
  }
}

/** Index of the first objective that is not stricter. */
function placeIn(all: readonly number[], tpotMs: number): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((all[middle] ?? 0) < tpotMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
