/** Encodings of field values, which protobuf calls wire types. */
const wireType = {
  varint: 0,
  fixed64: 1,
  bytes: 2,
  group: 3,
  groupEnd: 4,
  fixed32: 5,
} as const;

const varintBytesMax = 10;
const groupsMax = 100;

/** A part of a message's bytes. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the fields of protobuf messages from the received bytes. It never throws: a message that is cut off or broken
 * sets `isBroken` and has no more fields.
 */
export class ProtoReader {
  bytes: Buffer;
  at: number;
  end: number;
  isBroken = false;
  /** Number and wire type of the field that `next` found. */
  field = 0;
  type = 0;
  /** Where the value of a field of bytes begins and ends. */
  valueStart = 0;
  valueEnd = 0;

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  /** Starts over with other bytes. */
  begin(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.isBroken = false;
    this.within(start, end);
  }

  /** Goes on in another part of the bytes. */
  within(start: number, end: number): void {
    this.at = start;
    this.end = end;
  }

  /** Moves to the next field: its value if that is of bytes or is a number; false at the end. */
  next(): boolean {
    if (this.at >= this.end || this.isBroken) return false;
    const tag = this.varint();
    this.field = tag >>> 3;
    this.type = tag & 7;
    // Nothing has number 0.
    if (this.field === 0) this.isBroken = true;
    if (this.type === wireType.bytes) {
      const length = this.varint();
      this.valueStart = this.at;
      this.valueEnd = this.at + length;
      if (length < 0 || this.valueEnd > this.end) this.isBroken = true;
      else this.at = this.valueEnd;
    }
    return !this.isBroken;
  }

  /** True if the field is this one, written as bytes. */
  isBytes(field: number): boolean {
    return this.field === field && this.type === wireType.bytes;
  }

  /** True if the field is this one, written as a number. */
  isVarint(field: number): boolean {
    return this.field === field && this.type === wireType.varint;
  }

  /** Passes over the value of a field that is not read. */
  skip(): void {
    switch (this.type) {
      case wireType.bytes:
        // `next` has passed it.
        break;
      case wireType.varint:
        this.varint();
        break;
      case wireType.fixed64:
        this.#pass(8);
        break;
      case wireType.fixed32:
        this.#pass(4);
        break;
      case wireType.group:
        this.#skipGroup();
        break;
      default:
        this.isBroken = true;
    }
  }

  /** A number, of which the low 32 bits are given, signed. */
  varint(): number {
    const first = this.bytes[this.at] ?? 0;
    if (first < 0x80 && this.at < this.end) {
      this.at += 1;
      return first;
    }
    let value = 0;
    for (let read = 0; read < varintBytesMax && this.at < this.end; read += 1) {
      const byte = this.bytes[this.at] ?? 0;
      this.at += 1;
      if (read < 5) value |= (byte & 0x7f) << (7 * read);
      if (byte < 0x80) return value;
    }
    this.isBroken = true;
    return 0;
  }

  /** A flag: true if any bit of the number is set. */
  bool(): boolean {
    let isSet = false;
    for (let read = 0; read < varintBytesMax && this.at < this.end; read += 1) {
      const byte = this.bytes[this.at] ?? 0;
      this.at += 1;
      if ((byte & 0x7f) !== 0) isSet = true;
      if (byte < 0x80) return isSet;
    }
    this.isBroken = true;
    return false;
  }

  #pass(bytes: number): void {
    this.at += bytes;
    if (this.at > this.end) this.isBroken = true;
  }

  /** Groups are an old form of nested messages. */
  #skipGroup(): void {
    const open = [this.field];
    while (open.length > 0) {
      if (!this.next()) this.isBroken = true;
      if (this.type === wireType.group) open.push(this.field);
      else if (this.type === wireType.groupEnd) {
        if (open.pop() !== this.field) this.isBroken = true;
      } else this.skip();
      if (open.length > groupsMax || this.isBroken) {
        this.isBroken = true;
        return;
      }
    }
  }
}
