/** Bits of the code of each printable ASCII character from the space on (RFC 7541, appendix B). */
const printableBits = [
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6,
  12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15,
  11, 14, 13,
];
const firstPrintable = 0x20;
/** The only other character whose code is as short as theirs. */
const nul = { character: 0, bits: 13 };

const longestPaddingBits = 7;

/** Characters by their code, as `2^bits + code`, which tells codes of different lengths apart. */
const characters = codes();

/** The code is canonical: shorter ones first, and of one length in the order of the characters. */
function codes(): ReadonlyMap<number, number> {
  const sorted = [
    nul,
    ...printableBits.map((bits, index) => ({ character: firstPrintable + index, bits })),
  ].toSorted((a, b) => a.bits - b.bits || a.character - b.character);
  const found = new Map<number, number>();
  let code = 0;
  let length = 0;
  for (const { character, bits } of sorted) {
    code *= 2 ** (bits - length);
    length = bits;
    found.set(2 ** bits + code, character);
    code += 1;
  }
  return found;
}

/** A Huffman-coded string of HPACK, of printable ASCII; undefined if it has other characters. */
export function huffmanText(coded: Uint8Array): string | undefined {
  let text = "";
  let prefix = 1;
  let bits = 0;
  for (const byte of coded) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      prefix = prefix * 2 + ((byte >> bit) & 1);
      bits += 1;
      const character = characters.get(prefix);
      if (character === undefined) continue;
      if (character < firstPrintable) return undefined;
      text += String.fromCharCode(character);
      prefix = 1;
      bits = 0;
    }
  }
  // The last byte is filled up with ones.
  const isPadding = bits <= longestPaddingBits && prefix === 2 ** (bits + 1) - 1;
  return isPadding ? text : undefined;
}
