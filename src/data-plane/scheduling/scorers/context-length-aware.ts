import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import { dataPlanePlugin, type Scorer } from "../../../core/data-plane-plugin.ts";
import { unknownScore } from "../shared/ranges.ts";

/** Maximum score of a range that does not contain the prompt's length; a range that does scores more. */
const outsideScoreMax = 0.3;
const widthShare = 0.7;
const headroomShare = 0.3;
/** Width of a range, in tokens, that halves the part of the score for width. */
const halvingWidthTokens = 10_000;
/** Distance to a range, in tokens, that halves the score. */
const halvingDistanceTokens = 1_000;

const params = z.strictObject({
  label: z.string().min(1).default("llm-d.ai/context-length-range").meta({
    description: "Endpoint label with the range of prompt lengths: `min-max` in tokens.",
  }),
  enableFiltering: z.boolean().default(false).meta({
    description: "Drops endpoints whose range does not contain the request's length or is invalid.",
    tune: "Set to true if engines cannot run longer prompts. A request outside all ranges is refused.",
  }),
});

interface TokenRange {
  readonly min: number;
  readonly max: number;
}

/**
 * Prefers endpoints whose label has a range with the prompt's length:
 *
 *     inside   0.3 + 0.7 x (0.7 x 1 / (1 + width / 10000) + 0.3 x (max - tokens) / width)
 *     outside  0.3 / (1 + distance / 1000)
 *
 * The score is 1 inside a range of width 0, 0.5 without a label, and 0 for a label that is not a range. A request of
 * unknown length counts as 0 tokens.
 */
export const contextLengthAware = dataPlanePlugin({
  type: "context-length-aware",
  kinds: ["scorer", "filter"],
  summary:
    "Prefers endpoints whose label has a range with the prompt's length, such as `0-8192`. Inside the range: `0.3 + 0.7 x (0.7 / (1 + width / 10000) + 0.3 x (max - tokens) / width)`, so a narrow range with room is best; outside: `0.3 / (1 + distance / 1000)`, so the nearest range is next. 0.5 without the label, 0 for a label that is not a range. With enableFiltering it also keeps only endpoints whose range contains the prompt's length and endpoints without a label. Use it if engines are set up for short or long contexts.",
  params,
  needs: () => [{ kind: "data", data: "prompt-tokens", producer: undefined, path: [] }],
  create: ({ label, enableFiltering }, deps) => {
    const tokensOf = deps.reader("prompt-tokens", undefined);
    // Endpoints are immutable, so their label is parsed once.
    const ranges = new WeakMap<Endpoint, TokenRange | "none" | "broken">();
    const rangeOf = (endpoint: Endpoint) => {
      const known = ranges.get(endpoint);
      if (known !== undefined) return known;
      const range = rangeIn(endpoint.labels[label]);
      ranges.set(endpoint, range);
      return range;
    };
    const scorer: Scorer = {
      score: (context, candidates, scores) => {
        const tokens = tokensOf(context) ?? 0;
        for (const [index, endpoint] of candidates.entries()) {
          scores[index] = scoreOf(rangeOf(endpoint), tokens);
        }
      },
    };
    if (!enableFiltering) return { scorer };
    return {
      scorer,
      filter: {
        filter: (context, candidates) => {
          const tokens = tokensOf(context) ?? 0;
          return candidates.filter((endpoint) => {
            const range = rangeOf(endpoint);
            return range === "none" || (range !== "broken" && holds(range, tokens));
          });
        },
      },
    };
  },
});

function rangeIn(label: string | undefined): TokenRange | "none" | "broken" {
  if (label === undefined) return "none";
  const match = /^\s*(\d{1,15})\s*-\s*(\d{1,15})\s*$/.exec(label);
  if (match === null) return "broken";
  const range = { min: Number(match[1]), max: Number(match[2]) };
  return range.min <= range.max ? range : "broken";
}

function holds({ min, max }: TokenRange, tokens: number): boolean {
  return tokens >= min && tokens <= max;
}

function scoreOf(range: TokenRange | "none" | "broken", tokens: number): number {
  if (range === "none") return unknownScore;
  if (range === "broken") return 0;
  if (!holds(range, tokens)) {
    const distance = tokens > range.max ? tokens - range.max : range.min - tokens;
    return outsideScoreMax / (1 + distance / halvingDistanceTokens);
  }
  const width = range.max - range.min;
  if (width === 0) return 1;
  const fit =
    widthShare / (1 + width / halvingWidthTokens) + (headroomShare * (range.max - tokens)) / width;
  return outsideScoreMax + (1 - outsideScoreMax) * fit;
}
