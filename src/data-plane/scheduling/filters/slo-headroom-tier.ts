import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { meets, objectiveIn } from "../../../core/latency-objective.ts";
import { predictionParams, predictionsOf } from "../shared/prediction-params.ts";

const params = z.strictObject({
  epsilonExploreNeg: z.number().min(0).max(1).default(0.01).meta({
    description:
      "Probability that the endpoints predicted to miss the objective are kept, and not those predicted to meet it.",
    unit: "ratio",
    tune: "Set it to 0: predictions of this picker also learn without it.",
  }),
  ...predictionParams,
});

/** Keeps the endpoints that are predicted to meet the client's latency objective. */
export const sloHeadroomTierFilter = filterPlugin({
  type: "slo-headroom-tier-filter",
  summary:
    "Keeps the endpoints that are predicted to meet the client's latency objective (`x-llm-d-slo-ttft-ms`, `x-llm-d-slo-tpot-ms`); with a probability of `epsilonExploreNeg`, the others instead. An endpoint without a prediction counts as one of the others. Keeps all if none or all meet the objective, if there are no predictions, and if the client names no objective. Before `latency-scorer`.",
  params,
  needs: (options) => [predictionsOf(options)],
  create: ({ epsilonExploreNeg, latencyPredictionInfoProducerName }, deps) => {
    const predictionOf = deps.reader("latency-prediction", latencyPredictionInfoProducerName);
    return {
      filter: (context, candidates) => {
        if (candidates.length <= 1) return candidates;
        const objective = objectiveIn(context);
        if (objective.ttftMs === undefined && objective.tpotMs === undefined) return candidates;
        const prediction = predictionOf(context);
        if (prediction === undefined) return candidates;
        const isInTime = ({ slot }: Endpoint) => {
          const headrooms = prediction.headrooms(slot);
          return headrooms !== undefined && meets(objective, headrooms);
        };
        const inTime = candidates.filter(isInTime);
        if (inTime.length === 0 || inTime.length === candidates.length) return candidates;
        if (deps.random() >= epsilonExploreNeg) return inTime;
        return candidates.filter((candidate) => !isInTime(candidate));
      },
    };
  },
});
