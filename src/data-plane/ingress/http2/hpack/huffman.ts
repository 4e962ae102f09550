import { ConnectionError, errorCode } from "../frame-types.ts";

/** Bits of the code of each byte, and of the end of a string (RFC 7541, appendix B). */
const codeBits = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const endOfString = 256;

/** A step of the machine: the state after four bits, and what they complete. */
const isEmitting = 1 << 16;
const isBroken = 1 << 17;
/** The bits since the last byte are the beginning of the code for the end, as padding has to be. */
const isPadding = 1 << 18;
const nodeShift = 8;

/** Longest padding is 7 bits (RFC 7541, section 5.2). */
const paddingBitsMax = 7;

/**
 * A machine that reads four bits at a time: no code is shorter than five, so that they complete at most one byte. The
 * step of `state * 16 + bits` has the byte in its low 8 bits, the next state in the 8 bits above, and flags.
 */
const steps = machine();

interface Tree {
  /** Two children of each inner node: the number of another one, or `-1 - byte`. */
  readonly children: number[];
  readonly padding: Set<number>;
}

function machine(): Int32Array {
  const { children, padding } = tree();
  const nodes = children.length / 2;
  const table = new Int32Array(nodes * 16);
  for (let state = 0; state < nodes; state += 1) {
    for (let bits = 0; bits < 16; bits += 1) {
      table[state * 16 + bits] = stepOf(state, bits, { children, padding });
    }
  }
  return table;
}

function stepOf(state: number, bits: number, { children, padding }: Tree): number {
  let node = state;
  let step = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const child = children[node * 2 + ((bits >> bit) & 1)] ?? 0;
    if (child === -1 - endOfString) return isBroken;
    if (child < 0) step = isEmitting | (-1 - child);
    node = child < 0 ? 0 : child;
  }
  return step | (node << nodeShift) | (padding.has(node) ? isPadding : 0);
}

/** The code is canonical: shorter codes first, and of one length in the order of the bytes. */
function tree(): Tree {
  const children = [0, 0];
  const symbols = codeBits
    .map((bits, symbol) => ({ bits, symbol }))
    .toSorted((a, b) => a.bits - b.bits || a.symbol - b.symbol);
  let code = 0;
  let length = 0;
  for (const { bits, symbol } of symbols) {
    code *= 2 ** (bits - length);
    length = bits;
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit -= 1) {
      const at = node * 2 + ((code >> bit) & 1);
      if (children[at] === 0) {
        children[at] = children.length / 2;
        children.push(0, 0);
      }
      node = children[at] ?? 0;
    }
    children[node * 2 + (code & 1)] = -1 - symbol;
    code += 1;
  }
  const padding = new Set([0]);
  let ones = 0;
  for (let bits = 0; bits < paddingBitsMax; bits += 1) {
    ones = children[ones * 2 + 1] ?? 0;
    padding.add(ones);
  }
  return { children, padding };
}

const firstBytes = 512;

/** Decodes Huffman-coded strings of HPACK into a buffer that the next one overwrites. */
export class HuffmanDecoder {
  /** Grows with the first string, so that an idle connection has none. */
  #text = Buffer.alloc(0);

  /** The text of coded bytes, one character for each byte (Latin-1). */
  decode(coded: Uint8Array, start: number, end: number): string {
    // No code is shorter than five bits.
    const bytesMax = Math.ceil(((end - start) * 8) / 5);
    if (this.#text.length < bytesMax)
      this.#text = Buffer.allocUnsafeSlow(2 * bytesMax + firstBytes);
    const text = this.#text;
    let length = 0;
    let step = isPadding;
    for (let at = start; at < end; at += 1) {
      const byte = coded[at] ?? 0;
      step = steps[((step >> nodeShift) & 0xff) * 16 + (byte >> 4)] ?? isBroken;
      if ((step & isEmitting) !== 0) {
        text[length] = step & 0xff;
        length += 1;
      }
      if ((step & isBroken) !== 0) break;
      step = steps[((step >> nodeShift) & 0xff) * 16 + (byte & 0xf)] ?? isBroken;
      if ((step & isEmitting) !== 0) {
        text[length] = step & 0xff;
        length += 1;
      }
      if ((step & isBroken) !== 0) break;
    }
    if ((step & isPadding) === 0) {
      throw new ConnectionError(errorCode.compression, "broken Huffman code");
    }
    return text.toString("latin1", 0, length);
  }
}
