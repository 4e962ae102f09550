import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import type { ReportedNumber } from "../../../core/response-metadata.ts";
import type { TokenUsage } from "../../../core/usage.ts";
import { type Expression, expressionOf } from "./expression.ts";
import type { ValueMap } from "./expression-values.ts";

/** Maximum characters of an expression, which bounds how deep it nests. */
const expressionCharactersMax = 1_024;

const namespaceDefault = "envoy.lb";

/** Largest value whose integers a proxy reads exactly, as metadata has floating-point numbers. */
const valueMax = Number.MAX_SAFE_INTEGER;

const expression = z
  .string()
  .max(expressionCharactersMax)
  .superRefine((text, context) => {
    try {
      // Empty stands for none where the peer allows it.
      if (text !== "") expressionOf(text);
    } catch (cause) {
      context.addIssue({ code: "custom", message: String(cause) });
    }
  });

const attribute = z.strictObject({
  key: z.strictObject({
    namespace: z
      .string()
      .default(namespaceDefault)
      .meta({ description: `Namespace of the metadata; empty for ${namespaceDefault}.` }),
    name: z.string().min(1).meta({ description: "Key within the namespace." }),
  }),
  expression: expression.min(1).meta({
    description:
      "The value, in CEL over `usage`. A fraction is cut off. Not reported if it is 0, not a number, or has no value.",
  }),
  condition: expression.default("").meta({
    description: "The value is reported only if this is true, in CEL; empty for always.",
  }),
});

/** Reports a number about each response to the proxy. */
export const requestAttributeReporter = dataPlanePlugin({
  type: "request-attribute-reporter",
  kinds: ["response-handler"],
  summary:
    "Reports a number computed from the token counts of a response to the proxy, as dynamic metadata on the last message of the body, for example for quotas or access logs. `usage` has `prompt_tokens`, `completion_tokens` and `total_tokens`, 0 if the response has none, and `prompt_tokens_details.cached_tokens` if it has that, by these names for every API. Expressions may use numbers, strings, `has()`, `int()`, `double()`, `+ - * / %`, comparisons, `! && ||` and `? :`; numbers and integers may be mixed. Envoy has to show the picker the body of responses, and to accept the namespace (`metadata_options.receiving_namespaces.untyped`). `pointsman gateway` and `serve` with `--workers` above 1 do not report it.",
  params: z.strictObject({
    attributes: z
      .array(attribute)
      .length(1)
      .meta({ description: "The number to report; exactly one entry." }),
  }),
  create: ({ attributes }) => {
    const reporters = attributes.map(({ key, ...each }) => {
      const value = expressionOf(each.expression);
      const condition = each.condition === "" ? undefined : expressionOf(each.condition);
      const at = { namespace: key.namespace || namespaceDefault, name: key.name };
      return (usage: ValueMap): readonly ReportedNumber[] => {
        if (condition !== undefined && valueIn(condition, usage) !== true) return [];
        const number = wholeNumberIn(value, usage);
        return number === 0 ? [] : [{ ...at, value: number }];
      };
    });
    const responseMetadata = (usage: TokenUsage | undefined) => {
      const shown = shownOf(usage);
      return reporters.flatMap((report) => report(shown));
    };
    return { hooks: { sent: () => ({ responseMetadata }) } };
  },
});

/** The value of the expression; undefined if it has no value. */
function valueIn(compute: Expression, usage: ValueMap) {
  try {
    return compute(usage);
  } catch {
    return undefined;
  }
}

/** The value without its fraction; 0 if it is not a number. */
function wholeNumberIn(compute: Expression, usage: ValueMap): number {
  const value = valueIn(compute, usage);
  if (typeof value !== "bigint" && typeof value !== "number") return 0;
  const whole = Math.trunc(Number(value));
  return Math.abs(whole) <= valueMax ? whole : 0;
}

function shownOf(usage: TokenUsage | undefined): ValueMap {
  const { promptTokens = 0, outputTokens = 0, cachedTokens } = usage ?? {};
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
    ...(cachedTokens !== undefined && {
      prompt_tokens_details: { cached_tokens: cachedTokens },
    }),
  };
}
