/** An element of a heap, which knows its place so that it can be removed. */
export interface HeapItem {
  /** Index in the heap; -1 while it is in none. Only the heap changes it. */
  place: number;
}

/**
 * A binary heap. `compare` is a total order that does not change for elements in it. Adding and removing take
 * O(log n), also from within.
 */
export class Heap<Item extends HeapItem> {
  readonly #items: Item[] = [];
  #compare: (a: Item, b: Item) => number;

  constructor(compare: (a: Item, b: Item) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): Item | undefined {
    return this.#items[0];
  }

  /** All elements in no order. */
  get items(): readonly Item[] {
    return this.#items;
  }

  add(item: Item): void {
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  remove(item: Item): void {
    const { place } = item;
    if (this.#items[place] !== item) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#items[place] = last;
    last.place = place;
    this.#up(last, place);
    this.#down(last, last.place);
  }

  /** The element that goes last; O(n). */
  get last(): Item | undefined {
    let last: Item | undefined;
    // The last one has none below it.
    for (let index = this.#items.length >> 1; index < this.#items.length; index += 1) {
      const item = this.#items[index];
      if (item !== undefined && (last === undefined || this.#compare(item, last) > 0)) last = item;
    }
    return last;
  }

  /** Puts all elements in another order. */
  reorder(compare: (a: Item, b: Item) => number): void {
    this.#compare = compare;
    this.#items.sort(compare);
    for (const [index, item] of this.#items.entries()) item.place = index;
  }

  #up(item: Item, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || this.#compare(item, parent) >= 0) break;
      this.#items[place] = parent;
      parent.place = place;
      place = above;
    }
    this.#items[place] = item;
    item.place = place;
  }

  #down(item: Item, from: number): void {
    let place = from;
    for (;;) {
      const child = this.#lesserChild(place);
      if (child === undefined || this.#compare(child, item) >= 0) break;
      const below = child.place;
      this.#items[place] = child;
      child.place = place;
      place = below;
    }
    this.#items[place] = item;
    item.place = place;
  }

  #lesserChild(place: number): Item | undefined {
    const left = this.#items[2 * place + 1];
    const right = this.#items[2 * place + 2];
    if (left === undefined || right === undefined) return left;
    return this.#compare(right, left) < 0 ? right : left;
  }
}
