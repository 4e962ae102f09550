/** Links of an item, which is a member of one `LinkedList` at a time. */
export interface Linked<T> {
  previous: T | undefined;
  next: T | undefined;
}

/** An intrusive doubly linked list: every operation, removal from the middle too, takes O(1). */
export class LinkedList<T extends Linked<T>> {
  #head: T | undefined;
  #tail: T | undefined;
  #size = 0;

  get head(): T | undefined {
    return this.#head;
  }

  get tail(): T | undefined {
    return this.#tail;
  }

  get size(): number {
    return this.#size;
  }

  pushBack(item: T): void {
    item.previous = this.#tail;
    item.next = undefined;
    if (this.#tail === undefined) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
    this.#size += 1;
  }

  pushFront(item: T): void {
    item.previous = undefined;
    item.next = this.#head;
    if (this.#head === undefined) this.#tail = item;
    else this.#head.previous = item;
    this.#head = item;
    this.#size += 1;
  }

  /** `item` must be a member. */
  remove(item: T): void {
    if (item.previous === undefined) this.#head = item.next;
    else item.previous.next = item.next;
    if (item.next === undefined) this.#tail = item.previous;
    else item.next.previous = item.previous;
    item.previous = undefined;
    item.next = undefined;
    this.#size -= 1;
  }
}
