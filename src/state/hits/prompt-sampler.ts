import type { SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { PrefixMatch, PromptBlocks } from "../../core/prefix-match.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { BlockSample, type BlockSampleOptions } from "./block-sample.ts";

/** Requests in a row without the sample's block size, after which it takes another one. */
const othersMax = 100;

/** Block size of prompts that no plugin hashes, in tokens; that of the prefix index. */
const ownBlockTokens = 64;

/** Hashes the prompts of a request; undefined if engines cache nothing of them. */
export type HashPrompts = (
  request: InferenceRequest,
  blockTokens: number,
) => PromptBlocks | undefined;

/** `uncached`: engines cache nothing of it. `other-size`: its blocks have another size than the sample. */
export type FoundBlocks = PromptBlocks | "uncached" | "other-size";

/** A sample of blocks of one size, and the blocks of prompts in this size. */
export class PromptSampler {
  readonly #hash: HashPrompts;
  readonly #options: BlockSampleOptions;
  sample: BlockSample;
  /** 0 before the first prompt. */
  blockTokens = 0;
  #othersInRow = 0;

  constructor(hash: HashPrompts, options: BlockSampleOptions) {
    this.#hash = hash;
    this.#options = options;
    this.sample = new BlockSample(options);
  }

  /** The blocks of a request's prompts; `slot`: that of the endpoint that computes them. */
  blocksOf(context: SchedulingContext, match: PrefixMatch | undefined, slot: number): FoundBlocks {
    const size = this.blockTokens || ownBlockTokens;
    const own = match?.promptBlocks?.(slot) ?? this.#hash(context.request, size);
    if (own === undefined) return "uncached";
    if (this.blockTokens === 0) this.#begin(own.blockTokens);
    const blocks = own.blockTokens === this.blockTokens ? own : this.#elsewhere(context, match);
    this.#othersInRow = blocks === undefined ? this.#othersInRow + 1 : 0;
    if (this.#othersInRow >= othersMax) this.#begin(own.blockTokens);
    return blocks ?? "other-size";
  }

  #begin(blockTokens: number): void {
    if (this.blockTokens !== 0) this.sample = new BlockSample(this.#options);
    this.blockTokens = blockTokens;
    this.#othersInRow = 0;
  }

  /** The prompts in blocks of another endpoint, which has the sample's size. */
  #elsewhere({ endpoints }: SchedulingContext, match: PrefixMatch | undefined) {
    for (const { slot } of endpoints) {
      if (match?.blockTokens(slot) !== this.blockTokens) continue;
      const blocks = match.promptBlocks?.(slot);
      if (blocks?.blockTokens === this.blockTokens) return blocks;
    }
    return undefined;
  }
}
