import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";

const params = z.strictObject({
  maxConcurrency: z.int().min(1).default(100).meta({
    unit: "requests",
    description: "Number of requests in flight at which an endpoint is full.",
    tune: "Set it to the batch size up to which the engine keeps its time per token.",
  }),
  headroom: z.number().min(0).default(0).meta({
    unit: "ratio",
    description: "For use as a filter: share above the limits up to which an endpoint is kept.",
    tune: "Raise it to favor affinity over even spreading.",
  }),
  concurrencyMode: z.enum(["requests", "tokens", "hybrid"]).default("requests").meta({
    description:
      "Counts requests, their tokens, or (`hybrid`) per endpoint whichever is closer to its limit.",
    tune: "Use `tokens` or `hybrid` if prompt lengths vary widely.",
  }),
  maxTokenConcurrency: z.int().min(1).default(1_000_000).meta({
    unit: "tokens",
    description: "Number of tokens in flight at which an endpoint is full.",
    tune: "Set it to the prompt tokens an engine can take before its first token comes too late.",
  }),
  stalenessPolicy: z.enum(["ignore", "saturated"]).optional().meta({
    description: "Accepted but has no effect: the picker's own counts are never stale.",
  }),
  inFlightLoadProducerName: z.string().optional().meta({
    description: "The `inflight-load-producer` that counts the tokens.",
  }),
});

/** Computes saturation from requests in flight; needs no scrape. */
export const concurrencyDetector = dataPlanePlugin({
  type: "concurrency-detector",
  kinds: ["saturation-detector", "filter"],
  summary:
    "Computes saturation from the picker's own counts: requests in flight over `endpoints x maxConcurrency`, or tokens over `endpoints x maxTokenConcurrency`; in mode `hybrid` the mean over the endpoints of the larger of the two ratios. The saturation of an empty pool is 1. From 1 on, requests of a priority below 0 are shed with 429. In a profile it also works as a filter: it keeps endpoints below their limits times `1 + headroom`. If there are none, the request is refused with 429.",
  params,
  needs: ({ inFlightLoadProducerName: producer }) => [
    {
      kind: "data",
      data: "in-flight-load",
      producer,
      path: ["inFlightLoadProducerName"],
    },
  ],
  create: (options, deps) => {
    const { maxConcurrency, maxTokenConcurrency, concurrencyMode: mode, headroom } = options;
    const producer = deps.producerOf("in-flight-load", options.inFlightLoadProducerName);
    // A detector runs before producers, so it reads the producer's counts directly.
    const { tokenCounts } = deps.plugin(producer);
    const tokensOn = (slot: number) => tokenCounts?.tokens(slot) ?? 0;
    const fullnessOf = (requests: number, tokens: number) => {
      const byRequests = requests / maxConcurrency;
      const byTokens = tokens / maxTokenConcurrency;
      if (mode === "hybrid") return Math.max(byRequests, byTokens);
      return mode === "tokens" ? byTokens : byRequests;
    };
    return {
      detector: {
        saturation: (endpoints, load) => {
          if (endpoints.length === 0) return 1;
          let sum = 0;
          // All endpoints have the same limits, so the mean of the ratios is the ratio of the sums.
          for (const { slot } of endpoints) {
            sum += fullnessOf(load.inFlightRequests[slot] ?? 0, tokensOn(slot));
          }
          return sum / endpoints.length;
        },
      },
      filter: {
        filter: ({ load }, candidates) =>
          candidates.filter(
            ({ slot }) =>
              fullnessOf(load.inFlightRequests[slot] ?? 0, tokensOn(slot)) < 1 + headroom,
          ),
      },
    };
  },
});
