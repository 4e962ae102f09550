/** Bytes that wait for the rest of their line or head. */
export class HeldText {
  #bytes = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds bytes. The room is doubled, so that bytes that come one by one are not copied again and again. */
  add(bytes: Uint8Array, from: number, end: number): void {
    const length = this.#length + end - from;
    if (length > this.#bytes.length) {
      const room = Buffer.allocUnsafe(Math.max(256, 2 * length));
      room.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = room;
    }
    this.#bytes.set(bytes.subarray(from, end), this.#length);
    this.#length = length;
  }

  /** Place of `text` at `from` or later; -1 if it is not there. */
  indexOf(text: string, from: number): number {
    return this.#bytes.subarray(0, this.#length).indexOf(text, Math.max(0, from), "latin1");
  }

  text(end: number): string {
    return this.#bytes.toString("latin1", 0, end);
  }

  clear(): void {
    this.#length = 0;
    this.#bytes = Buffer.alloc(0);
  }
}
