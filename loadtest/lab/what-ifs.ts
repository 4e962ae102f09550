import { defaultConfigText } from "../../src/config/default-document.ts";
import type { SchedulingContext, Scorer } from "../../src/core/data-plane-plugin.ts";
import type { LatencyPrediction } from "../../src/core/latency-prediction.ts";
import type { PrefixMatch } from "../../src/core/prefix-match.ts";
import type { RoutingParts } from "../../src/data-plane/routing.ts";
import type { LabView, Policy } from "../../src/replay/lab/policy.ts";
import { knownOrders } from "./known-orders.ts";

/** Producers of the default document, under their default names. */
const producer = "predicted-latency-producer";
const prefixProducer = "approx-prefix-cache-producer";

/** Endpoints that a sample has at random, and at most by their part of the prompt. */
const sampleSize = 16;

interface WhatIf extends Policy {
  readonly summary: string;
}

/** The default policy with something that it does not have, to see what that would be worth. */
export const whatIfs: Readonly<Record<string, WhatIf>> = {
  ...knownOrders,
  "known-lengths": {
    name: "known-lengths",
    summary: "pointsman, if it knew how long every answer will be",
    document: defaultConfigText,
    adapt: withScorers((scorer, view) => knowingLengths(scorer, view)),
  },
  "kv-priced": {
    name: "kv-priced",
    summary:
      "pointsman, if it knew how full each KV cache will be, and paid for the tokens that have no place",
    document: defaultConfigText,
    adapt: withScorers((scorer, view) => pricingKvCache(scorer, view)),
  },
  sampled: {
    name: "sampled",
    summary: `pointsman, if it chose among ${sampleSize} random endpoints and the ${sampleSize} that hold most of the prompt`,
    document: defaultConfigText,
    adapt: withScorers((scorer, view) => sampling(scorer, view)),
  },
};

/** Counts a request that decodes by the share of this one's answer for which it will be a neighbour. */
function knowingLengths(scorer: Scorer, view: LabView): Scorer {
  return {
    score: (context, candidates, scores) => {
      const prediction = predictionIn(context);
      const outputTokens = view.deciding()?.outputTokens ?? 1;
      const decoding = (slot: number) => {
        const engine = view.engines[slot];
        if (engine === undefined) return 0;
        const left = engine.outputTokensLeft();
        const { stepBaseMs, decodeMsPerSequence, slowFactor } = engine.options;
        const stepMs = (stepBaseMs + decodeMsPerSequence * left.length) * slowFactor;
        const stepsBefore = prediction.prefillMs(slot) / stepMs;
        let neighbours = 0;
        for (const tokens of left) {
          neighbours += Math.max(0, Math.min(1, (tokens - stepsBefore) / outputTokens));
        }
        return neighbours;
      };
      scorer.score(withTold(context, { ...toldOf(prediction), decoding }), candidates, scores);
    },
  };
}

/**
 * Pays for each token that will have no place in the KV cache, if all that run and this request get their whole answers: a
 * request is preempted for it, and computes its tokens again.
 */
function pricingKvCache(scorer: Scorer, view: LabView): Scorer {
  return {
    score: (context, candidates, scores) => {
      const prediction = predictionIn(context);
      const { outputTokens = 0 } = view.deciding() ?? {};
      const copyMs = (slot: number) => {
        const engine = view.engines[slot];
        if (engine === undefined) return prediction.copyMs(slot);
        const { kvCacheTokensMax, prefillTokensPerSecond, slowFactor } = engine.options;
        const growing = engine.outputTokensLeft().reduce((sum, tokens) => sum + tokens, 0);
        const held = engine.snapshot.kvUsedRatio * kvCacheTokensMax + engine.workTokens();
        const overflow = held + growing + outputTokens - kvCacheTokensMax;
        const tokenMs = (1_000 / prefillTokensPerSecond) * slowFactor;
        return prediction.copyMs(slot) + Math.max(0, overflow) * tokenMs;
      };
      scorer.score(withTold(context, { ...toldOf(prediction), copyMs }), candidates, scores);
    },
  };
}

/** Leaves a sample of the candidates their scores, and the others 0. */
function sampling(scorer: Scorer, { random }: LabView): Scorer {
  return {
    score: (context, candidates, scores) => {
      scorer.score(context, candidates, scores);
      // The producer of this name produces such data.
      const match = context.data.get(prefixProducer) as PrefixMatch | undefined;
      const indexes = candidates.map((_, index) => index);
      const matched = (index: number) => match?.matchedBlocks(candidates[index]?.slot ?? -1) ?? 0;
      const holders = indexes
        .filter((index) => matched(index) > 0)
        .toSorted((one, other) => matched(other) - matched(one));
      const sample = new Set(holders.slice(0, sampleSize));
      for (let drawn = 0; drawn < sampleSize; drawn += 1) {
        sample.add(Math.floor(random() * candidates.length));
      }
      for (const index of indexes) if (!sample.has(index)) scores[index] = 0;
    },
  };
}

function predictionIn({ data }: SchedulingContext): LatencyPrediction {
  // The producer of this name produces such data.
  const prediction = data.get(producer) as LatencyPrediction | undefined;
  if (prediction !== undefined) return prediction;
  throw new Error("the default policy predicts the latency of every request of the lab");
}

function withTold(context: SchedulingContext, told: LatencyPrediction): SchedulingContext {
  return { ...context, data: new Map([...context.data, [producer, told]]) };
}

/** A prediction by functions alone, any of which may be replaced. */
function toldOf(prediction: LatencyPrediction): LatencyPrediction {
  return {
    headrooms: (slot) => prediction.headrooms(slot),
    ttftMs: (slot) => prediction.ttftMs(slot),
    tpotMs: (slot) => prediction.tpotMs(slot),
    prefillMs: (slot) => prediction.prefillMs(slot),
    ownPrefillMs: (slot) => prediction.ownPrefillMs(slot),
    copyMs: (slot) => prediction.copyMs(slot),
    adapterMs: (slot) => prediction.adapterMs(slot),
    decoding: (slot) => prediction.decoding(slot),
  };
}

function withScorers(change: (scorer: Scorer, view: LabView) => Scorer) {
  return (parts: RoutingParts, view: LabView): RoutingParts => {
    const profiles = new Map(
      [...parts.graph.profiles].map(([name, profile]) => {
        const scorers = profile.scorers.map((each) => {
          return { ...each, scorer: change(each.scorer, view) };
        });
        return [name, { ...profile, scorers }];
      }),
    );
    return { ...parts, graph: { ...parts.graph, profiles } };
  };
}
