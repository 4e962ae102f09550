import type { OrderingPolicy, QueuedRequest } from "../../../core/flow-control.ts";
import { Heap, type HeapItem } from "./heap.ts";

/** A total order of the requests that wait: those that were sent before, then by policy, then by arrival. */
export interface TotalOrder {
  /** True if it depends on the work of requests. */
  readonly readsOwnMs: boolean;
  /** Maximum number of requests that pass one over; undefined for no bound. */
  readonly passesMax: number | undefined;
  /** The class of a request; undefined if all are in one. */
  readonly classOf: ((request: QueuedRequest) => number) | undefined;
  /** Constant as long as both wait, among requests of one class. */
  compare(a: QueuedRequest, b: QueuedRequest): number;
  /** Among all requests, as they are at this time. */
  compareAt(a: QueuedRequest, b: QueuedRequest, nowMs: number): number;
}

/** The class of requests that were passed over as often as it is allowed, which policies give to none. */
const dueClass = Number.POSITIVE_INFINITY;

export function totalOrderOf(ordering: OrderingPolicy): TotalOrder {
  const order = unboundedOrderOf(ordering);
  const { passesMax } = ordering;
  if (passesMax === undefined) return order;
  const isDue = ({ passes = 0 }: QueuedRequest) => passes >= passesMax;
  // Those that are due take precedence over others, in order of arrival.
  const byDue = (a: QueuedRequest, b: QueuedRequest) =>
    Number(isDue(b)) - Number(isDue(a)) || (isDue(a) ? a.sequence - b.sequence : 0);
  return {
    ...order,
    passesMax,
    classOf: (request) => (isDue(request) ? dueClass : (order.classOf?.(request) ?? 0)),
    compare: (a, b) => byReturn(a, b) || byDue(a, b) || order.compare(a, b),
    compareAt: (a, b, nowMs) => byReturn(a, b) || byDue(a, b) || order.compareAt(a, b, nowMs),
  };
}

function unboundedOrderOf(ordering: OrderingPolicy): TotalOrder {
  const { changing, readsOwnMs = false } = ordering;
  const passesMax = undefined;
  const compare = (a: QueuedRequest, b: QueuedRequest) =>
    byReturn(a, b) || ordering.compare(a, b) || a.sequence - b.sequence;
  if (changing === undefined) {
    return { readsOwnMs, passesMax, classOf: undefined, compare, compareAt: compare };
  }
  return {
    readsOwnMs,
    passesMax,
    classOf: (request) => changing.classOf(request),
    compare,
    compareAt: (a, b, nowMs) =>
      byReturn(a, b) || changing.compareAt(a, b, nowMs) || a.sequence - b.sequence,
  };
}

function byReturn(a: QueuedRequest, b: QueuedRequest): number {
  return Number(b.isReturned === true) - Number(a.isReturned === true);
}

/**
 * The requests of one flow in the order of a policy. Adding and removing take O(log n), and the first one is found in
 * O(classes), however many wait: the order within a class is constant, and its heap knows the first.
 */
export class Lineup<Item extends QueuedRequest & HeapItem & { passes?: number }> {
  readonly #order: TotalOrder;
  /** By class; none is empty. */
  readonly #heaps = new Map<number, Heap<Item>>();
  #size = 0;

  constructor(order: TotalOrder) {
    this.#order = order;
  }

  get size(): number {
    return this.#size;
  }

  add(item: Item): void {
    const key = this.#classOf(item);
    let heap = this.#heaps.get(key);
    if (heap === undefined) {
      heap = new Heap<Item>((a, b) => this.#order.compare(a, b));
      this.#heaps.set(key, heap);
    }
    heap.add(item);
    this.#size += 1;
  }

  remove(item: Item): void {
    const key = this.#classOf(item);
    const heap = this.#heaps.get(key);
    if (heap === undefined || item.place < 0) return;
    heap.remove(item);
    this.#size -= 1;
    if (heap.size === 0) this.#heaps.delete(key);
  }

  /**
   * Counts that a request is sent before those that came earlier; call it before `remove`. O(n) if the order has a bound.
   * A request that comes back from an endpoint passes none: it was sent before.
   */
  sent(item: Item): void {
    const { passesMax } = this.#order;
    if (passesMax === undefined || item.isReturned === true) return;
    for (const other of this.items()) {
      if (other.sequence >= item.sequence) continue;
      const passes = (other.passes ?? 0) + 1;
      const isNowDue = passes === passesMax;
      if (isNowDue) this.remove(other);
      other.passes = passes;
      if (isNowDue) this.add(other);
    }
  }

  first(nowMs: number): Item | undefined {
    let first: Item | undefined;
    for (const heap of this.#heaps.values()) {
      const item = heap.first;
      if (item === undefined) continue;
      if (first === undefined || this.#order.compareAt(item, first, nowMs) < 0) first = item;
    }
    return first;
  }

  /** The request that goes last at this time; O(n). */
  last(nowMs: number): Item | undefined {
    let last: Item | undefined;
    for (const heap of this.#heaps.values()) {
      const item = heap.last;
      if (item === undefined) continue;
      if (last === undefined || this.#order.compareAt(item, last, nowMs) > 0) last = item;
    }
    return last;
  }

  /** All requests, in no order. */
  items(): Item[] {
    return [...this.#heaps.values()].flatMap((heap) => heap.items);
  }

  #classOf(item: Item): number {
    return this.#order.classOf?.(item) ?? 0;
  }
}
