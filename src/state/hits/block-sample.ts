import { FenwickTree } from "./fenwick-tree.ts";

/** Places of the order of uses for each block; more of them make renumbering rarer. */
const placesPerBlock = 4;

/** Interval over which uses are counted for their limit, in milliseconds. */
const paceMs = 10_000;

export interface BlockSampleOptions {
  /** Blocks that are kept. */
  readonly blocksMax?: number;
  /** Uses per second beyond which fewer blocks are sampled. */
  readonly usesPerSecondMax?: number;
  /** Milliseconds after its last use at which a block is forgotten, so that it is new again. */
  readonly memoryMs?: number;
}

/** One prompt, as it is sent. */
export interface PromptUse {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Work of the request, for the shares of its blocks. */
  readonly tokens: number;
  /** Blocks that all caches hold together; Infinity if unknown. */
  readonly capacityBlocks: number;
  /** Endpoints that have to hold a block through which this work passes. */
  readonly copiesOf: (workTokens: number) => number;
}

/** The sampled blocks of a prompt, from its end to its beginning, in columns that the next prompt overwrites. */
export interface SampledUses {
  readonly count: number;
  /** Number of the block in the prompt, from 0. */
  readonly positions: Uint32Array;
  /** Blocks that were used since the block's last use; Infinity if it is new. */
  readonly blocksSince: Float64Array;
  /** 1 if the block is held where copies take their places too, else 0. */
  readonly isReached: Uint8Array;
  /** Blocks that each of these stands for. */
  readonly blocksEach: number;
}

/**
 * Reuse distances of a sample of blocks. A block is in the sample by its hash, so either all of its uses are or none is
 * (SHARDS, Waldspurger et al., FAST 2015). If the sample is full, or used too often, the rate halves; it doubles when there is
 * room again, and blocks that this adds count once the sample has known them for as long as it remembers.
 *
 * The hash of a block stands for the whole prefix. A prompt is looked up before it is added, and its last block counts as
 * used before its first one, as engines evict the end of a prompt first. So an LRU cache never holds a block without those
 * before it, and a prefix hit is the number of blocks whose distance is less than the size of the cache.
 */
export class BlockSample {
  readonly #blocksMax: number;
  readonly #usesPerSecondMax: number;
  readonly #memoryMs: number;
  readonly #blocks = new Map<number, number>();
  /** Numbers of blocks, from 1 on, that are free. */
  readonly #free: number[];
  // By number.
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #usedAtMs: Float64Array;
  readonly #work: Float64Array;
  readonly #copies: Uint16Array;
  readonly #place: Uint32Array;
  /** Number of the block at each place of the order of uses; 0 if it was used again since. */
  readonly #at: Uint32Array;
  readonly #counts: FenwickTree;
  readonly #copyCounts: FenwickTree;
  #firstPlace = 1;
  #nextPlace = 1;
  /** A block is kept if its hash has this many leading zeros; it counts from `#countedLevel` on. */
  #level = 0;
  #countedLevel = 0;
  #countedFromMs = 0;
  #pacedFromMs = 0;
  #pacedUses = 0;
  #usesMax = 0;
  readonly #found: Uint32Array;
  readonly #uses: {
    count: number;
    blocksEach: number;
    readonly positions: Uint32Array;
    readonly blocksSince: Float64Array;
    readonly isReached: Uint8Array;
  };

  constructor(options: BlockSampleOptions = {}) {
    const { blocksMax = 16_384, usesPerSecondMax = 1_000, memoryMs = 3_600_000 } = options;
    this.#blocksMax = blocksMax;
    this.#usesPerSecondMax = usesPerSecondMax;
    this.#memoryMs = memoryMs;
    this.#free = Array.from({ length: blocksMax }, (_, index) => blocksMax - index);
    this.#low = new Uint32Array(blocksMax + 1);
    this.#high = new Uint32Array(blocksMax + 1);
    this.#usedAtMs = new Float64Array(blocksMax + 1);
    this.#work = new Float64Array(blocksMax + 1);
    this.#copies = new Uint16Array(blocksMax + 1);
    this.#place = new Uint32Array(blocksMax + 1);
    const placesMax = blocksMax * placesPerBlock;
    this.#at = new Uint32Array(placesMax + 1);
    this.#counts = new FenwickTree(placesMax);
    this.#copyCounts = new FenwickTree(placesMax);
    this.#found = new Uint32Array(blocksMax);
    this.#uses = {
      count: 0,
      blocksEach: 1,
      positions: new Uint32Array(blocksMax),
      blocksSince: new Float64Array(blocksMax),
      isReached: new Uint8Array(blocksMax),
    };
  }

  /** Blocks that are kept. */
  get size(): number {
    return this.#blocks.size;
  }

  /** Share of all blocks that are sampled. */
  get rate(): number {
    return 2 ** -this.#countedLevel;
  }

  /** Bytes of the columns; the map from hashes to numbers has about 60 for each block in addition. */
  get memoryBytes(): number {
    const columns = [this.#low, this.#high, this.#usedAtMs, this.#work, this.#copies, this.#place];
    const used = [...columns, this.#at, this.#found, ...this.#columnsOfUses()];
    const bytes = used.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return bytes + this.#counts.memoryBytes + this.#copyCounts.memoryBytes;
  }

  /** Looks up the blocks of a prompt and notes their use. `chain` has two words for each, the low half of its hash first. */
  see(chain: Uint32Array, use: PromptUse): SampledUses {
    this.#forgetOld(use.nowMs);
    this.#collect(chain, use.nowMs);
    this.#lookUp(chain, use);
    this.#note(chain, use);
    return this.#uses;
  }

  /** Finds the sampled blocks of a chain, from its end on, and makes room for them. */
  #collect(chain: Uint32Array, nowMs: number): void {
    const uses = this.#uses;
    for (;;) {
      let count = 0;
      for (let position = chain.length / 2 - 1; position >= 0; position -= 1) {
        if (Math.clz32(chain[position * 2 + 1] ?? 0) < this.#level) continue;
        // Beyond the column only the count matters: the sample halves.
        if (count < uses.positions.length) uses.positions[count] = position;
        count += 1;
      }
      uses.count = count;
      if (this.#blocks.size + count <= this.#blocksMax && !this.#isTooBusy(count, nowMs)) break;
      this.#halve(nowMs);
    }
    this.#pacedUses += uses.count;
    if (this.#nextPlace + uses.count > this.#at.length) this.#renumber();
    uses.blocksEach = 2 ** this.#countedLevel;
  }

  #isTooBusy(count: number, nowMs: number): boolean {
    if (nowMs - this.#pacedFromMs >= paceMs) {
      this.#usesMax = Math.max(this.#usesMax, this.#pacedUses);
      this.#pacedFromMs = nowMs;
      this.#pacedUses = 0;
    }
    return this.#pacedUses + count > (this.#usesPerSecondMax * paceMs) / 1_000 && count > 1;
  }

  #lookUp(chain: Uint32Array, { capacityBlocks, copiesOf, nowMs, tokens }: PromptUse): void {
    const { count, positions, blocksSince, isReached, blocksEach } = this.#uses;
    for (let index = 0; index < count; index += 1) {
      const position = positions[index] ?? 0;
      const block = this.#blocks.get(keyOf(chain, position)) ?? 0;
      this.#found[index] = block;
      blocksSince[index] = Number.POSITIVE_INFINITY;
      isReached[index] = 0;
      if (block === 0) continue;
      const place = this.#place[block] ?? 0;
      const since = this.#counts.sumAfter(place) * blocksEach;
      const sinceWithCopies = since + this.#copyCounts.sumAfter(place) * blocksEach;
      const copies = this.#copies[block] ?? 1;
      blocksSince[index] = since;
      const isHeld = sinceWithCopies < capacityBlocks;
      const hasAll = copies >= copiesOf(this.#workOf(block, nowMs) + tokens);
      isReached[index] = isHeld && hasAll ? 1 : 0;
      // A use of a block that needs one more copy makes it; one that was evicted begins again.
      this.#setCopies(block, isHeld ? copies + (hasAll ? 0 : 1) : 1);
    }
  }

  /** Puts the blocks at the end of the order of uses, the first block of the prompt last. Only counted ones stay in the result. */
  #note(chain: Uint32Array, { nowMs, tokens }: PromptUse): void {
    const uses = this.#uses;
    let counted = 0;
    for (let index = 0; index < uses.count; index += 1) {
      const position = uses.positions[index] ?? 0;
      const block = this.#found[index] || this.#add(chain, position);
      const worked = this.#workOf(block, nowMs) + tokens;
      this.#leavePlace(block);
      this.#work[block] = worked;
      this.#usedAtMs[block] = nowMs;
      this.#takePlace(block);
      if (!this.#isCounted(block)) continue;
      uses.positions[counted] = position;
      uses.blocksSince[counted] = uses.blocksSince[index] ?? 0;
      uses.isReached[counted] = uses.isReached[index] ?? 0;
      counted += 1;
    }
    uses.count = counted;
  }

  #add(chain: Uint32Array, position: number): number {
    const block = this.#free.pop();
    if (block === undefined) throw new Error("there is room for every block that was found");
    this.#low[block] = chain[position * 2] ?? 0;
    this.#high[block] = chain[position * 2 + 1] ?? 0;
    this.#work[block] = 0;
    this.#copies[block] = 1;
    this.#place[block] = 0;
    this.#blocks.set(keyOf(chain, position), block);
    return block;
  }

  /** Work of the requests with this block, as it fades: 1/e of it is left after `workMemoryMs`. */
  #workOf(block: number, nowMs: number): number {
    return (this.#work[block] ?? 0) * fadedTo(nowMs - (this.#usedAtMs[block] ?? 0));
  }

  #setCopies(block: number, copies: number): void {
    const before = this.#copies[block] ?? 1;
    if (copies === before) return;
    this.#copies[block] = copies;
    if (this.#isCounted(block)) this.#copyCounts.add(this.#place[block] ?? 0, copies - before);
  }

  #leavePlace(block: number): void {
    const place = this.#place[block] ?? 0;
    if (place === 0) return;
    this.#at[place] = 0;
    this.#count(block, place, -1);
  }

  #takePlace(block: number): void {
    const place = this.#nextPlace;
    this.#nextPlace += 1;
    this.#at[place] = block;
    this.#place[block] = place;
    this.#count(block, place, 1);
  }

  #count(block: number, place: number, sign: 1 | -1): void {
    if (!this.#isCounted(block)) return;
    this.#counts.add(place, sign);
    const more = (this.#copies[block] ?? 1) - 1;
    if (more > 0) this.#copyCounts.add(place, sign * more);
  }

  #isCounted(block: number): boolean {
    return Math.clz32(this.#high[block] ?? 0) >= this.#countedLevel;
  }

  #forgetOld(nowMs: number): void {
    for (; this.#firstPlace < this.#nextPlace; this.#firstPlace += 1) {
      const block = this.#at[this.#firstPlace] ?? 0;
      if (block === 0) continue;
      if ((this.#usedAtMs[block] ?? 0) + this.#memoryMs > nowMs) break;
      this.#remove(block);
    }
    if (this.#countedLevel > this.#level && nowMs >= this.#countedFromMs) {
      this.#countedLevel = this.#level;
      this.#renumber();
    }
  }

  #remove(block: number): void {
    this.#leavePlace(block);
    this.#blocks.delete(key(this.#low[block] ?? 0, this.#high[block] ?? 0));
    this.#free.push(block);
  }

  #halve(nowMs: number): void {
    this.#level += 1;
    this.#countedLevel = Math.max(this.#countedLevel, this.#level);
    this.#pacedFromMs = nowMs;
    this.#pacedUses = 0;
    this.#usesMax = 0;
    this.#renumber();
  }

  /** Samples twice as many blocks, if there is room for several times as many. To be called every few minutes. */
  widen(nowMs: number): void {
    const isQuiet = this.#usesMax < (this.#usesPerSecondMax * paceMs) / 4_000;
    this.#usesMax = 0;
    const isSettled = this.#countedLevel === this.#level && nowMs >= this.#countedFromMs;
    if (this.#level === 0 || !isSettled || !isQuiet) return;
    if (this.#blocks.size > this.#blocksMax / 4) return;
    this.#level -= 1;
    this.#countedFromMs = nowMs + this.#memoryMs;
  }

  /** Numbers the places again from 1 on, and drops the blocks that are not sampled any more. */
  #renumber(): void {
    let next = 1;
    for (let place = this.#firstPlace; place < this.#nextPlace; place += 1) {
      const block = this.#at[place] ?? 0;
      if (block === 0) continue;
      this.#at[place] = 0;
      if (Math.clz32(this.#high[block] ?? 0) < this.#level) {
        this.#blocks.delete(key(this.#low[block] ?? 0, this.#high[block] ?? 0));
        this.#free.push(block);
        continue;
      }
      this.#at[next] = block;
      this.#place[block] = next;
      next += 1;
    }
    this.#firstPlace = 1;
    this.#nextPlace = next;
    this.#counts.replace(next - 1, (place) => (this.#isCounted(this.#at[place] ?? 0) ? 1 : 0));
    this.#copyCounts.replace(next - 1, (place) => {
      const block = this.#at[place] ?? 0;
      return this.#isCounted(block) ? (this.#copies[block] ?? 1) - 1 : 0;
    });
  }

  #columnsOfUses() {
    const { positions, blocksSince, isReached } = this.#uses;
    return [positions, blocksSince, isReached];
  }
}

/** Milliseconds in which the share of work that counts falls to 1/e. */
const workMemoryMs = 600_000;

/** The part of some work that counts after this time. */
export function fadedTo(ms: number): number {
  return Math.exp(-ms / workMemoryMs);
}

function keyOf(chain: Uint32Array, position: number): number {
  return key(chain[position * 2] ?? 0, chain[position * 2 + 1] ?? 0);
}

/** 53 bits of a hash, as a number that is exact. */
function key(low: number, high: number): number {
  return (high & 0x1f_ffff) * 2 ** 32 + low;
}
