import assert from "node:assert/strict";

/** Identifies a full block of prompt tokens together with all blocks before it. */
export type BlockHash = number | bigint | string;

/** The leading blocks of a prompt that are in the cache. */
export interface PrefixMatch {
  readonly blocks: number;
  /** Number of them without a reference, so that using them takes a free block each. */
  readonly idleBlocks: number;
}

/**
 * Paged KV memory with a prefix cache.
 *
 * A block is referenced (by one sequence or several) or free. A free block that carries a hash
 * can still be hit; it loses its hash when it is taken for something else. Free blocks are taken
 * in this order: those without a hash, then the least recently used.
 */
export class KvCache {
  readonly blocksMax: number;
  readonly #references: Int32Array;
  readonly #hashes: (BlockHash | undefined)[];
  readonly #blockOfHash = new Map<BlockHash, number>();
  /** A ring through the free blocks; index `blocksMax` is its fixed start. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  #freeBlocks = 0;

  constructor(blocksMax: number) {
    this.blocksMax = blocksMax;
    this.#references = new Int32Array(blocksMax);
    this.#hashes = Array.from({ length: blocksMax }, () => undefined);
    this.#next = new Int32Array(blocksMax + 1).fill(blocksMax);
    this.#previous = new Int32Array(blocksMax + 1).fill(blocksMax);
    for (let block = 0; block < blocksMax; block += 1) this.#insertFreeAfter(block, this.#last());
  }

  /** Blocks no sequence refers to, with cached content or without. */
  get freeBlocks(): number {
    return this.#freeBlocks;
  }

  get referencedBlocks(): number {
    return this.blocksMax - this.#freeBlocks;
  }

  /** Counts the cached blocks at the start of `hashes`, looking at no more than `blocksMax`. */
  match(hashes: readonly BlockHash[], blocksMax: number): PrefixMatch {
    let blocks = 0;
    let idleBlocks = 0;
    for (const hash of hashes) {
      const block = blocks < blocksMax ? this.#blockOfHash.get(hash) : undefined;
      if (block === undefined) break;
      if (this.#references[block] === 0) idleBlocks += 1;
      blocks += 1;
    }
    return { blocks, idleBlocks };
  }

  /**
   * Refers to the first `matchedBlocks` of `hashes`, which `match` has just counted.
   *
   * @returns The block numbers, in prompt order.
   */
  share(hashes: readonly BlockHash[], matchedBlocks: number): number[] {
    const blocks: number[] = [];
    for (const hash of hashes) {
      if (blocks.length === matchedBlocks) break;
      const block = this.#blockOfHash.get(hash);
      assert(block !== undefined, "a matched block has left the cache");
      if (this.#references[block] === 0) this.#removeFree(block);
      this.#references[block] = this.#referencesOf(block) + 1;
      blocks.push(block);
    }
    return blocks;
  }

  holds(hash: BlockHash): boolean {
    return this.#blockOfHash.has(hash);
  }

  /**
   * Appends free blocks until there are `length`, by default one more. False, with nothing done, if too
   * few are free.
   */
  extend(blocks: number[], length = blocks.length + 1): boolean {
    if (length - blocks.length > this.#freeBlocks) return false;
    while (blocks.length < length) {
      const block = this.#next[this.blocksMax] ?? this.blocksMax;
      this.#removeFree(block);
      this.#forget(block);
      this.#references[block] = 1;
      blocks.push(block);
    }
    return true;
  }

  /**
   * Makes a referenced `block` hit for `hash`. If a sequence refers to another block with it, that one
   * stays the cached copy: both have computed the same prefix at the same time. A copy that is not in use
   * gives way, and is the next block to be taken.
   */
  publish(block: number, hash: BlockHash): void {
    if (this.#hashes[block] !== undefined) return;
    const copy = this.#blockOfHash.get(hash);
    if (copy !== undefined) {
      if (this.#referencesOf(copy) > 0) return;
      this.#removeFree(copy);
      this.#forget(copy);
      this.#insertFreeAfter(copy, this.blocksMax);
    }
    this.#blockOfHash.set(hash, block);
    this.#hashes[block] = hash;
  }

  /** Drops one reference to each block. The end of a prompt becomes evictable before its start. */
  release(blocks: readonly number[]): void {
    for (let index = blocks.length - 1; index >= 0; index -= 1) {
      const block = blocks[index];
      assert(block !== undefined && this.#referencesOf(block) > 0, "a free block was released");
      const references = this.#referencesOf(block) - 1;
      this.#references[block] = references;
      if (references > 0) continue;
      this.#insertFreeAfter(
        block,
        this.#hashes[block] === undefined ? this.blocksMax : this.#last(),
      );
    }
  }

  #forget(block: number): void {
    const hash = this.#hashes[block];
    if (hash === undefined) return;
    this.#blockOfHash.delete(hash);
    this.#hashes[block] = undefined;
  }

  #referencesOf(block: number): number {
    return this.#references[block] ?? 0;
  }

  #last(): number {
    return this.#previous[this.blocksMax] ?? this.blocksMax;
  }

  #insertFreeAfter(block: number, left: number): void {
    const right = this.#next[left] ?? this.blocksMax;
    this.#next[left] = block;
    this.#previous[block] = left;
    this.#next[block] = right;
    this.#previous[right] = block;
    this.#freeBlocks += 1;
  }

  #removeFree(block: number): void {
    const left = this.#previous[block] ?? this.blocksMax;
    const right = this.#next[block] ?? this.blocksMax;
    this.#next[left] = right;
    this.#previous[right] = left;
    this.#freeBlocks -= 1;
  }
}
