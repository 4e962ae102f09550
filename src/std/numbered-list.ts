/**
 * Items in the order of their numbers, in which they come: the streams of a connection, or requests. A list and not a `Map`
 * (`UnorderedList` says why), and no choice of numbers makes it slow.
 */
export class NumberedList<T extends { readonly id: number }> {
  #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  get(id: number): T | undefined {
    const item = this.#items[this.#placeOf(id)];
    return item?.id === id ? item : undefined;
  }

  /** Adds an item with a higher number than all before it. */
  add(item: T): void {
    this.#items.push(item);
  }

  delete(id: number): void {
    const place = this.#placeOf(id);
    if (this.#items[place]?.id !== id) return;
    if (place === 0) this.#items.shift();
    else this.#items.splice(place, 1);
  }

  /** All items; the list may change meanwhile. */
  all(): readonly T[] {
    return [...this.#items];
  }

  clear(): void {
    this.#items = [];
  }

  /** The place of the first item with this number or a higher one. */
  #placeOf(id: number): number {
    const items = this.#items;
    let [from, to] = [0, items.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((items[middle]?.id ?? 0) < id) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
