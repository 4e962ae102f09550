import type { HeldBlocks, PrefixMatch } from "../../../../core/prefix-match.ts";
import type { CopyPrice } from "./copy-price.ts";

/** Prices that are kept, in places by their inputs; a power of two. */
const pricesMax = 256;
const noHeldBlocks: HeldBlocks = {
  count: 0,
  positions: new Uint32Array(0),
  holders: new Uint32Array(0),
  usesPerSecond: new Float64Array(0),
  blocksEach: 0,
};

/**
 * Prices of copies of one prompt's prefix in one block size. Endpoints that hold equally much of it and keep blocks
 * equally long have one price, which is computed once.
 */
export class PricedCopies {
  readonly #copies: CopyPrice;
  readonly #matchedBlocks = new Float64Array(pricesMax);
  /** Milliseconds that a copy lives; -1 if its cache has room. */
  readonly #lifetimesMs = new Float64Array(pricesMax);
  readonly #extraBlocks = new Float64Array(pricesMax);
  #held = noHeldBlocks;
  blockTokens = Number.NaN;

  constructor(copies: CopyPrice) {
    this.#copies = copies;
  }

  /** Begins with another prompt. */
  begin(blockTokens: number, held = noHeldBlocks): void {
    this.blockTokens = blockTokens;
    this.#held = held;
    this.#matchedBlocks.fill(Number.NaN);
  }

  /** The last block that is held, from 0; -1 without any. An endpoint that holds fewer leading blocks is short of it. */
  get lastHeld(): number {
    const { count, positions } = this.#held;
    return count === 0 ? -1 : (positions[count - 1] ?? 0);
  }

  /**
   * `CopyPrice.extraBlocks` of the prompt for an endpoint with this many leading blocks. `lifetimeMs`: -1 if its cache has
   * room.
   */
  extraBlocksOf(matchedBlocks: number, lifetimeMs: number): number {
    const seconds = lifetimeMs < 0 ? -1 : lifetimeMs / 1_000;
    const place = (Math.imul(matchedBlocks, 31) + seconds) & (pricesMax - 1);
    const isKnown =
      this.#matchedBlocks[place] === matchedBlocks && this.#lifetimesMs[place] === lifetimeMs;
    if (!isKnown) {
      const known = lifetimeMs < 0 ? undefined : lifetimeMs;
      this.#matchedBlocks[place] = matchedBlocks;
      this.#lifetimesMs[place] = lifetimeMs;
      this.#extraBlocks[place] = this.#copies.extraBlocks(this.#held, matchedBlocks, known);
    }
    return this.#extraBlocks[place] ?? 0;
  }
}

/** Prices of copies of one prompt's prefix, by the block size of endpoints. */
export class CopiesBySize {
  readonly #copies: CopyPrice;
  /** The first `#count` of these are of this prompt. */
  readonly #sizes: PricedCopies[] = [];
  #count = 0;

  constructor(copies: CopyPrice) {
    this.#copies = copies;
  }

  /** Begins with another prompt. */
  begin(): void {
    this.#count = 0;
  }

  /** The prices for the endpoint's block size: endpoints of a pool may alternate between two sizes. */
  of(slot: number, match: PrefixMatch): PricedCopies {
    const blockTokens = match.blockTokens(slot);
    for (let index = 0; index < this.#count; index += 1) {
      const known = this.#sizes[index];
      if (known?.blockTokens === blockTokens) return known;
    }
    const size = (this.#sizes[this.#count] ??= new PricedCopies(this.#copies));
    this.#count += 1;
    size.begin(blockTokens, match.heldBlocks?.(slot));
    return size;
  }
}
