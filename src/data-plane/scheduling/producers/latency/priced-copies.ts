import type { HeldBlocks } from "../../../../core/prefix-match.ts";
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
  readonly #lifetimeMs = new Float64Array(pricesMax);
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

  /** True if an endpoint that holds this many leading blocks lacks blocks that others hold. */
  isShort(matchedBlocks: number): boolean {
    const { count, positions } = this.#held;
    return count > 0 && (positions[count - 1] ?? 0) >= matchedBlocks;
  }

  /** The place of a price, for `extraBlocksAt`. */
  placeOf(matchedBlocks: number, lifetimeMs: number | undefined): number {
    const lifetimeKey = lifetimeMs ?? Number.NEGATIVE_INFINITY;
    const seconds = lifetimeMs === undefined ? -1 : lifetimeMs / 1_000;
    const place = (Math.imul(matchedBlocks, 31) + seconds) & (pricesMax - 1);
    const isKnown =
      this.#matchedBlocks[place] === matchedBlocks && this.#lifetimeMs[place] === lifetimeKey;
    if (isKnown) return place;
    this.#matchedBlocks[place] = matchedBlocks;
    this.#lifetimeMs[place] = lifetimeKey;
    this.#extraBlocks[place] = this.#copies.extraBlocks(this.#held, matchedBlocks, lifetimeMs);
    return place;
  }

  /** `CopyPrice.extraBlocks` of the prompt, at the place that `placeOf` returned last. */
  extraBlocksAt(place: number): number {
    return this.#extraBlocks[place] ?? 0;
  }
}
