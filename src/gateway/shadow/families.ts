import {
  RowHistogram,
  type RowLayout,
  RowNumber,
  SplitNumber,
} from "../../telemetry/row-families.ts";

/** Seconds by which a pick is expected to be slower or faster. */
export const ttftBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** Tokens. */
export const hitBuckets = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144];

const decisions = {
  name: "pointsman_shadow_decisions_total",
  help: "Decisions that were compared with those of the shadow document, by the outcome: same, other or refused.",
  type: "counter",
} as const;

/** Comparisons with the shadow document, each family with its place in a label set. */
export function shadowFamiliesIn(layout: RowLayout) {
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    new RowHistogram({ name, help, buckets }, layout);
  const counter = (name: string, help: string) =>
    new RowNumber({ name, help, type: "counter" }, layout);
  const withOutcome = (outcome: string) => new RowNumber(decisions, layout, { outcome });
  return {
    decisions: new SplitNumber(decisions, {
      same: withOutcome("same"),
      other: withOutcome("other"),
      refused: withOutcome("refused"),
    }),
    ttftKnown: counter(
      "pointsman_shadow_ttft_compared_total",
      "Compared decisions of which both times to first token are expected by a latency model.",
    ),
    hitsKnown: counter(
      "pointsman_shadow_hits_compared_total",
      "Compared decisions of which the cached tokens at both picks are expected.",
    ),
    slower: histogram(
      "pointsman_shadow_ttft_slower_seconds",
      "Time by which the first token is expected later at the pick of the shadow document.",
      ttftBuckets,
    ),
    faster: histogram(
      "pointsman_shadow_ttft_faster_seconds",
      "Time by which the first token is expected sooner at the pick of the shadow document.",
      ttftBuckets,
    ),
    moreHits: histogram(
      "pointsman_shadow_more_hit_tokens",
      "Cached prompt tokens that the pick of the shadow document is expected to have in addition.",
      hitBuckets,
    ),
    fewerHits: histogram(
      "pointsman_shadow_fewer_hit_tokens",
      "Cached prompt tokens that the pick of the shadow document is expected to lack.",
      hitBuckets,
    ),
  };
}
