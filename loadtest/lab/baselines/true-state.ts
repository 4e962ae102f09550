import type { Scorer } from "../../../src/core/data-plane-plugin.ts";
import type { LabEngine } from "../../../src/replay/lab/engine.ts";
import type { LabView } from "../../../src/replay/lab/policy.ts";
import { leastCost } from "./least-cost.ts";

/** Seconds that a decoding neighbour costs. */
const decodingS = 0.01;

/**
 * Greedy cost from the engines' own state:
 *
 *     (work before it + uncached tokens of the prompt) / rate + 0.01 s x decoding requests + load of its adapter
 *
 * `work` is what the engine has to compute before all its requests have a first token. Nothing in it is estimated, and
 * nothing looks ahead: a request that waits for a slot of its adapter costs as little as one that does not.
 */
export function trueState(view: LabView, work: (engine: LabEngine) => number): Scorer {
  return leastCost(({ slot }) => {
    const engine = view.engines[slot];
    const prompt = view.deciding()?.prompt;
    if (engine === undefined || prompt === undefined) return 0;
    const { prefillTokensPerSecond, slowFactor } = engine.options;
    const rate = prefillTokensPerSecond / slowFactor;
    const tokens = work(engine) + engine.uncachedTokensOf(prompt);
    const adapter = view.deciding()?.adapter;
    const loadS = adapter === undefined ? 0 : engine.adapterLoadMs(adapter) / 1_000;
    return tokens / rate + decodingS * engine.decoding + loadS;
  });
}
