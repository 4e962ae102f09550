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

/** One block size among the candidates of a look-up. */
interface Sized {
  readonly hashed: HashedPrompts;
  readonly index: PrefixIndex;
}

/**
 * Which leading blocks of prompts the endpoints hold, whatever their block sizes: an index for each
 * size in use. A size is forgotten with its last entry.
 */
export class PrefixCache implements PrefixCacheContract {
  readonly #hasher = new PromptHasher();
  readonly #indexes = new Map<number, PrefixIndex>();
  readonly #options: PrefixIndexOptions;
  /** Matched blocks by slot, of the look-up made last. */
  readonly #matched = new Uint32Array(slotsMax);

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
    const slotsBySize = new Map<number, Uint32Array>();
    for (const { slot } of query.candidates) {
      this.#matched[slot] = 0;
      const blockTokens = query.blockTokensOf(slot);
      let slots = slotsBySize.get(blockTokens);
      if (slots === undefined) {
        slotsBySize.set(blockTokens, (slots = new Uint32Array(slotsMax / 32)));
      }
      const word = slot >>> 5;
      slots[word] = (slots[word] ?? 0) | (1 << (slot & 31));
    }
    const sizes = new Map<number, Sized>();
    for (const [blockTokens, slots] of slotsBySize) {
      const hashed = this.#hasher.hash(query.prompts, { ...query, blockTokens });
      const index = this.#indexOf(blockTokens);
      index.match(hashed, slots, this.#matched);
      sizes.set(blockTokens, { hashed, index });
    }
    const matched = this.#matched;
    const sizeOf = (slot: number) => sizes.get(query.blockTokensOf(slot));
    return {
      totalBlocks: (slot) => sizeOf(slot)?.hashed.totalBlocks ?? 0,
      matchedBlocks: (slot) => (sizeOf(slot) === undefined ? 0 : (matched[slot] ?? 0)),
      blockTokens: (slot) => query.blockTokensOf(slot),
      add: (slot, capacityBlocks) => {
        const size = sizeOf(slot);
        return size === undefined
          ? nothingAdded
          : size.index.add(slot, size.hashed, capacityBlocks);
      },
    };
  }

  /** Drops what is known of a slot: its endpoint has gone. */
  forget(slot: number): void {
    for (const [blockTokens, index] of this.#indexes) {
      index.forget(slot);
      if (index.entryCount === 0) this.#indexes.delete(blockTokens);
    }
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
