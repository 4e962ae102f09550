import type { Duplex } from "node:stream";
import { frameHeadBytes } from "./frame-types.ts";

/** Bytes of memory that frames are gathered in. */
const slabBytes = 16_384;

/** Slabs that are kept for the next connection. */
const spareSlabsMax = 8;

/** Longest piece that is copied next to its frame's head; a longer one is written from where it is. */
const copiedBytesMax = 4_096;

/** Memory that the connections of a server take turns to gather their frames in. */
export class Slabs {
  readonly #spare: Buffer[] = [];

  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
  }

  /** Takes back a slab that nothing refers to any more. */
  give(slab: Buffer): void {
    if (this.#spare.length < spareSlabsMax) this.#spare.push(slab);
  }
}

/**
 * Frames on their way to one client. They are gathered until `flush`, which hands them to the socket in one write: one
 * buffer, or several where long pieces are not copied.
 */
export class Output {
  readonly #socket: Duplex;
  readonly #slabs: Slabs;
  #slab: Buffer | undefined;
  /** The part of the slab that is not written yet begins here and ends at `#to`. */
  #from = 0;
  #to = 0;
  #pieces: Uint8Array[] = [];

  constructor(socket: Duplex, slabs: Slabs) {
    this.#socket = socket;
    this.#slabs = slabs;
  }

  get isEmpty(): boolean {
    return this.#from === this.#to && this.#pieces.length === 0;
  }

  /** Begins a frame; its payload has to follow. */
  head(typeAndFlags: number, streamId: number, payloadBytes: number): void {
    const slab = this.#room(frameHeadBytes);
    const at = this.#to;
    slab[at] = payloadBytes >>> 16;
    slab[at + 1] = payloadBytes >>> 8;
    slab[at + 2] = payloadBytes;
    slab[at + 3] = typeAndFlags >>> 8;
    slab[at + 4] = typeAndFlags;
    slab[at + 5] = streamId >>> 24;
    slab[at + 6] = streamId >>> 16;
    slab[at + 7] = streamId >>> 8;
    slab[at + 8] = streamId;
    this.#to += frameHeadBytes;
  }

  uint32(value: number): void {
    const slab = this.#room(4);
    const at = this.#to;
    slab[at] = value >>> 24;
    slab[at + 1] = value >>> 16;
    slab[at + 2] = value >>> 8;
    slab[at + 3] = value;
    this.#to += 4;
  }

  /** Writes a copy of `bytes` from `start` to `end`. */
  copy(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > slabBytes) {
      this.#seal();
      this.#pieces.push(Uint8Array.prototype.slice.call(bytes, start, end));
      return;
    }
    const slab = this.#room(end - start);
    // A loop is faster than a call into the engine for a few bytes.
    if (end - start < 32) {
      let to = this.#to;
      for (let at = start; at < end; at += 1) slab[to++] = bytes[at] ?? 0;
    } else {
      slab.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#to);
    }
    this.#to += end - start;
  }

  /** Writes `bytes` from `start` to `end`, without a copy if they are many. They must not change any more. */
  piece(bytes: Uint8Array, start: number, end: number): void {
    if (end - start <= copiedBytesMax) return this.copy(bytes, start, end);
    this.#seal();
    this.#pieces.push(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  }

  /** Hands everything to the socket. */
  flush(): void {
    if (this.isEmpty) return;
    const socket = this.#socket;
    if (this.#pieces.length === 0) {
      socket.write(this.#slab?.subarray(this.#from, this.#to));
      this.#from = this.#to;
    } else {
      this.#seal();
      const pieces = this.#pieces;
      this.#pieces = [];
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    }
    // If the socket has taken all bytes, which is usual without TLS, nothing refers to the slab any more.
    if (socket.writableLength > 0 || this.#slab === undefined) return;
    this.#slabs.give(this.#slab);
    this.#slab = undefined;
  }

  /** Memory for `bytes` more, at `#to`. */
  #room(bytes: number): Buffer {
    const slab = this.#slab;
    if (slab !== undefined && this.isEmpty && this.#socket.writableLength === 0) {
      this.#from = 0;
      this.#to = 0;
    }
    if (slab !== undefined && this.#to + bytes <= slab.length) return slab;
    this.#seal();
    this.#slab = this.#slabs.take();
    this.#from = 0;
    this.#to = 0;
    return this.#slab;
  }

  /** Ends the part of the slab that is one piece. */
  #seal(): void {
    if (this.#slab === undefined || this.#from === this.#to) return;
    this.#pieces.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
