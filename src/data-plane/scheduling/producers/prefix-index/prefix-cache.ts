import type { Endpoint } from "../../../../core/endpoint.ts";
import type { MemoryKind } from "../../../../core/plugin-states.ts";
import type { PrefixMatch } from "../../../../core/prefix-match.ts";
import type { PromptPart } from "../../../../core/request.ts";
import {
  type AddedBlocks,
  type BlockUse,
  PrefixIndex,
  type PrefixIndexOptions,
} from "./prefix-index.ts";
import { type HashedPrompts, PromptHasher } from "./prompt-hasher.ts";

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
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

/** A match whose prompts can be added to an endpoint's cache once the request is sent. */
export interface PrefixLookUp extends PrefixMatch {
  /** Adds the prompts to the endpoint's blocks, of which it keeps at most `capacityBlocks`. */
  add(slot: number, capacityBlocks: number): AddedBlocks;
}

const nothingAdded: AddedBlocks = { takeBack: () => undefined };

/** The candidates of a lookup with the same block size. */
interface Group {
  readonly blockTokens: number;
  /** Their slots, as a bit set. */
  readonly slots: Uint32Array;
}

/**
 * Leading blocks of prompts that endpoints hold, for any block sizes: one index for each size in use. The index of a
 * size is dropped with its last entry.
 *
 * The results of a lookup are in columns by slot, which the next lookup overwrites.
 */
export class PrefixCache {
  readonly #hasher = new PromptHasher();
  readonly #indexes = new Map<number, PrefixIndex>();
  readonly #entriesMax: number;
  readonly #matched = new Uint32Array(slotsMax);
  readonly #total = new Uint32Array(slotsMax);
  readonly #blockTokens = new Float64Array(slotsMax);

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
    const sizes = this.#groupsOf(query).map(({ blockTokens, slots }) => {
      const hashed = this.#hasher.hash(query.prompts, { ...query, blockTokens });
      this.#indexes.get(blockTokens)?.match(hashed, slots, this.#matched);
      return hashed;
    });
    const totals = new Map(sizes.map(({ blockTokens, totalBlocks }) => [blockTokens, totalBlocks]));
    for (const { slot } of query.candidates) {
      this.#total[slot] = totals.get(this.#blockTokens[slot] ?? 0) ?? 0;
    }
    return this.#found(query, sizes);
  }

  /** Drops all blocks of a slot whose endpoint joined or left, or whose engine restarted. */
  forget(slot: number): void {
    this.#forgetExcept(slot, undefined);
  }

  #forgetExcept(slot: number, kept: PrefixIndex | undefined): void {
    for (const [blockTokens, index] of this.#indexes) {
      if (index === kept) continue;
      index.forget(slot);
      if (index.entryCount === 0) this.#indexes.delete(blockTokens);
    }
  }

  #add(slot: number, hashed: HashedPrompts, use: BlockUse): AddedBlocks {
    const index = this.#indexOf(hashed.blockTokens);
    // An engine has one block size. If it changed, the engine has restarted and lost its old blocks.
    this.#forgetExcept(slot, index);
    const added = index.add(slot, hashed, use);
    this.#evictBeyondMax();
    return added;
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
  #groupsOf({ candidates, blockTokensOf }: PrefixQuery): readonly Group[] {
    const groups: Group[] = [];
    let group: Group | undefined;
    for (const { slot } of candidates) {
      const blockTokens = blockTokensOf(slot);
      this.#matched[slot] = 0;
      this.#blockTokens[slot] = blockTokens;
      if (group?.blockTokens !== blockTokens) {
        group = groups.find((each) => each.blockTokens === blockTokens);
        if (group === undefined) {
          group = { blockTokens, slots: new Uint32Array(slotsMax / 32) };
          groups.push(group);
        }
      }
      const word = slot >>> 5;
      group.slots[word] = (group.slots[word] ?? 0) | (1 << (slot & 31));
    }
    return groups;
  }

  #found({ blockTokensOf, nowMs }: PrefixQuery, sizes: readonly HashedPrompts[]): PrefixLookUp {
    const matched = this.#matched;
    const total = this.#total;
    const blockTokens = this.#blockTokens;
    return {
      totalBlocks: (slot) => total[slot] ?? 0,
      matchedBlocks: (slot) => matched[slot] ?? 0,
      blockTokens: (slot) => blockTokens[slot] ?? 0,
      heldBlocks: (slot) => this.#indexes.get(blockTokens[slot] ?? 0)?.heldBlocks(nowMs),
      evictionAgeMs: (slot) =>
        this.#indexes.get(blockTokens[slot] ?? 0)?.evictionAgeMs(slot, nowMs),
      add: (slot, capacityBlocks) => {
        const wanted = blockTokensOf(slot);
        const hashed = sizes.find((each) => each.blockTokens === wanted);
        if (hashed === undefined) return nothingAdded;
        return this.#add(slot, hashed, { capacityBlocks, nowMs });
      },
    };
  }

  #indexOf(blockTokens: number): PrefixIndex {
    let index = this.#indexes.get(blockTokens);
    if (index === undefined) {
      index = new PrefixIndex({ entriesMax: this.#entriesMax });
      this.#indexes.set(blockTokens, index);
    }
    return index;
  }

  #sum(part: (index: PrefixIndex) => number): number {
    let sum = 0;
    for (const index of this.#indexes.values()) sum += part(index);
    return sum;
  }
}

/** Prefix caches of producers. */
export const prefixCacheMemory: MemoryKind<PrefixCache> = {
  create: () => new PrefixCache(),
  forget: (cache, { slot }) => cache.forget(slot),
};
