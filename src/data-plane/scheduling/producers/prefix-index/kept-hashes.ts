import type { PromptBlocks } from "../../../../core/prefix-match.ts";
import type { HashOptions, Prompts } from "./prompt-hasher.ts";

interface Kept {
  readonly options: HashOptions;
  readonly hashed: PromptBlocks;
}

/**
 * Hashes of prompts whose requests wait, so that they are not computed at each try. They go with the prompts of their
 * request: at most as many are kept as requests wait, one for each.
 */
export class KeptHashes {
  readonly #hash: (prompts: Prompts, options: HashOptions) => PromptBlocks;
  readonly #kept = new WeakMap<Prompts, Kept>();
  #isUsed = false;

  constructor(hash: (prompts: Prompts, options: HashOptions) => PromptBlocks) {
    this.#hash = hash;
  }

  /** `mayRepeat`: the same prompts will be asked for again. */
  of(prompts: Prompts, options: HashOptions, mayRepeat: boolean): PromptBlocks {
    const kept = this.#isUsed ? this.#kept.get(prompts) : undefined;
    if (kept !== undefined && isSame(kept.options, options)) return kept.hashed;
    const hashed = this.#hash(prompts, options);
    if (mayRepeat) {
      this.#isUsed = true;
      const { model, cacheSalt, blockTokens, promptTokensMax } = options;
      this.#kept.set(prompts, {
        options: { model, cacheSalt, blockTokens, promptTokensMax },
        hashed,
      });
    }
    return hashed;
  }
}

function isSame(a: HashOptions, b: HashOptions): boolean {
  return (
    a.blockTokens === b.blockTokens &&
    a.promptTokensMax === b.promptTokensMax &&
    a.model === b.model &&
    a.cacheSalt === b.cacheSalt
  );
}
