import { huffmanText } from "./huffman.ts";

/** Index of `:authority` in the static table (RFC 7541, appendix A). Encoders prefer it to one of their own. */
const authorityIndex = 1;

/** Characters that RFC 3986 allows in an authority and nghttp2, Node's HTTP/2 library, accepts. */
const unusable = /[^A-Za-z0-9!$%&'()*+,\-.:;=@[\]_~]/g;

/** Bits of the first byte that belong to a number, by what the byte begins (RFC 7541, section 6). */
const prefixes = [
  { mask: 0x80, is: 0x80, bits: 7, hasStrings: false },
  { mask: 0xc0, is: 0x40, bits: 6, hasStrings: true },
  { mask: 0xe0, is: 0x20, bits: 5, hasStrings: false },
  { mask: 0xe0, is: 0x00, bits: 4, hasStrings: true },
] as const;

interface Read<T> {
  readonly value: T;
  /** Offset of what follows. */
  readonly end: number;
}

/**
 * A block of headers with an `:authority` that HTTP/2 servers accept; the same object if it has none
 * to mend. Node.js resets a stream whose authority has another character, such as the `|` in the names
 * that some proxies give their clusters.
 *
 * The length of the text stays, and so does what the block does to the tables of both sides: later
 * blocks refer to the mended text where their writer means its own.
 */
export function withUsableAuthority(block: Buffer): Buffer {
  const found = authorityIn(block);
  if (found === undefined) return block;
  const mended = found.text.replaceAll(unusable, "-");
  if (mended === found.text) return block;
  return Buffer.concat([
    block.subarray(0, found.start),
    integer(mended.length, 7),
    Buffer.from(mended, "latin1"),
    block.subarray(found.end),
  ]);
}

interface Authority {
  readonly text: string;
  /** Where its string literal begins and ends. */
  readonly start: number;
  readonly end: number;
}

/** The literal authority of a block; undefined if it has none or is broken. */
function authorityIn(block: Buffer): Authority | undefined {
  let offset = 0;
  while (offset < block.length) {
    const byte = block[offset] ?? 0;
    const prefix = prefixes.find(({ mask, is }) => (byte & mask) === is);
    const index = prefix && integerAt(block, offset, prefix.bits);
    if (prefix === undefined || index === undefined) return undefined;
    offset = index.end;
    if (!prefix.hasStrings) continue;
    const afterName = index.value === 0 ? stringEnd(block, offset) : offset;
    const end = afterName && stringEnd(block, afterName);
    if (afterName === undefined || end === undefined) return undefined;
    if (index.value === authorityIndex) {
      const text = textAt(block, afterName);
      return text === undefined ? undefined : { text, start: afterName, end };
    }
    offset = end;
  }
  return undefined;
}

/** A number with a prefix of so many bits (RFC 7541, section 5.1); undefined if it is cut off or too large. */
function integerAt(block: Buffer, offset: number, bits: number): Read<number> | undefined {
  const full = 2 ** bits - 1;
  const first = block[offset];
  if (first === undefined) return undefined;
  let value = first & full;
  if (value < full) return { value, end: offset + 1 };
  for (let index = 0; index < 3; index += 1) {
    const byte = block[offset + 1 + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, end: offset + 2 + index };
  }
  return undefined;
}

function stringEnd(block: Buffer, offset: number): number | undefined {
  const length = integerAt(block, offset, 7);
  if (length === undefined || length.end + length.value > block.length) return undefined;
  return length.end + length.value;
}

/** The text of a string literal (RFC 7541, section 5.2) that is known to be whole. */
function textAt(block: Buffer, offset: number): string | undefined {
  const length = integerAt(block, offset, 7);
  if (length === undefined) return undefined;
  const bytes = block.subarray(length.end, length.end + length.value);
  const isHuffman = ((block[offset] ?? 0) & 0x80) !== 0;
  return isHuffman ? huffmanText(bytes) : bytes.toString("latin1");
}

/** A number whose other bits in its first byte are 0. */
function integer(value: number, bits: number): Buffer {
  const full = 2 ** bits - 1;
  if (value < full) return Buffer.from([value]);
  const bytes = [full];
  let rest = value - full;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}
