import { type Linked, LinkedList } from "./linked-list.ts";

/** A member of the waiting queues. */
export interface Waiting<T> extends Linked<T> {
  /** Arrival number: lower came first. */
  readonly order: number;
  readonly adapter: string | undefined;
}

/**
 * First come, first served, except that requests whose adapter is not loaded let others pass.
 *
 * One list per adapter makes that cheap: a choice costs one check per adapter in the queue, not one
 * per waiting request.
 */
export class WaitingQueues<T extends Waiting<T>> {
  readonly #queues = new Map<string | undefined, LinkedList<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Appends a request that has just arrived. */
  push(item: T): void {
    this.#queueOf(item).pushBack(item);
    this.#size += 1;
  }

  /** Puts back a request that arrived before all others waiting for the same adapter. */
  pushFront(item: T): void {
    this.#queueOf(item).pushFront(item);
    this.#size += 1;
  }

  remove(item: T): void {
    const queue = this.#queueOf(item);
    queue.remove(item);
    if (queue.size === 0) this.#queues.delete(item.adapter);
    this.#size -= 1;
  }

  /** The earliest request among those whose adapter passes. */
  first(passes: (adapter: string | undefined) => boolean): T | undefined {
    let first: T | undefined;
    for (const [adapter, { head }] of this.#queues) {
      if (head === undefined || !passes(adapter)) continue;
      if (first === undefined || head.order < first.order) first = head;
    }
    return first;
  }

  has(adapter: string): boolean {
    return this.#queues.has(adapter);
  }

  /** The adapters requests wait for, in no particular order. */
  adapters(): readonly string[] {
    return [...this.#queues.keys()].filter((adapter) => adapter !== undefined);
  }

  #queueOf(item: T): LinkedList<T> {
    let queue = this.#queues.get(item.adapter);
    if (queue === undefined) {
      queue = new LinkedList<T>();
      this.#queues.set(item.adapter, queue);
    }
    return queue;
  }
}
