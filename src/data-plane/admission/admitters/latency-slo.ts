import { z } from "zod";
import { admitterPlugin } from "../../../core/data-plane-plugin.ts";
import { meets, objectiveIn } from "../../../core/latency-objective.ts";

/** Used share of the KV cache below which an endpoint counts as cold and may take any request. */
const coldKvCacheRatio = 0.02;

/** Sheds requests of a priority below 0 whose latency objective no endpoint can meet. */
export const latencySloAdmitter = admitterPlugin({
  type: "latency-slo-admitter",
  summary:
    "Refuses a request of a priority below 0 with 429 if its latency objective (`x-llm-d-slo-ttft-ms`, `x-llm-d-slo-tpot-ms`) is predicted to be missed on every candidate, unless a candidate is idle or has an empty KV cache.",
  params: z.strictObject({
    latencyPredictionInfoProducerName: z
      .string()
      .optional()
      .meta({ description: "The producer of the predictions." }),
  }),
  needs: ({ latencyPredictionInfoProducerName: producer }) => [
    {
      kind: "data",
      data: "latency-prediction",
      producer,
      path: ["latencyPredictionInfoProducerName"],
    },
  ],
  create: ({ latencyPredictionInfoProducerName }, deps) => {
    const predictionOf = deps.reader("latency-prediction", latencyPredictionInfoProducerName);
    return {
      admit: (context, candidates) => {
        if (context.request.priority >= 0) return undefined;
        const objective = objectiveIn(context);
        if (objective.ttftMs === undefined && objective.tpotMs === undefined) return undefined;
        const prediction = predictionOf(context);
        if (prediction === undefined) return undefined;
        const { runningRequests, kvCacheUsedRatio } = context.load;
        const canMeet = candidates.some(({ slot }) => {
          const headrooms = prediction.headrooms(slot);
          const isMet = headrooms !== undefined && meets(objective, headrooms);
          const isIdle = runningRequests[slot] === 0;
          const isCold = (kvCacheUsedRatio[slot] ?? Number.NaN) < coldKvCacheRatio;
          return isMet || isIdle || isCold;
        });
        if (canMeet || candidates.every(({ slot }) => prediction.headrooms(slot) === undefined)) {
          return undefined;
        }
        return {
          code: "saturated",
          message: "no model server can meet the request's latency objective now",
        };
      },
    };
  },
});
