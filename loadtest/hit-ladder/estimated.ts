import { aContext, aDecision, aLoad, aRequest, endpoints } from "#test/support/builders.ts";
import type { HitReport } from "../../src/core/hit-ladder.ts";
import type { PrefixMatch } from "../../src/core/prefix-match.ts";
import { HitStudy } from "../../src/state/hits/hit-study.ts";
import { chainOf, type TimedPrompt } from "./prompts.ts";

export interface EstimateOptions {
  readonly blockTokens: number;
  readonly engines: number;
  readonly engineTokens: number;
  /** Blocks of the sample. */
  readonly blocksMax: number;
  readonly usesPerSecondMax?: number;
}

/** The report of the picker's study after these prompts. */
export function estimatedHits(
  prompts: readonly TimedPrompt[],
  { blockTokens, engines, engineTokens, ...sample }: EstimateOptions,
): HitReport {
  let nowMs = 0;
  const study = new HitStudy({ ...sample, hash: () => undefined, nowMs: () => nowMs });
  const pool = endpoints(engines);
  const row = { blockTokens, blocksMax: engineTokens / blockTokens };
  const load = aLoad(pool.map(() => row));
  const decision = aDecision();
  for (const { atMs, tokens, model, blocks } of prompts) {
    nowMs = atMs;
    const chain = chainOf(blocks);
    const match: PrefixMatch = {
      totalBlocks: () => chain.length / 2,
      matchedBlocks: () => 0,
      blockTokens: () => blockTokens,
      promptBlocks: () => ({ blockTokens, totalBlocks: chain.length / 2, chains: [chain] }),
    };
    const request = aRequest({ model, promptTokens: tokens });
    study.sent({ context: aContext({ request, endpoints: pool, load, nowMs }), decision }, match);
  }
  return study.report();
}
