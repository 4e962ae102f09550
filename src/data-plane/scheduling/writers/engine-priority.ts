import { z } from "zod";
import { requestWriterPlugin } from "../../../core/data-plane-plugin.ts";
import { isOnlyTokenized } from "../shared/only-tokenized.ts";
import { predictionParams, predictionsOf } from "../shared/prediction-params.ts";

/** vLLM and SGLang have the field under this name. */
const field = "priority";

const params = z.strictObject({
  prefillFactor: z.number().min(0).max(1_000).default(5).meta({
    description:
      "Milliseconds of waiting that make up for a millisecond of a request's own prefill. 0: first come, first served.",
  }),
  secondsPerPriority: z.number().min(0).max(86_400).default(60).meta({
    description:
      "Seconds by which a request counts as older for each unit of its objective's priority. 0: objectives make no difference.",
    tune: "Set it above the longest wait for strict priorities.",
  }),
  lowestFirst: z.boolean().default(true).meta({
    description: "True if engines run the lowest value first, false if they run the highest first.",
    tune: "Set it to false for SGLang, unless its engines have `--schedule-low-priority-values-first`.",
  }),
  ...predictionParams,
});

/**
 * Tells engines in which order to run the requests that wait in them:
 *
 *     value = Unix time of arrival in ms + factor x own prefill in ms - 1,000 x secondsPerPriority x priority
 *
 * Short prompts overtake long ones, and a long one is overtaken only by those that come within `factor` times its own
 * prefill.
 */
export const enginePriorityWriter = requestWriterPlugin({
  type: "engine-priority-writer",
  isOwn: true,
  summary:
    "Tells engines in which order to run the requests that wait in them, in the body's field `priority`: `time of arrival in ms + prefillFactor x own prefill in ms - 1,000 x secondsPerPriority x priority of the objective`. Short prompts overtake long ones, and important requests overtake others, both within bounds, so that nothing waits for ever. The engines must schedule by priority: vLLM with `--scheduling-policy priority`, SGLang with `--enable-priority-scheduling`. **vLLM refuses requests with this field (400) if it does not**, so change the engines first. A `priority` that the client sends stays. [Engines that take a priority](how-it-decides.md) says what it gains.",
  params,
  needs: (options) => [predictionsOf(options)],
  create: (
    { prefillFactor, secondsPerPriority, lowestFirst, latencyPredictionInfoProducerName },
    deps,
  ) => {
    const predictionOf = deps.reader("latency-prediction", latencyPredictionInfoProducerName);
    return {
      fields: ({ context, decision }, arrivedAtMs) => {
        const { request } = context;
        if (isOnlyTokenized(request)) return undefined;
        const { slot } = decision.targets[0].endpoint;
        const prefillMs = predictionOf(context)?.ownPrefillMs(slot) ?? 0;
        // Without a prediction for the endpoint, requests run in the order of their arrival.
        const lateMs = Number.isFinite(prefillMs) ? prefillFactor * prefillMs : 0;
        const value = arrivedAtMs + lateMs - 1_000 * secondsPerPriority * request.priority;
        const limited = Math.round(Math.max(-valueMax, Math.min(valueMax, value)));
        return new Map([[field, lowestFirst ? limited : -limited]]);
      },
    };
  },
});

/** The largest integer that a JSON reader with 64-bit floats keeps exactly. */
const valueMax = Number.MAX_SAFE_INTEGER;
