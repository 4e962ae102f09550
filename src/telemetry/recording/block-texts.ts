import { encryptedBlocksMax, encryptedBytes, type KeyedHashes } from "./keyed-hashes.ts";
import { blockCharacters } from "./lines.ts";

/** Room at the start, for the words of blocks and the places of chains. */
const wordsAtStart = 8_192;
const placesAtStart = 512;
/** Larger columns are given back after use. */
const keptWordsMax = 262_144;

const base64url = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

/**
 * The blocks of many prompts, and the places where their texts belong. Texts are made later, because one call of the
 * cipher for many prompts costs less than one for each.
 */
export class BlockTexts {
  readonly #wordsMax: number;
  /** Two for each block. */
  #words = new Uint32Array(wordsAtStart);
  #wordCount = 0;
  /** For each chain, where its text begins, and its blocks. */
  #chains = new Uint32Array(placesAtStart);
  #chainCount = 0;
  /** The next block to be written: its words, its chain, and its place there. */
  #doneWords = 0;
  #chain = 0;
  #ofChain = 0;

  /** `blocksMax`: room for them is allocated ahead; for more, only as they come. */
  constructor(blocksMax: number) {
    this.#wordsMax = 2 * blocksMax;
  }

  /** `at`: where the text of this chain begins. */
  add(chain: Uint32Array, at: number): void {
    const count = this.#wordCount + chain.length;
    this.#words = withRoom(this.#words, count, this.#wordsMax);
    this.#words.set(chain, this.#wordCount);
    this.#wordCount = count;
    this.#chains = withRoom(this.#chains, 2 * this.#chainCount + 2, this.#wordsMax);
    this.#chains[2 * this.#chainCount] = at;
    this.#chains[2 * this.#chainCount + 1] = chain.length / 2;
    this.#chainCount += 1;
  }

  /** Writes the texts of the next blocks, within a tenth of a millisecond. Returns true if more are left. */
  writeSome(lines: Uint8Array, hashes: KeyedHashes): boolean {
    const words = this.#words.subarray(this.#doneWords, this.#wordCount);
    const blocks = Math.min(words.length / 2, encryptedBlocksMax);
    if (blocks === 0) return false;
    const encrypted = hashes.encrypted(words);
    for (let block = 0; block < blocks; block += 1) {
      while (this.#ofChain === this.#chains[2 * this.#chain + 1]) {
        this.#chain += 1;
        this.#ofChain = 0;
      }
      const at = (this.#chains[2 * this.#chain] ?? 0) + this.#ofChain * blockCharacters;
      writeFour(lines, at, bitsAt(encrypted, block * encryptedBytes));
      writeFour(lines, at + 4, bitsAt(encrypted, block * encryptedBytes + 3));
      this.#ofChain += 1;
    }
    this.#doneWords += 2 * blocks;
    return this.#doneWords < this.#wordCount;
  }

  clear(): void {
    this.#wordCount = this.#chainCount = 0;
    this.#doneWords = this.#chain = this.#ofChain = 0;
    if (this.#words.length > keptWordsMax) this.#words = new Uint32Array(wordsAtStart);
    if (this.#chains.length > keptWordsMax) this.#chains = new Uint32Array(placesAtStart);
  }
}

/** Four characters of base64url for 24 bits. */
function writeFour(to: Uint8Array, at: number, bits: number): void {
  to[at] = base64url[bits >>> 18] ?? 0;
  to[at + 1] = base64url[(bits >>> 12) & 63] ?? 0;
  to[at + 2] = base64url[(bits >>> 6) & 63] ?? 0;
  to[at + 3] = base64url[bits & 63] ?? 0;
}

/** Three bytes as 24 bits. */
function bitsAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}

/** The column, or a copy with room for `count` numbers, twice as large up to `doubledMax`. */
function withRoom(
  column: Uint32Array<ArrayBuffer>,
  count: number,
  doubledMax: number,
): Uint32Array<ArrayBuffer> {
  if (count <= column.length) return column;
  const larger = new Uint32Array(Math.max(count, Math.min(2 * column.length, doubledMax)));
  larger.set(column);
  return larger;
}
