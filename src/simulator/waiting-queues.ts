import { AdapterCounts } from "./adapter-counts.ts";
import { type Linked, LinkedList } from "../std/linked-list.ts";

/** A member of the waiting queues. */
export interface Waiting<T> extends Linked<T> {
  /** Arrival number: lower came first. */
  readonly order: number;
  /** Lower runs first, where the engine schedules by priority. */
  readonly priority: number;
  readonly adapter: string | undefined;
}

/**
 * Waiting requests, in a list for each adapter and priority. So the next request that may run costs one
 * check per list, and not one per request that must let others pass.
 */
export class WaitingQueues<T extends Waiting<T>> {
  readonly #queues = new Map<string, LinkedList<T>>();
  /** Waiting requests by adapter. */
  readonly #requestsOf = new AdapterCounts();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Appends a request that has just arrived. */
  push(item: T): void {
    this.#queueOf(item).pushBack(item);
    this.#requestsOf.add(item.adapter);
    this.#size += 1;
  }

  /** Puts a preempted request before all others of its adapter and priority. */
  pushFront(item: T): void {
    this.#queueOf(item).pushFront(item);
    this.#requestsOf.add(item.adapter);
    this.#size += 1;
  }

  remove(item: T): void {
    const queue = this.#queueOf(item);
    queue.remove(item);
    if (queue.size === 0) this.#queues.delete(keyOf(item));
    this.#requestsOf.remove(item.adapter);
    this.#size -= 1;
  }

  /** The first request in turn that passes; those before it are asked first, one of each list. */
  first(byPriority: boolean, passes: (item: T) => boolean): T | undefined {
    const inTurn = (a: T, b: T) => (byPriority ? a.priority - b.priority : 0) || a.order - b.order;
    const heads: T[] = [];
    for (const { head } of this.#queues.values()) if (head !== undefined) heads.push(head);
    const first = heads.reduce<T | undefined>(
      (best, head) => (best === undefined || inTurn(head, best) < 0 ? head : best),
      undefined,
    );
    // Nearly always the first one passes, and nothing has to be sorted.
    if (first === undefined || passes(first)) return first;
    return heads.toSorted(inTurn).find((head) => head !== first && passes(head));
  }

  has(adapter: string): boolean {
    return this.#requestsOf.has(adapter);
  }

  /** The adapters requests wait for. */
  adapters(): readonly string[] {
    return this.#requestsOf.names();
  }

  #queueOf(item: T): LinkedList<T> {
    const key = keyOf(item);
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = new LinkedList<T>();
      this.#queues.set(key, queue);
    }
    return queue;
  }
}

function keyOf({ priority, adapter }: Waiting<unknown>): string {
  return adapter === undefined ? `${priority}` : `${priority} ${adapter}`;
}
