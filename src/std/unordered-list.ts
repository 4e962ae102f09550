/** An item with its place in the one list that it is in. */
export interface Placed {
  /** Kept by the list; -1 outside. */
  place: number;
}

/**
 * Items in no order: every operation takes O(1). A list and not a `Set` or `Map`: one that many items pass through makes a
 * new table again and again, and each old table keeps the next one and its items. Once one of them is old, the garbage
 * collector moves all items that come after it, and what they hold, until its next full collection.
 */
export class UnorderedList<T extends Placed> {
  #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Adds an item; one that is in the list stays there. */
  add(item: T): void {
    if (item.place !== -1) return;
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** False if it is not in the list. */
  delete(item: T): boolean {
    const { place } = item;
    if (place === -1) return false;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return true;
    this.#items[place] = last;
    last.place = place;
    return true;
  }

  /** Empties the list; returns the items that were in it. */
  takeAll(): readonly T[] {
    const items = this.#items;
    this.#items = [];
    for (const item of items) item.place = -1;
    return items;
  }

  /** A copy, since items may leave meanwhile. */
  list(): readonly T[] {
    return [...this.#items];
  }
}
