import type { PromptBlocks } from "../../../../core/prefix-match.ts";
import type { PromptPart } from "../../../../core/request.ts";
import { bytesPerToken, mediaTokens } from "../../../../core/token-estimate.ts";
import { BlockChainHasher, blockBytesMax, type Hash64 } from "./block-chain.ts";

/** Block size for hashes of references and names, in bytes. */
const referenceBlockBytes = 65_536;

const zero: Hash64 = { low: 0, high: 0 };

/** Seeds that are kept, one for each model and salt; beyond it, they are forgotten and hashed again. */
const seedsMax = 256;
/** Longest model and salt of a kept seed, in characters: the client chooses both. */
const seedCharactersMax = 512;

/** The prompts of a request. */
export type Prompts = readonly (readonly PromptPart[])[];

export interface HashOptions {
  readonly model: string;
  readonly cacheSalt: string;
  readonly blockTokens: number;
  /** Maximum tokens of each prompt to hash; 0 for all. */
  readonly promptTokensMax: number;
}

/** Turns prompts into chains of block hashes: prompts with equal prefixes have chains with equal beginnings. */
export class PromptHasher {
  readonly #hasher = new BlockChainHasher();
  readonly #seeds = new Map<string, Hash64>();

  /**
   * The bytes of a prompt are its text in UTF-8, 4 bytes for each token id, and for media repetitions of a number that
   * stands for its reference. Each prompt of a batch has its own chain.
   */
  hash(prompts: Prompts, options: HashOptions): PromptBlocks {
    const blockBytes = Math.min(options.blockTokens * bytesPerToken, blockBytesMax);
    const blocksMax =
      options.promptTokensMax === 0
        ? Infinity
        : Math.floor((options.promptTokensMax * bytesPerToken) / blockBytes);
    const seed = this.#seedOf(options);
    const chains = prompts.map((parts) => {
      // References are hashed first, because the hasher makes one chain at a time.
      const media = this.#mediaNumbersIn(parts);
      this.#hasher.begin(blockBytes, blocksMax, seed);
      for (const part of parts) {
        if (this.#hasher.isFull) break;
        this.#add(part, media?.get(part) ?? 0);
      }
      return this.#hasher.end();
    });
    const words = chains.reduce((sum, { length }) => sum + length, 0);
    return { blockTokens: options.blockTokens, totalBlocks: words / 2, chains };
  }

  /** The number that stands for each reference; undefined if there are none. */
  #mediaNumbersIn(parts: readonly PromptPart[]): ReadonlyMap<PromptPart, number> | undefined {
    let numbers: Map<PromptPart, number> | undefined;
    for (const part of parts) {
      if (part.kind !== "media") continue;
      numbers ??= new Map();
      numbers.set(part, this.#hashOf(part.reference).low);
    }
    return numbers;
  }

  #add(part: PromptPart, mediaNumber: number): void {
    switch (part.kind) {
      case "text":
        this.#hasher.addText(part.text);
        return;
      case "tokens":
        this.#hasher.addNumbers(part.tokenIds);
        return;
      case "media":
        this.#hasher.align();
        this.#hasher.addNumbers(Array.from({ length: mediaTokens }, () => mediaNumber));
    }
  }

  /** The seed of a chain; most requests have the model and the salt of others. */
  #seedOf({ model, cacheSalt }: HashOptions): Hash64 {
    const text = `${model}\u0000${cacheSalt}`;
    const kept = this.#seeds.get(text);
    if (kept !== undefined) return kept;
    const seed = this.#hashOf(text);
    if (text.length > seedCharactersMax) return seed;
    if (this.#seeds.size >= seedsMax) this.#seeds.clear();
    this.#seeds.set(text, seed);
    return seed;
  }

  /** The hash of a text of any length. */
  #hashOf(text: string): Hash64 {
    this.#hasher.begin(referenceBlockBytes, Infinity, zero);
    this.#hasher.addText(text);
    const chain = this.#hasher.end();
    return { low: chain.at(-2) ?? 0, high: chain.at(-1) ?? 0 };
  }
}
