import type { SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { PickLatency, PrefixHit } from "../../core/decision.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import type { ProducerName } from "./further-rows.ts";

interface Producers {
  readonly producers: readonly ProducerName[];
}

interface FoundPrediction {
  readonly producer: string;
  readonly prediction: LatencyPrediction;
}

interface FoundPrefix {
  readonly producer: string;
  readonly match: PrefixMatch;
}

/** The prefix match of the first producer of such data, which is usually the one that decisions use. */
export function prefixIn(
  { data }: SchedulingContext,
  { producers }: Producers,
): FoundPrefix | undefined {
  const producer = producers.find(({ produces }) => produces === "prefix-match");
  // A producer of this kind of data produces values of its type.
  const match = producer && (data.get(producer.name) as PrefixMatch | undefined);
  return match && { producer: producer.name, match };
}

/** The prediction of the first producer of such data. */
export function predictionIn(
  { data }: SchedulingContext,
  { producers }: Producers,
): FoundPrediction | undefined {
  const producer = producers.find(({ produces }) => produces === "latency-prediction");
  // A producer of this kind of data produces values of its type.
  const prediction = producer && (data.get(producer.name) as LatencyPrediction | undefined);
  return prediction && { producer: producer.name, prediction };
}

export function prefixHitOf(
  { producer, match }: FoundPrefix,
  { slot }: Endpoint,
): PrefixHit | undefined {
  const totalBlocks = match.totalBlocks(slot);
  if (totalBlocks === 0) return undefined;
  const matchedBlocks = match.matchedBlocks(slot);
  return {
    producer,
    ratio: matchedBlocks / totalBlocks,
    tokens: matchedBlocks * match.blockTokens(slot),
  };
}

/** The first token comes when the last of the helpers has its part, and then the target generates. */
export function latencyOf(
  { producer, prediction }: FoundPrediction,
  target: Endpoint,
  helpers: readonly Endpoint[],
): PickLatency {
  let ttftMs = Number.NaN;
  for (const { slot } of helpers) {
    const helperMs = prediction.ttftMs(slot);
    if (helperMs > ttftMs || Number.isNaN(ttftMs)) ttftMs = helperMs;
  }
  if (Number.isNaN(ttftMs)) ttftMs = prediction.ttftMs(target.slot);
  return { producer, ttftMs, tpotMs: prediction.tpotMs(target.slot) };
}
