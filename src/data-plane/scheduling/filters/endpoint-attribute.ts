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
    .meta({ description: "How an endpoint's value has to compare with `value`." }),
  value: z.number().default(0).meta({ description: "What it is compared with." }),
});

const params = z
  .strictObject({
    attribute: z.string().meta({ description: "The attribute that is compared." }),
    producer: attributeProducerParam,
    onMissing: z.enum(["Pass", "Fail"]).default("Pass").meta({
      description: "Whether an endpoint without the attribute is kept (`Pass`) or not (`Fail`).",
      tune: "Fail where an endpoint that does not report is none to be trusted.",
    }),
    fallbackOnEmpty: z.boolean().default(false).meta({
      description: "Keeps every candidate where none fits.",
      tune: "true where a poor endpoint is better than a refusal.",
    }),
    algorithm: z
      .strictObject({
        type: z.literal("threshold").meta({ description: "Only `threshold`." }),
        threshold: threshold.meta({ description: "The comparison." }),
      })
      .meta({ description: "How a value is judged." }),
  })
  .superRefine(({ attribute, producer }, context) => {
    const message = mistakeInAttribute({ attribute, producer });
    if (message !== undefined) context.addIssue({ code: "custom", path: ["attribute"], message });
  });

/** Keeps endpoints by a number that a producer reads off them. */
export const endpointAttributeFilter = filterPlugin({
  type: "endpoint-attribute-filter",
  summary:
    "Keeps endpoints by a number that a producer reads off them, such as a metric of the engine that no other filter knows: `attribute operator value`. An endpoint without the attribute is kept unless `onMissing` is `Fail`. Where nobody is left the request is refused with 429, or goes on with all candidates under `fallbackOnEmpty`.",
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
