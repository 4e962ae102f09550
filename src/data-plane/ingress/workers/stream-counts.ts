/**
 * Counts of the streams of each worker, in memory that all threads share: a worker writes its own two columns, and the
 * main thread reads them while it drains.
 */
export class StreamCounts {
  readonly shared: SharedArrayBuffer;
  readonly #counts: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#counts = new Int32Array(shared);
  }

  static of(workers: number): StreamCounts {
    return new StreamCounts(new SharedArrayBuffer(workers * 2 * Int32Array.BYTES_PER_ELEMENT));
  }

  set(worker: number, { open, total }: { readonly open: number; readonly total: number }): void {
    Atomics.store(this.#counts, worker * 2, open);
    // It wraps around after two billion streams; only changes of it matter.
    Atomics.store(this.#counts, worker * 2 + 1, total);
  }

  /** Open streams of each worker. */
  get each(): readonly number[] {
    return Array.from({ length: this.#counts.length / 2 }, (_, worker) =>
      Atomics.load(this.#counts, worker * 2),
    );
  }

  get open(): number {
    return this.#sumFrom(0);
  }

  get total(): number {
    return this.#sumFrom(1);
  }

  #sumFrom(first: number): number {
    let sum = 0;
    for (let at = first; at < this.#counts.length; at += 2) sum += Atomics.load(this.#counts, at);
    return sum;
  }
}
