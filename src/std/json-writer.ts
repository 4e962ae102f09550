import { backslashByte, escapeBytesMax, quoteByte } from "./json-bytes.ts";

/** Bytes of a number at most. */
const numberBytesMax = 32;
/** Integers below it are written by arithmetic of 32 bits. */
const smallMax = 2 ** 31;

const zeroByte = 0x30;
const minusByte = 0x2d;
const dotByte = 0x2e;
/** The ASCII characters that can be seen, and the space. */
const spaceByte = 0x20;
const tildeByte = 0x7e;

export interface JsonWriterOptions {
  /** Room at the start, and after `clear`. */
  readonly bytes: number;
  /** `clear` gives larger buffers back. */
  readonly keptBytesMax: number;
  /** The buffer doubles up to this size. Beyond it, it grows by what is needed. */
  readonly doubledBytesMax: number;
}

/**
 * Writes JSON as bytes into one buffer that is used again, where objects and strings would be garbage. The caller writes
 * punctuation and keys with `put`; values are written as `JSON.stringify` does.
 */
export class JsonWriter {
  readonly #options: JsonWriterOptions;
  #bytes: Buffer;
  #length = 0;

  constructor(options: JsonWriterOptions) {
    this.#options = options;
    // Small buffers of Node share memory with others.
    this.#bytes = Buffer.allocUnsafeSlow(options.bytes);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** All output so far. Valid until the next call that writes. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Bytes of JSON, unchanged. */
  put(json: Uint8Array): void {
    const { length } = json;
    this.#makeRoom(length);
    const bytes = this.#bytes;
    const start = this.#length;
    // A loop, because a call into native code costs more than it saves for a few bytes.
    for (let index = 0; index < length; index += 1) bytes[start + index] = json[index] ?? 0;
    this.#length = start + length;
  }

  /** A finite number. */
  number(value: number): void {
    this.#makeRoom(numberBytesMax);
    const isSmall = value > -smallMax && value < smallMax && Number.isInteger(value);
    if (isSmall) this.#small(value);
    else this.#length += this.#bytes.write(String(value), this.#length, "latin1");
  }

  /** A tenth of a finite integer. */
  tenths(count: number): void {
    if (count <= -smallMax || count >= smallMax) return this.number(count / 10);
    this.#makeRoom(numberBytesMax);
    if (count < 0) this.#byte(minusByte);
    const size = Math.abs(count);
    const whole = Math.floor(size / 10);
    this.#small(whole);
    if (size === whole * 10) return;
    this.#byte(dotByte);
    this.#byte(zeroByte + size - whole * 10);
  }

  text(value: string): void {
    this.#makeRoom(value.length * escapeBytesMax + 2);
    if (!this.#plain(value)) this.#length += this.#bytes.write(JSON.stringify(value), this.#length);
  }

  /** Leaves room for bytes that come later, and returns where they go. */
  skip(bytes: number): number {
    this.#makeRoom(bytes);
    const start = this.#length;
    this.#length += bytes;
    return start;
  }

  clear(): void {
    this.#length = 0;
    const { bytes, keptBytesMax } = this.#options;
    if (this.#bytes.length > keptBytesMax) this.#bytes = Buffer.allocUnsafeSlow(bytes);
  }

  /** Writes a text that needs no escape. Returns false, with nothing written, if it is another one. */
  #plain(value: string): boolean {
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = quoteByte;
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      const isSeen = code >= spaceByte && code <= tildeByte;
      if (!isSeen || code === quoteByte || code === backslashByte) return false;
      bytes[at++] = code;
    }
    bytes[at++] = quoteByte;
    this.#length = at;
    return true;
  }

  /** An integer of less than 32 bits, for which there is room. */
  #small(value: number): void {
    if (value < 0) this.#byte(minusByte);
    const size = Math.abs(value);
    const start = this.#length;
    let end = start + 1;
    for (let rest = size; rest >= 10; rest = (rest / 10) | 0) end += 1;
    const bytes = this.#bytes;
    for (let at = end - 1, rest = size; at >= start; at -= 1) {
      const tens = (rest / 10) | 0;
      bytes[at] = zeroByte + rest - tens * 10;
      rest = tens;
    }
    this.#length = end;
  }

  #byte(byte: number): void {
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const doubled = Math.min(2 * this.#bytes.length, this.#options.doubledBytesMax);
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, doubled));
    larger.set(this.written());
    this.#bytes = larger;
  }
}
