const firstBytes = 4_096;
const asciiMax = 0x7f;
const noBytes = new Uint8Array(0);

/**
 * Writes a protobuf message from its end to its beginning. So the length of a nested message is known when it is
 * written, and nothing is measured first. The end of the message may be a `tail` that is not copied.
 */
export class BackwardWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes);
  /** Where the written bytes begin. */
  start: number = firstBytes;
  tail: Uint8Array = noBytes;

  /** Where the written bytes end. */
  get end(): number {
    return this.bytes.length;
  }

  /** Bytes so far, with the tail. */
  get length(): number {
    return this.bytes.length - this.start + this.tail.length;
  }

  /** Begins a message. */
  begin(tail: Uint8Array = noBytes): void {
    this.start = this.bytes.length;
    this.tail = tail;
  }

  byte(value: number): void {
    if (this.start === 0) this.#grow(1);
    this.start -= 1;
    this.bytes[this.start] = value;
  }

  varint(value: number): void {
    if (value <= asciiMax) return this.byte(value);
    let bytes = 1;
    for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes += 1;
    if (this.start < bytes) this.#grow(bytes);
    this.start -= bytes;
    let at = this.start;
    let rest = value;
    for (; rest > asciiMax; rest = Math.floor(rest / 128)) this.bytes[at++] = (rest % 128) + 128;
    this.bytes[at] = rest;
  }

  /** A field of a floating-point number. */
  double(tag: number, value: number): void {
    if (this.start < 8) this.#grow(8);
    this.start -= 8;
    this.bytes.writeDoubleLE(value, this.start);
    this.byte(tag);
  }

  /** A field of 8 bytes that is a whole number. */
  fixed64(tag: number, value: bigint): void {
    if (this.start < 8) this.#grow(8);
    this.start -= 8;
    this.bytes.writeBigUInt64LE(value, this.start);
    this.byte(tag);
  }

  /** A field of 4 bytes that is a whole number; its tag takes one byte or two. */
  fixed32(tag: number, value: number): void {
    if (this.start < 4) this.#grow(4);
    this.start -= 4;
    this.bytes.writeUInt32LE(value, this.start);
    this.varint(tag);
  }

  /** A field of bytes that are given in hexadecimal. */
  hex(tag: number, digits: string): void {
    const before = this.length;
    const bytes = digits.length / 2;
    if (this.start < bytes) this.#grow(bytes);
    this.start -= bytes;
    this.bytes.write(digits, this.start, "hex");
    this.close(tag, before);
  }

  /** Writes the length and the tag of a field whose value began when there were `lengthBefore` bytes. */
  close(tag: number, lengthBefore: number): void {
    this.varint(this.length - lengthBefore);
    this.byte(tag);
  }

  /** A field of text, in UTF-8. */
  text(tag: number, text: string): void {
    const before = this.length;
    const { length } = text;
    if (this.start < length) this.#grow(length);
    const from = this.start - length;
    const { bytes } = this;
    let index = 0;
    while (index < length && text.charCodeAt(index) <= asciiMax) {
      bytes[from + index] = text.charCodeAt(index);
      index += 1;
    }
    if (index === length) this.start = from;
    else this.#utf8(text);
    this.close(tag, before);
  }

  /** The prefix of a gRPC message, which is written last: that it is not compressed, and its length. */
  prefix(): void {
    const { length } = this;
    if (this.start < 5) this.#grow(5);
    this.start -= 5;
    this.bytes[this.start] = 0;
    this.bytes.writeUInt32BE(length, this.start + 1);
  }

  #utf8(text: string): void {
    const length = Buffer.byteLength(text);
    if (this.start < length) this.#grow(length);
    this.start -= length;
    this.bytes.write(text, this.start);
  }

  #grow(bytes: number): void {
    const written = this.bytes.subarray(this.start);
    const grown = Buffer.allocUnsafeSlow(2 * this.bytes.length + bytes);
    this.start = grown.length - written.length;
    grown.set(written, this.start);
    this.bytes = grown;
  }
}
