import { type BlockHash, KvCache } from "./kv-cache.ts";
import type { Sequence } from "./sequence.ts";

export interface MemoryLayout {
  readonly blocksMax: number;
  readonly blockTokens: number;
}

/** Gives sequences their blocks of the KV cache, step by step, and caches the full ones. */
export class SequenceMemory {
  readonly #kv: KvCache;
  readonly #blockTokens: number;
  /** False for an engine that neither looks blocks up nor keeps them for later. */
  isCaching = true;

  constructor({ blocksMax, blockTokens }: MemoryLayout) {
    this.#kv = new KvCache(blocksMax);
    this.#blockTokens = blockTokens;
  }

  get blocksMax(): number {
    return this.#kv.blocksMax;
  }

  get referencedBlocks(): number {
    return this.#kv.referencedBlocks;
  }

  /** Leading tokens of a context that are cached, without the last one, which is always computed. */
  cachedTokensOf(chain: readonly BlockHash[], contextTokens: number): number {
    const matchMax = this.isCaching ? Math.floor((contextTokens - 1) / this.#blockTokens) : 0;
    return this.#kv.match(chain, matchMax).blocks * this.#blockTokens;
  }

  /**
   * Starts a sequence with the cached blocks of its context. False, with nothing done, unless the free
   * blocks hold all of its context: vLLM checks that much, but takes blocks for one chunk at a time.
   */
  admit(sequence: Sequence): boolean {
    const { chain, contextTokens, shortage } = sequence;
    if (shortage !== undefined && this.#isStillShort(shortage)) return false;
    const blocksNeeded = Math.ceil(contextTokens / this.#blockTokens);
    // At least one token is left to compute: otherwise there is nothing to sample from.
    const matchMax = this.isCaching ? Math.floor((contextTokens - 1) / this.#blockTokens) : 0;
    const match = this.#kv.match(chain, matchMax);
    const freeBlocksMin = blocksNeeded - match.blocks + match.idleBlocks;
    if (this.#kv.freeBlocks < freeBlocksMin) {
      sequence.shortage = { freeBlocksMin, missing: chain[match.blocks] };
      return false;
    }
    sequence.shortage = undefined;
    sequence.blocks = this.#kv.share(chain, match.blocks);
    sequence.publishedBlocks = match.blocks;
    sequence.computedTokens = match.blocks * this.#blockTokens;
    sequence.growsAtTokens = sequence.computedTokens + 1;
    return true;
  }

  /** A retry is useless until blocks get free, or the next block of the context is cached by another. */
  #isStillShort({ freeBlocksMin, missing }: NonNullable<Sequence["shortage"]>): boolean {
    if (this.#kv.freeBlocks >= freeBlocksMin) return false;
    return missing === undefined || !this.isCaching || !this.#kv.holds(missing);
  }

  /** Takes the blocks for the next `tokens` of a sequence; false, with nothing done, if too few are free. */
  grow(sequence: Sequence, tokens: number): boolean {
    const endTokens = sequence.computedTokens + tokens;
    const fullBlocks = Math.floor(endTokens / this.#blockTokens);
    const isEndFull = endTokens === fullBlocks * this.#blockTokens;
    if (!this.#kv.extend(sequence.blocks, isEndFull ? fullBlocks : fullBlocks + 1)) return false;
    // As in vLLM, blocks can be hit from the moment their computation is scheduled.
    if (this.isCaching) this.#publish(sequence, fullBlocks);
    sequence.growsAtTokens = isEndFull ? endTokens + 1 : (fullBlocks + 1) * this.#blockTokens;
    return true;
  }

  /** Takes all blocks from a sequence; the cached ones can be hit until they are taken for another. */
  release(sequence: Sequence): void {
    this.#kv.release(sequence.blocks);
    sequence.blocks = [];
    sequence.publishedBlocks = 0;
    sequence.growsAtTokens = 0;
    sequence.computedTokens = 0;
  }

  #publish(sequence: Sequence, fullBlocks: number): void {
    const { blocks, chain } = sequence;
    const end = Math.min(fullBlocks, chain.length);
    for (let index = sequence.publishedBlocks; index < end; index += 1) {
      const block = blocks[index];
      const hash = chain[index];
      if (block !== undefined && hash !== undefined) this.#kv.publish(block, hash);
    }
    sequence.publishedBlocks = fullBlocks;
  }
}
