import type {
  AddedBlocks,
  PrefixCache as PrefixCacheContract,
  PrefixLookUp,
  PrefixQuery,
} from "../../core/prefix-match.ts";
import { PrefixIndex, type PrefixIndexOptions } from "./prefix-index.ts";
import { type HashedPrompts, PromptHasher } from "./prompt-hasher.ts";

/** Slots that a set of bits may name. */
const slotsMax = 4_096;

const nothingAdded: AddedBlocks = { takeBack: () => undefined };

/** The candidates of a look-up that have one block size. */
interface Group {
  readonly blockTokens: number;
  /** Their slots, as a set of bits. */
  readonly slots: Uint32Array;
}

/** A request's prompts at one block size. */
interface Sized {
  readonly hashed: HashedPrompts;
  readonly index: PrefixIndex;
}

/**
 * Which leading blocks of prompts the endpoints hold, whatever their block sizes: an index for each
 * size in use. A size is forgotten with its last entry.
 *
 * What a look-up finds lies in columns by slot, which the next look-up overwrites.
 */
export class PrefixCache implements PrefixCacheContract {
  readonly #hasher = new PromptHasher();
  readonly #indexes = new Map<number, PrefixIndex>();
  readonly #options: PrefixIndexOptions;
  readonly #matched = new Uint32Array(slotsMax);
  readonly #total = new Uint32Array(slotsMax);
  readonly #blockTokens = new Float64Array(slotsMax);

  constructor(options: PrefixIndexOptions = {}) {
    this.#options = options;
  }

  get entryCount(): number {
    return this.#sum(({ entryCount }) => entryCount);
  }

  get memoryBytes(): number {
    return this.#sum(({ memoryBytes }) => memoryBytes);
  }

  lookUp(query: PrefixQuery): PrefixLookUp {
    const sizes = this.#groupsOf(query).map(({ blockTokens, slots }): Sized => {
      const hashed = this.#hasher.hash(query.prompts, { ...query, blockTokens });
      const index = this.#indexOf(blockTokens);
      index.match(hashed, slots, this.#matched);
      return { hashed, index };
    });
    const totals = new Map(sizes.map(({ hashed }) => [hashed.blockTokens, hashed.totalBlocks]));
    for (const { slot } of query.candidates) {
      this.#total[slot] = totals.get(this.#blockTokens[slot] ?? 0) ?? 0;
    }
    return this.#found(query, sizes);
  }

  /** Drops what is known of a slot: its endpoint has gone. */
  forget(slot: number): void {
    for (const [blockTokens, index] of this.#indexes) {
      index.forget(slot);
      if (index.entryCount === 0) this.#indexes.delete(blockTokens);
    }
  }

  /** The candidates by block size, usually one group; begins the columns of the look-up. */
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
          groups.push((group = { blockTokens, slots: new Uint32Array(slotsMax / 32) }));
        }
      }
      const word = slot >>> 5;
      group.slots[word] = (group.slots[word] ?? 0) | (1 << (slot & 31));
    }
    return groups;
  }

  #found({ blockTokensOf }: PrefixQuery, sizes: readonly Sized[]): PrefixLookUp {
    const matched = this.#matched;
    const total = this.#total;
    const blockTokens = this.#blockTokens;
    return {
      totalBlocks: (slot) => total[slot] ?? 0,
      matchedBlocks: (slot) => matched[slot] ?? 0,
      blockTokens: (slot) => blockTokens[slot] ?? 0,
      add: (slot, capacityBlocks) => {
        const wanted = blockTokensOf(slot);
        const size = sizes.find(({ hashed }) => hashed.blockTokens === wanted);
        return size === undefined
          ? nothingAdded
          : size.index.add(slot, size.hashed, capacityBlocks);
      },
    };
  }

  #indexOf(blockTokens: number): PrefixIndex {
    let index = this.#indexes.get(blockTokens);
    if (index === undefined) {
      this.#indexes.set(blockTokens, (index = new PrefixIndex(this.#options)));
    }
    return index;
  }

  #sum(part: (index: PrefixIndex) => number): number {
    let sum = 0;
    for (const index of this.#indexes.values()) sum += part(index);
    return sum;
  }
}
