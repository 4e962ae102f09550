import type { BytePieces } from "../../../std/byte-pieces.ts";

/** Posts what a thread has to tell another one, with all items of one turn of the event loop in one message. */
export class Outbox<Item> {
  readonly #post: (items: readonly Item[], moved: readonly ArrayBuffer[]) => void;
  #items: Item[] = [];
  #moved: ArrayBuffer[] = [];
  #isDue = false;

  /** `post`: `moved` are buffers that the message takes along without a copy. */
  constructor(post: (items: readonly Item[], moved: readonly ArrayBuffer[]) => void) {
    this.#post = post;
  }

  add(item: Item, moved?: ArrayBuffer): void {
    this.#items.push(item);
    if (moved !== undefined) this.#moved.push(moved);
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.flush());
  }

  /** Posts everything now. */
  flush(): void {
    this.#isDue = false;
    if (this.#items.length === 0) return;
    const [items, moved] = [this.#items, this.#moved];
    this.#items = [];
    this.#moved = [];
    this.#post(items, moved);
  }
}

/** A copy in a buffer of its own: a message would copy the whole buffer of a view, or take it from others. */
export function movable(bytes: Uint8Array | BytePieces): Uint8Array<ArrayBuffer> {
  if (bytes instanceof Uint8Array) return new Uint8Array(bytes);
  const joined = new Uint8Array(bytes.byteLength);
  let at = 0;
  for (const piece of bytes.pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
