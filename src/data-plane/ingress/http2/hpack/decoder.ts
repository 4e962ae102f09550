import { ConnectionError, errorCode } from "../frame-types.ts";
import { DynamicTable } from "./dynamic-table.ts";
import { fieldOf, type HeaderField } from "./header-field.ts";
import { HuffmanDecoder } from "./huffman.ts";
import { staticTable } from "./static-table.ts";

/** Bytes of a number after its first one. Four give 28 bits, more than any length or index that is taken. */
const integerBytesMax = 4;

/** Receives the fields of a block, in order. */
export interface FieldSink {
  field(field: HeaderField): void;
}

/** Reads blocks of compressed headers (RFC 7541). Throws a `ConnectionError` for one that breaks its rules. */
export class HpackDecoder {
  readonly #sink: FieldSink;
  readonly #tableBytesMax: number;
  readonly #table: DynamicTable;
  readonly #huffman = new HuffmanDecoder();
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** @param tableBytesMax largest table that the peer may use, which is our setting */
  constructor(sink: FieldSink, tableBytesMax: number) {
    this.#sink = sink;
    this.#tableBytesMax = tableBytesMax;
    this.#table = new DynamicTable(tableBytesMax);
  }

  /** Bytes of the dynamic table. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Reads a whole block. */
  decode(block: Buffer, start: number, end: number): void {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    this.#resizes();
    while (this.#at < end) {
      const first = block[this.#at] ?? 0;
      if (first >= 0x80) this.#sink.field(this.#fieldAt(this.#integer(7)));
      else if (first >= 0x40) this.#added(this.#literal(6));
      else if (first >= 0x20) throw broken("a table size within a block");
      else this.#sink.field(this.#literal(4));
    }
  }

  /** Changes of the table's size, which only a block's beginning may have (RFC 7541, section 4.2). */
  #resizes(): void {
    while (this.#at < this.#end && ((this.#block[this.#at] ?? 0) & 0xe0) === 0x20) {
      const bytes = this.#integer(5);
      if (bytes > this.#tableBytesMax) throw broken("a table size above the limit");
      this.#table.resize(bytes);
    }
  }

  #added(field: HeaderField): void {
    this.#table.add(field);
    this.#sink.field(field);
  }

  #fieldAt(index: number): HeaderField {
    const field =
      index <= staticTable.length
        ? staticTable[index - 1]
        : this.#table.at(index - staticTable.length - 1);
    if (field === undefined) throw broken("an index that no table has");
    return field;
  }

  #literal(prefixBits: number): HeaderField {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#text() : this.#fieldAt(index).name;
    return fieldOf(name, this.#text());
  }

  /** A string literal (RFC 7541, section 5.2). */
  #text(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const bytes = this.#integer(7);
    const from = this.#at;
    const end = from + bytes;
    if (end > this.#end) throw broken("a string that goes on after the block");
    this.#at = end;
    return isHuffman
      ? this.#huffman.decode(this.#block, from, end)
      : this.#block.toString("latin1", from, end);
  }

  /** A number whose first byte has `prefixBits` bits of it (RFC 7541, section 5.1). */
  #integer(prefixBits: number): number {
    if (this.#at >= this.#end) throw broken("a block that is cut off");
    const full = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at] ?? 0) & full;
    this.#at += 1;
    if (value < full) return value;
    for (let read = 0; read < integerBytesMax; read += 1) {
      if (this.#at >= this.#end) throw broken("a number that is cut off");
      const byte = this.#block[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) << (7 * read);
      if (byte < 0x80) return value;
    }
    throw broken("a number that is too large");
  }
}

function broken(what: string): ConnectionError {
  return new ConnectionError(errorCode.compression, `header compression: ${what}`);
}
