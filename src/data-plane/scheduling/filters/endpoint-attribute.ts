import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import {
  attributeColumn,
  attributeProducerParam,
  attributeSignals,
  mistakeInAttribute,
} from "../shared/endpoint-attributes.ts";

const comparisons = {
  LessThan: (value, than) => value < than,
  LessThanOrEqual: (value, than) => value <= than,
  GreaterThan: (value, than) => value > than,
  GreaterThanOrEqual: (value, than) => value >= than,
  Equal: (value, than) => value === than,
  NotEqual: (value, than) => value !== than,
} as const satisfies Readonly<Record<string, (value: number, than: number) => boolean>>;

const threshold = z.strictObject({
  operator: z
    .enum(["LessThan", "LessThanOrEqual", "GreaterThan", "GreaterThanOrEqual", "Equal", "NotEqual"])
    .meta({ description: "Comparison of the endpoint's value with `value`." }),
  value: z.number().default(0).meta({ description: "Value to compare with." }),
});

const params = z
  .strictObject({
    attribute: z.string().meta({ description: "The attribute to compare." }),
    producer: attributeProducerParam,
    onMissing: z.enum(["Pass", "Fail"]).default("Pass").meta({
      description: "Keeps (`Pass`) or drops (`Fail`) endpoints without the attribute.",
      tune: "Use `Fail` if endpoints that do not report it cannot be trusted.",
    }),
    fallbackOnEmpty: z.boolean().default(false).meta({
      description: "Keeps all candidates if none matches.",
      tune: "Set to true if a poor endpoint is better than a refusal.",
    }),
    algorithm: z
      .strictObject({
        type: z.literal("threshold").meta({ description: "Only `threshold`." }),
        threshold: threshold.meta({ description: "The comparison." }),
      })
      .meta({ description: "The condition." }),
  })
  .superRefine(({ attribute, producer }, context) => {
    const message = mistakeInAttribute({ attribute, producer });
    if (message !== undefined) context.addIssue({ code: "custom", path: ["attribute"], message });
  });

/** Keeps endpoints by the value of an attribute that a producer reads. */
export const endpointAttributeFilter = filterPlugin({
  type: "endpoint-attribute-filter",
  summary:
    "Keeps endpoints by a number that a producer attaches to them, such as an engine metric that no other filter reads: `attribute operator value`. An endpoint without the attribute is kept unless `onMissing` is `Fail`. If no endpoint is left, the request is refused with 429, or with `fallbackOnEmpty` all candidates are kept.",
  params,
  signals: ({ attribute, producer }) => attributeSignals({ attribute, producer }),
  create: ({ attribute, producer, onMissing, fallbackOnEmpty, algorithm }) => {
    const columnOf = attributeColumn({ attribute, producer });
    const { operator, value: than } = algorithm.threshold;
    const fits = comparisons[operator];
    const keepsMissing = onMissing !== "Fail";
    return {
      filter: ({ load }, candidates) => {
        const column = columnOf(load);
        const kept = candidates.filter(({ slot }) => {
          const value = column?.[slot] ?? Number.NaN;
          return Number.isFinite(value) ? fits(value, than) : keepsMissing;
        });
        return kept.length === 0 && fallbackOnEmpty ? candidates : kept;
      },
    };
  },
});
