import { blockChainWasm } from "./block-chain-wasm.ts";

/** Bytes of text that are hashed at once: half of the module's memory. Hashes are in the other half. */
const windowBytes = 2 * 1024 * 1024;

/** Maximum block size. The window holds several blocks, so that few bytes have to move to its start. */
export const blockBytesMax = windowBytes / 8;

/** Bytes that `encodeInto` needs for any character: the longest one in UTF-8. */
const characterBytesMax = 4;

/** Maximum bytes of UTF-8 per UTF-16 code unit of a string. */
const unitBytesMax = 3;

/** Numbers that are written at once. */
const numbersMax = 4_096;

/** The two halves of a 64-bit hash. */
export interface Hash64 {
  readonly low: number;
  readonly high: number;
}

/** Exports of block-chain.wat. */
interface BlockChainModule {
  readonly memory: { readonly buffer: ArrayBuffer };
  hashBlocks(
    ...args: [
      at: number,
      end: number,
      blockBytes: number,
      seedLow: number,
      seedHigh: number,
      out: number,
    ]
  ): void;
}

/** The used part of Node's global, which `@types/node` does not declare. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: BlockChainModule };
};

const encoder = new TextEncoder();

/**
 * Hashes texts into chains of blocks with XXH64. The seed of a block is the hash of the block before it.
 *
 * WebAssembly hashes whole chains in one call, over text that is written directly into its memory (decision 0008).
 */
export class BlockChainHasher {
  readonly #module: BlockChainModule;
  readonly #window: Buffer;
  readonly #words: Uint32Array;
  readonly #numbers = new Uint32Array(numbersMax);
  readonly #numberBytes = new Uint8Array(this.#numbers.buffer);
  #blockBytes = 0;
  /** Blocks that may still be added; text beyond them is ignored. */
  #blocksLeft = 0;
  /** Bytes in the window that are not hashed yet. */
  #filled = 0;
  #seedLow = 0;
  #seedHigh = 0;
  #pieces: Uint32Array[] = [];

  constructor() {
    const wasm = new WebAssembly.Module(Buffer.from(blockChainWasm, "base64"));
    this.#module = new WebAssembly.Instance(wasm).exports;
    const { buffer } = this.#module.memory;
    this.#window = Buffer.from(buffer, 0, windowBytes);
    this.#words = new Uint32Array(buffer, windowBytes);
  }

  /** Begins a chain. `blocksMax` is Infinity for no limit. */
  begin(blockBytes: number, blocksMax: number, { low, high }: Hash64): void {
    this.#blockBytes = blockBytes;
    this.#blocksLeft = blocksMax;
    this.#filled = 0;
    this.#seedLow = low;
    this.#seedHigh = high;
    this.#pieces = [];
  }

  /** True if the chain has all its blocks, so that more text is ignored. */
  get isFull(): boolean {
    return this.#filled >= this.#blocksLeft * this.#blockBytes;
  }

  addText(whole: string): void {
    // Text beyond the last block need not be copied. With one unit more, no pair of units is cut within it.
    const bytesLeft = this.#blocksLeft * this.#blockBytes - this.#filled;
    const text = whole.length > bytesLeft ? whole.slice(0, Math.max(0, bytesLeft) + 1) : whole;
    if (!this.isFull && text.length * unitBytesMax <= windowBytes - this.#filled) {
      // Twice as fast for short texts, which most of a conversation consists of.
      this.#filled += this.#window.write(text, this.#filled);
      return;
    }
    let rest = text;
    while (rest !== "" && !this.isFull) {
      this.#makeRoom(characterBytesMax);
      const { read, written } = encoder.encodeInto(rest, this.#window.subarray(this.#filled));
      this.#filled += written;
      if (read === rest.length) return;
      rest = rest.slice(read);
    }
  }

  /** Adds numbers as 32 bits each, little-endian. */
  addNumbers(numbers: readonly number[]): void {
    for (let at = 0; at < numbers.length && !this.isFull; at += numbersMax) {
      const piece = numbers.slice(at, at + numbersMax);
      const bytes = piece.length * 4;
      this.#numbers.set(piece);
      this.#makeRoom(bytes);
      this.#window.set(this.#numberBytes.subarray(0, bytes), this.#filled);
      this.#filled += bytes;
    }
  }

  /** Pads with zeros to a multiple of 4 bytes, where a token begins. */
  align(): void {
    this.#makeRoom(4);
    while (this.#filled % 4 !== 0) {
      this.#window[this.#filled] = 0;
      this.#filled += 1;
    }
  }

  /** Ends the chain and returns it: two words per block, the low half first. */
  end(): Uint32Array {
    this.#hash(true);
    const [only] = this.#pieces;
    if (this.#pieces.length === 1 && only !== undefined) return only;
    const chain = new Uint32Array(this.#pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      chain.set(piece, at);
      at += piece.length;
    }
    return chain;
  }

  #makeRoom(bytes: number): void {
    if (windowBytes - this.#filled < bytes) this.#hash(false);
  }

  /** Hashes whole blocks of the window, and the rest too at the end of the text. */
  #hash(isEnd: boolean): void {
    const blockBytes = this.#blockBytes;
    const room = Math.min(this.#filled, this.#blocksLeft * blockBytes);
    const bytes = isEnd ? room : room - (room % blockBytes);
    const blocks = Math.ceil(bytes / blockBytes);
    if (blocks > 0) {
      this.#module.hashBlocks(0, bytes, blockBytes, this.#seedLow, this.#seedHigh, windowBytes);
      const chain = this.#words.slice(0, blocks * 2);
      this.#seedLow = chain[blocks * 2 - 2] ?? 0;
      this.#seedHigh = chain[blocks * 2 - 1] ?? 0;
      this.#pieces.push(chain);
      this.#blocksLeft -= blocks;
    }
    this.#window.copyWithin(0, bytes, this.#filled);
    this.#filled -= bytes;
  }
}
