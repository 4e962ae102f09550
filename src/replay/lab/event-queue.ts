interface Planned {
  readonly atMs: number;
  /** Order of planning, which decides among events of one moment. */
  readonly order: number;
  readonly run: () => void;
}

/** Virtual time: events in order of time, and of one moment in the order in which they were planned. */
export class EventQueue {
  /** A binary heap: each event is before the two at twice its place. */
  readonly #heap: Planned[] = [];
  #planned = 0;
  nowMs = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** An event of the past runs now. */
  add(atMs: number, run: () => void): void {
    const planned = { atMs: Math.max(atMs, this.nowMs), order: this.#planned, run };
    this.#planned += 1;
    let place = this.#heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || isBefore(above, planned)) break;
      this.#heap[place] = above;
      place = parent;
    }
    this.#heap[place] = planned;
  }

  /** Runs the next event if it is due by `endMs`; false if none is. */
  runNext(endMs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.atMs > endMs) return false;
    const last = this.#heap.pop();
    if (last !== undefined && last !== next) this.#sink(last);
    this.nowMs = next.atMs;
    next.run();
    return true;
  }

  /** Puts an event in the place of the first. */
  #sink(event: Planned): void {
    const heap = this.#heap;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const [first, second] = [heap[left], heap[left + 1]];
      if (first === undefined) break;
      const isRight = second !== undefined && isBefore(second, first);
      const child = isRight ? second : first;
      if (isBefore(event, child)) break;
      heap[place] = child;
      place = isRight ? left + 1 : left;
    }
    heap[place] = event;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
