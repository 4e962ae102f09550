/**
 * The open streams of a connection, in the order of their numbers, which is that in which clients open them.
 *
 * The tables that a `Map` leaves behind, when it makes room, still point at the streams of that moment; once they are
 * old, the garbage collector keeps these streams, and all that they hold, until its next full collection. A list leaves
 * nothing behind, and no choice of numbers makes it slow.
 */
export class StreamList<T extends { readonly id: number }> {
  readonly #streams: T[] = [];

  get size(): number {
    return this.#streams.length;
  }

  get(id: number): T | undefined {
    const stream = this.#streams[this.#placeOf(id)];
    return stream?.id === id ? stream : undefined;
  }

  /** Adds a stream with a higher number than all before it. */
  add(stream: T): void {
    this.#streams.push(stream);
  }

  delete(id: number): void {
    const place = this.#placeOf(id);
    if (this.#streams[place]?.id !== id) return;
    if (place === 0) this.#streams.shift();
    else this.#streams.splice(place, 1);
  }

  /** All streams; the list may change meanwhile. */
  all(): readonly T[] {
    return [...this.#streams];
  }

  /** The place of the first stream with this number or a higher one. */
  #placeOf(id: number): number {
    const streams = this.#streams;
    let [from, to] = [0, streams.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((streams[middle]?.id ?? 0) < id) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
