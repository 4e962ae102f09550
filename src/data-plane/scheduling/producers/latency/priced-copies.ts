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
  /** Milliseconds that a copy lives; -1 if its cache has room. */
  readonly #lifetimeKeys = new Float64Array(pricesMax);
  readonly #extraBlocks = new Float64Array(pricesMax);
  #held = noHeldBlocks;
  /** The price that was asked for last: neighbors in a pool often have the same. */
  #lastBlocks = Number.NaN;
  #lastKey = Number.NaN;
  #lastExtra = 0;
  blockTokens = Number.NaN;

  constructor(copies: CopyPrice) {
    this.#copies = copies;
  }

  /** Begins with another prompt. */
  begin(blockTokens: number, held = noHeldBlocks): void {
    this.blockTokens = blockTokens;
    this.#held = held;
    this.#matchedBlocks.fill(Number.NaN);
    this.#lastBlocks = Number.NaN;
  }

  /** The last block that is held, from 0; -1 without any. An endpoint that holds fewer leading blocks is short of it. */
  get lastHeld(): number {
    const { count, positions } = this.#held;
    return count === 0 ? -1 : (positions[count - 1] ?? 0);
  }

  /**
   * `CopyPrice.extraBlocks` of the prompt for an endpoint with this many leading blocks. `lifetimeMs`: NaN if its cache has
   * room.
   */
  extraBlocksOf(matchedBlocks: number, lifetimeMs: number): number {
    const lifetimeKey = lifetimeMs >= 0 ? lifetimeMs : -1;
    const isLast = matchedBlocks === this.#lastBlocks && lifetimeKey === this.#lastKey;
    if (!isLast) {
      this.#lastBlocks = matchedBlocks;
      this.#lastKey = lifetimeKey;
      this.#lastExtra = this.#extraAt(this.#placeOf(matchedBlocks, lifetimeKey));
    }
    return this.#lastExtra;
  }

  /** The place of a price, which is computed if the place has another one. */
  #placeOf(matchedBlocks: number, lifetimeKey: number): number {
    const seconds = lifetimeKey < 0 ? -1 : lifetimeKey / 1_000;
    const place = (Math.imul(matchedBlocks, 31) + seconds) & (pricesMax - 1);
    const isKnown =
      this.#matchedBlocks[place] === matchedBlocks && this.#lifetimeKeys[place] === lifetimeKey;
    if (isKnown) return place;
    const lifetimeMs = lifetimeKey < 0 ? undefined : lifetimeKey;
    this.#matchedBlocks[place] = matchedBlocks;
    this.#lifetimeKeys[place] = lifetimeKey;
    this.#extraBlocks[place] = this.#copies.extraBlocks(this.#held, matchedBlocks, lifetimeMs);
    return place;
  }

  #extraAt(place: number): number {
    return this.#extraBlocks[place] ?? 0;
  }
}
