import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { FollowedRequest } from "./latency/followed-request.ts";
import { latencyModelMemory } from "./latency/latency-model.ts";
import { Prediction } from "./latency/prediction.ts";

const params = z.strictObject({
  prefixMatchInfoProducerName: z.string().optional().meta({
    description: "The producer of prefix matches; default approx-prefix-cache-producer.",
  }),
});

/**
 * Predicts the latency of a request on each endpoint, in this process, from the requests that this picker has sent and
 * their answers.
 */
export const predictedLatencyProducer = dataPlanePlugin({
  type: "predicted-latency-producer",
  kinds: ["data-producer"],
  produces: "latency-prediction",
  summary:
    "Predicts the time to first token and the time per further token of a request on each endpoint, in the picker itself: no other service, and nothing to calibrate. It counts the prompts that it sent to each endpoint and that have no first token yet, less the part that the engine has computed meanwhile, and learns from each answer how fast the endpoint computes prompts and generates, whether its prefix cache holds what is expected, and how long adapters take to load. An engine that becomes faster or slower is learned again within a few dozen requests. Created automatically if another plugin needs it.",
  params,
  needs: ({ prefixMatchInfoProducerName }) => [
    {
      kind: "data",
      data: "prefix-match",
      producer: prefixMatchInfoProducerName,
      path: ["prefixMatchInfoProducerName"],
    },
    { kind: "data", data: "prompt-tokens", producer: undefined, path: [] },
  ],
  create: ({ prefixMatchInfoProducerName }, deps) => {
    const tokensOf = deps.reader("prompt-tokens", undefined);
    const matchOf = deps.reader("prefix-match", prefixMatchInfoProducerName);
    const model = deps.memory(latencyModelMemory);
    const prediction = new Prediction(model);
    return {
      producer: {
        produce: (context, candidates) => {
          const promptTokens = tokensOf(context) ?? context.request.promptTokens;
          prediction.compute(context, candidates, { match: matchOf(context), promptTokens });
          return prediction;
        },
      },
      hooks: {
        sent: ({ context, decision }) => {
          const { request, nowMs } = context;
          model.copies.noteBusy(prediction.busyShare);
          return new FollowedRequest(model, { request, decision, prediction, nowMs });
        },
      },
    };
  },
});
