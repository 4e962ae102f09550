import type { Endpoint } from "../../../../core/endpoint.ts";
import { slotsOf } from "../../../../core/endpoint-slots.ts";
import type { MemoryKind } from "../../../../core/plugin-states.ts";
import type {
  HeldBlocks,
  MatchColumns,
  PrefixMatch,
  PromptBlocks,
} from "../../../../core/prefix-match.ts";
import type { PromptPart } from "../../../../core/request.ts";
import {
  type AddedBlocks,
  type BlockUse,
  PrefixIndex,
  type PrefixIndexOptions,
} from "./prefix-index.ts";
import { KeptHashes } from "./kept-hashes.ts";
import { PromptHasher } from "./prompt-hasher.ts";

/** Maximum number of slots in a bit set. */
const slotsMax = 4_096;

/** Parameters of a lookup. */
export interface PrefixQuery {
  readonly prompts: readonly (readonly PromptPart[])[];
  /** Model or adapter of the request: prompts of different models share no blocks. */
  readonly model: string;
  /** The request's `cache_salt`: prompts with different salts share no blocks. */
  readonly cacheSalt: string;
  /** Maximum tokens of each prompt to look up; 0 for no limit. */
  readonly promptTokensMax: number;
  readonly candidates: readonly Endpoint[];
  readonly blockTokensOf: (slot: number) => number;
  /**
   * The inputs of block sizes: the plugin's parameters, as an object, and a column. While neither has changed, sizes are
   * not asked for again.
   */
  readonly sizedBy?: { readonly params: object; readonly reported: Float64Array };
  /** True if the same prompts will be looked up again, because their request waits. */
  readonly mayRepeat?: boolean;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

/** A match whose prompts can be added to an endpoint's cache once the request is sent. */
export interface PrefixLookUp extends PrefixMatch {
  /** Adds the prompts to the endpoint's blocks, of which it keeps at most `capacityBlocks`. */
  add(slot: number, capacityBlocks: number): AddedBlocks;
}

const nothingAdded: AddedBlocks = { takeBack: () => undefined };

/** The candidates of a lookup with the same block size; the next lookup overwrites it. */
interface Group {
  blockTokens: number;
  /** Their slots, as a bit set. */
  readonly slots: Int32Array;
}

/**
 * Leading blocks of prompts that endpoints hold, for any block sizes: one index for each size in use. The index of a
 * size is dropped with its last entry.
 *
 * The results of a lookup are in columns by slot, which the next lookup overwrites.
 */
export class PrefixCache {
  readonly #hasher = new PromptHasher();
  readonly #hashes = new KeptHashes((prompts, options) => this.#hasher.hash(prompts, options));
  readonly #indexes = new Map<number, PrefixIndex>();
  /** The index that was asked for last; NaN if it has to be looked up. */
  #lastBlockTokens = Number.NaN;
  #lastIndex: PrefixIndex | undefined;
  readonly #entriesMax: number;
  readonly #columns: MatchColumns = {
    matchedBlocks: new Uint32Array(slotsMax),
    blockTokens: new Float64Array(slotsMax),
  };
  /** Parameters of the last lookup, and by slot the last number that its block sizes depend on. */
  #sizedBy: object | undefined;
  readonly #reported = new Float64Array(slotsMax);
  /** The candidates of the last lookup. */
  #candidates: readonly Endpoint[] = [];
  /** Slots up to the highest one of them. */
  #slotCount = 0;
  /** The groups of the last lookup, the first `#groupCount` of these. */
  readonly #groups: Group[] = [];
  #groupCount = 0;

  constructor({ entriesMax = 4_000_000 }: PrefixIndexOptions = {}) {
    this.#entriesMax = entriesMax;
  }

  /** Number of (endpoint, block) pairs. */
  get entryCount(): number {
    return this.#sum(({ entryCount }) => entryCount);
  }

  /** Bytes of memory in use. */
  get memoryBytes(): number {
    return this.#sum(({ memoryBytes }) => memoryBytes);
  }

  lookUp(query: PrefixQuery): PrefixLookUp {
    this.#group(query);
    const sizes: PromptBlocks[] = [];
    for (let index = 0; index < this.#groupCount; index += 1) {
      const group = this.#groups[index];
      if (group === undefined) break;
      const { blockTokens, slots } = group;
      const { mayRepeat = false } = query;
      const hashed = this.#hashes.of(query.prompts, { ...query, blockTokens }, mayRepeat);
      this.indexOf(blockTokens)?.match(hashed, slots, this.#columns.matchedBlocks);
      sizes.push(hashed);
    }
    return new LookUp(this, query, { sizes, columns: this.#columns });
  }

  /** The index of a block size; undefined if no endpoint holds blocks of it. */
  indexOf(blockTokens: number): PrefixIndex | undefined {
    // Most pools have one block size, and a decision asks for it once for each endpoint.
    if (this.#lastBlockTokens !== blockTokens) {
      this.#lastBlockTokens = blockTokens;
      this.#lastIndex = this.#indexes.get(blockTokens);
    }
    return this.#lastIndex;
  }

  /** Adds prompts to the slot's blocks. */
  add(slot: number, hashed: PromptBlocks, use: BlockUse): AddedBlocks {
    const index = this.#madeIndexOf(hashed.blockTokens);
    // An engine has one block size. If it changed, the engine has restarted and lost its old blocks.
    if (this.#indexes.size > 1) this.#forgetExcept(slot, index);
    const added = index.add(slot, hashed, use);
    this.#evictBeyondMax();
    return added;
  }

  /**
   * Drops all blocks of a slot whose endpoint joined or left; or those that were used last before its engine restarted,
   * to the second.
   */
  forget(slot: number, restartMs?: number): void {
    this.#forgetExcept(slot, undefined, restartMs);
  }

  #forgetExcept(slot: number, kept: PrefixIndex | undefined, restartMs?: number): void {
    for (const [blockTokens, index] of this.#indexes) {
      if (index === kept) continue;
      index.forget(slot, restartMs);
      if (index.entryCount > 0) continue;
      this.#indexes.delete(blockTokens);
      this.#lastBlockTokens = Number.NaN;
    }
  }

  /** Enforces the bound on all indexes together: each index only enforces it on itself. */
  #evictBeyondMax(): void {
    for (let excess = this.entryCount - this.#entriesMax; excess > 0;) {
      const indexes = [...this.#indexes.values()].toSorted((a, b) => b.entryCount - a.entryCount);
      indexes[0]?.evict(excess);
      excess = this.entryCount - this.#entriesMax;
    }
  }

  /** Groups the candidates by block size, usually into one group; resets the columns of the lookup. */
  #group(query: PrefixQuery): void {
    const slots = slotsOf(query.candidates);
    this.#columns.matchedBlocks.fill(0, 0, this.#slotCount);
    // Most lookups are over the endpoints of the one before, and block sizes change when an engine restarts.
    if (this.#hasSameSizes(query, slots)) return;
    this.#candidates = query.candidates;
    this.#groupCount = 0;
    this.#slotCount = 0;
    let group: Group | undefined;
    for (let index = 0; index < slots.length; index += 1) {
      const slot = slots[index] ?? 0;
      const blockTokens = query.blockTokensOf(slot);
      this.#columns.blockTokens[slot] = blockTokens;
      this.#slotCount = Math.max(this.#slotCount, slot + 1);
      if (group?.blockTokens !== blockTokens) group = this.#groupOf(blockTokens);
      const word = slot >>> 5;
      group.slots[word] = (group.slots[word] ?? 0) | (1 << (slot & 31));
    }
  }

  /** True if the candidates and their block sizes are those of the last lookup. */
  #hasSameSizes({ candidates, sizedBy }: PrefixQuery, slots: Int32Array): boolean {
    const isSame =
      sizedBy !== undefined &&
      sizedBy.params === this.#sizedBy &&
      candidates === this.#candidates &&
      isEqualIn(slots, sizedBy.reported, this.#reported);
    if (isSame) return true;
    this.#sizedBy = sizedBy?.params;
    for (const slot of slots) this.#reported[slot] = sizedBy?.reported[slot] ?? Number.NaN;
    return false;
  }

  #groupOf(blockTokens: number): Group {
    for (let index = 0; index < this.#groupCount; index += 1) {
      const group = this.#groups[index];
      if (group?.blockTokens === blockTokens) return group;
    }
    const group = (this.#groups[this.#groupCount] ??= {
      blockTokens,
      slots: new Int32Array(slotsMax / 32),
    });
    this.#groupCount += 1;
    group.blockTokens = blockTokens;
    group.slots.fill(0);
    return group;
  }

  #madeIndexOf(blockTokens: number): PrefixIndex {
    let index = this.#indexes.get(blockTokens);
    if (index === undefined) {
      index = new PrefixIndex({ entriesMax: this.#entriesMax });
      this.#indexes.set(blockTokens, index);
      this.#lastBlockTokens = Number.NaN;
    }
    return index;
  }

  #sum(part: (index: PrefixIndex) => number): number {
    let sum = 0;
    for (const index of this.#indexes.values()) sum += part(index);
    return sum;
  }
}

/** Columns of a lookup, and its prompts by block size. */
interface Found {
  readonly sizes: readonly PromptBlocks[];
  readonly columns: MatchColumns;
}

/**
 * One object for each lookup, because requests keep it until their response begins. It holds the hashes of the prompts
 * and not the prompts.
 */
class LookUp implements PrefixLookUp {
  readonly #cache: PrefixCache;
  readonly #blockTokensOf: (slot: number) => number;
  readonly #nowMs: number;
  readonly #sizes: readonly PromptBlocks[];
  readonly columns: MatchColumns;

  constructor(cache: PrefixCache, { blockTokensOf, nowMs }: PrefixQuery, found: Found) {
    this.#cache = cache;
    this.#blockTokensOf = blockTokensOf;
    this.#nowMs = nowMs;
    this.#sizes = found.sizes;
    this.columns = found.columns;
  }

  totalBlocks(slot: number): number {
    return this.#hashedIn(this.blockTokens(slot))?.totalBlocks ?? 0;
  }

  matchedBlocks(slot: number): number {
    return this.columns.matchedBlocks[slot] ?? 0;
  }

  blockTokens(slot: number): number {
    return this.columns.blockTokens[slot] ?? 0;
  }

  heldBlocks(slot: number): HeldBlocks | undefined {
    return this.#cache.indexOf(this.blockTokens(slot))?.heldBlocks(this.#nowMs);
  }

  promptBlocks(slot: number): PromptBlocks | undefined {
    return this.#hashedIn(this.blockTokens(slot));
  }

  evictionAgeMs(slot: number): number | undefined {
    return this.#cache.indexOf(this.blockTokens(slot))?.evictionAgeMs(slot, this.#nowMs);
  }

  evictionAges(): Float64Array | undefined {
    const only = this.#sizes.length === 1 ? this.#sizes[0]?.blockTokens : undefined;
    return only === undefined ? undefined : this.#cache.indexOf(only)?.evictionAges(this.#nowMs);
  }

  add(slot: number, capacityBlocks: number): AddedBlocks {
    const hashed = this.#hashedIn(this.#blockTokensOf(slot));
    if (hashed === undefined) return nothingAdded;
    return this.#cache.add(slot, hashed, { capacityBlocks, nowMs: this.#nowMs });
  }

  #hashedIn(blockTokens: number): PromptBlocks | undefined {
    for (const hashed of this.#sizes) {
      if (hashed.blockTokens === blockTokens) return hashed;
    }
    return undefined;
  }
}

/** True if two columns have the same numbers in these slots. */
function isEqualIn(slots: Int32Array, a: Float64Array, b: Float64Array): boolean {
  const count = slots.length;
  for (let index = 0; index < count; index += 1) {
    const slot = slots[index] ?? 0;
    const number = a[slot] ?? 0;
    const other = b[slot] ?? 0;
    // NaN is not equal to itself, and stands for what an engine does not report.
    if (number !== other && (number === number || other === other)) return false;
  }
  return true;
}

/** Prefix caches of producers. */
export const prefixCacheMemory: MemoryKind<PrefixCache> = {
  create: () => new PrefixCache(),
  forget: (cache, { slot }) => cache.forget(slot),
  restart: (cache, { slot }, restartMs) => cache.forget(slot, restartMs),
};
