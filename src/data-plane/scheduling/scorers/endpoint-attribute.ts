import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import {
  attributeColumn,
  attributeProducerParam,
  attributeSignals,
  mistakeInAttribute,
} from "../shared/endpoint-attributes.ts";

const normalization = z
  .strictObject({
    fixedRange: z
      .strictObject({
        min: z.number().default(0).meta({ description: "Lower end of the range." }),
        max: z.number().default(0).meta({ description: "Upper end of the range." }),
      })
      .refine(({ min, max }) => min < max, { path: ["max"], message: "must be above min" })
      .optional()
      .meta({
        description: "Scores relative to two fixed values.",
        tune: "Use it for values with known bounds, such as a utilization of 0 to 1.",
      }),
    adaptiveRange: z.strictObject({}).optional().meta({
      description:
        "Scores relative to the lowest and highest value of the candidates; the default.",
      tune: "Use it for values without bounds, such as a queue length. Values whose small differences matter, such as a time since the epoch, need a fixed range.",
    }),
  })
  .refine(
    ({ fixedRange, adaptiveRange }) => fixedRange === undefined || adaptiveRange === undefined,
    {
      message: "want fixedRange or adaptiveRange, not both",
    },
  );

const params = z
  .strictObject({
    attributeKey: z.string().meta({ description: "The attribute to score." }),
    producer: attributeProducerParam,
    algorithm: z
      .strictObject({
        type: z
          .enum(["linear_lower_is_better", "linear_higher_is_better"])
          .meta({ description: "End of the range that scores 1." }),
        normalization: normalization.prefault({}).meta({ description: "The range." }),
      })
      .meta({ description: "Conversion of a value into a score." }),
  })
  .superRefine(({ attributeKey, producer }, context) => {
    const message = mistakeInAttribute({ attribute: attributeKey, producer });
    if (message !== undefined)
      context.addIssue({ code: "custom", path: ["attributeKey"], message });
  });

/**
 * Scores by the position of an attribute's value in a range:
 *
 *     place = (value - min) / (max - min), within 0 and 1
 *     score = place, or 1 - place if lower is better
 *
 * The adaptive range is that of the candidates' values. If they differ by less than the value nearest to 0, the range
 * is as wide as that value, starting at the best value, so that 22 next to 23 does not get scores of 1 and 0. If all
 * values are the same, all candidates score 1. An unknown value scores 0, because a document that names an attribute
 * asks for endpoints that have it.
 */
export const endpointAttributeScorer = scorerPlugin({
  type: "endpoint-attribute-scorer",
  summary:
    "Scores a number that a producer attaches to endpoints, such as an engine metric that no other scorer reads: `(value - min) / (max - min)` clamped to 0 to 1, or 1 minus that if lower is better. The range is fixed or that of the candidates. If the candidates differ by less than the value nearest to 0, the range starts at the best value and is as wide as that nearest value. If all are equal, they score 1. An endpoint without the attribute scores 0.",
  params,
  signals: ({ attributeKey, producer }) => attributeSignals({ attribute: attributeKey, producer }),
  create: ({
    attributeKey,
    producer,
    algorithm: {
      type,
      normalization: { fixedRange },
    },
  }) => {
    const columnOf = attributeColumn({ attribute: attributeKey, producer });
    const lowerIsBetter = type === "linear_lower_is_better";
    return {
      score: ({ load }, candidates, scores) => {
        const column = columnOf(load);
        if (column === undefined) {
          scores.fill(0, 0, candidates.length);
          return;
        }
        const range = fixedRange ?? widened(rangeOf(column, candidates), lowerIsBetter);
        for (const [index, { slot }] of candidates.entries()) {
          const value = column[slot] ?? Number.NaN;
          if (!Number.isFinite(value)) scores[index] = 0;
          else if (range.max === range.min) scores[index] = 1;
          else {
            const place = placeIn(range, value);
            scores[index] = lowerIsBetter ? 1 - place : place;
          }
        }
      },
    };
  },
});

interface Range {
  readonly min: number;
  readonly max: number;
}

/** Lowest and highest of the known values. */
function rangeOf(column: Float64Array, candidates: readonly Endpoint[]): Range {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const { slot } of candidates) {
    const value = column[slot] ?? Number.NaN;
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** Widens a range of values that differ little, at its worse end. */
function widened({ min, max }: Range, lowerIsBetter: boolean): Range {
  const nearestToZero = min * max > 0 ? Math.min(Math.abs(min), Math.abs(max)) : 0;
  // Halve first, so that the difference of two huge numbers stays finite.
  if (max === min || max / 2 - min / 2 >= nearestToZero / 2) return { min, max };
  return lowerIsBetter ? { min, max: min + nearestToZero } : { min: max - nearestToZero, max };
}

function placeIn({ min, max }: Range, value: number): number {
  if (value <= min) return 0;
  if (value >= max) return 1;
  // Divide by 4 first, so that the difference of two huge numbers of opposite signs stays finite.
  const width = max / 4 - min / 4;
  return width > 0 ? Math.min(1, (value / 4 - min / 4) / width) : 0;
}
