import { z } from "zod";
import { dataOfNamed, type PluginNeed } from "../../../core/plugin.ts";

/** The parameter of plugins that read predictions of latency. */
export const predictionParams = {
  latencyPredictionInfoProducerName: z.string().optional().meta({
    description: "Producer of the predictions; default predicted-latency-producer.",
  }),
};

/** The need that goes with it. */
export function predictionsOf({
  latencyPredictionInfoProducerName: producer,
}: {
  readonly latencyPredictionInfoProducerName?: string | undefined;
}): PluginNeed {
  return dataOfNamed("latency-prediction", producer, "latencyPredictionInfoProducerName");
}
