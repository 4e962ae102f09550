import type { PromptPart } from "../../core/request.ts";
import { addTo, requestSums } from "./sums.ts";
import { commonShare, sketchCharacters, sketchOf } from "./text-sketch.ts";
import type { TrafficGroup } from "./traffic-groups.ts";
import { bytesPerToken } from "../../core/token-estimate.ts";

/** Least time between two prompts that are compared: of all, and of one group, in milliseconds. */
const intervalMs = 100;
const groupIntervalMs = 1_000;

/** Tokens of a prompt that is long enough to be compared. */
const tokensMin = 256;

/** Share of a prompt's text that is common beyond the common beginning, from which on two prompts are alike. */
const lostMin = 0.3;

/** A prompt and its blocks. */
export interface StartedPrompt {
  readonly parts: readonly PromptPart[];
  readonly blockTokens: number;
  readonly chain: Uint32Array;
  readonly nowMs: number;
}

/**
 * Finds prompts whose text is mostly that of the prompt before them, although their blocks are not: something at their
 * beginning changes, such as a time or an id. Compares a few prompts a second, and keeps hashes alone.
 */
export class PromptStarts {
  #comparedAtMs = Number.NEGATIVE_INFINITY;

  see(group: TrafficGroup, prompt: StartedPrompt): void {
    const { parts, blockTokens, chain, nowMs } = prompt;
    const before = group.lastPrompt;
    if (nowMs - this.#comparedAtMs < intervalMs) return;
    if (before !== undefined && nowMs - before.atMs < groupIntervalMs) return;
    if ((chain.length / 2) * blockTokens < tokensMin) return;
    this.#comparedAtMs = nowMs;
    const sketch = sketchOf(parts);
    if (sketch === undefined) return;
    const blocks = Math.floor(sketchCharacters / (bytesPerToken * blockTokens));
    const start = chain.slice(0, blocks * 2);
    group.lastPrompt = { atMs: nowMs, blockTokens, start, sketch };
    if (before?.blockTokens !== blockTokens) return;
    const commonBlocks = commonBlocksOf(before.start, start);
    const commonStart = commonBlocks / (start.length / 2);
    const lost = commonShare(before.sketch, sketch) - commonStart;
    const sums = group.sums.at(nowMs);
    addTo(sums, requestSums.pairs, 1);
    if (lost < lostMin) return;
    addTo(sums, requestSums.alikePairs, 1);
    addTo(sums, requestSums.differFromTokens, commonBlocks * blockTokens);
    addTo(sums, requestSums.lostShares, lost);
  }
}

/** Leading blocks that two chains have in common. */
function commonBlocksOf(one: Uint32Array, other: Uint32Array): number {
  const words = Math.min(one.length, other.length);
  let word = 0;
  while (word < words && one[word] === other[word]) word += 1;
  return Math.floor(word / 2);
}
