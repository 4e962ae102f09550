import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";

const params = z.strictObject({
  maxConcurrency: z.int().min(1).default(100).meta({
    unit: "requests",
    description: "Requests in flight at which an endpoint is full.",
    tune: "The batch size up to which the engine's time per token holds.",
  }),
  headroom: z.number().min(0).default(0).meta({
    unit: "ratio",
    description: "As a filter: share above the limits up to which an endpoint is kept.",
    tune: "Raise it to let affinity win against even spreading.",
  }),
  concurrencyMode: z.enum(["requests", "tokens", "hybrid"]).default("requests").meta({
    description:
      "What is counted: requests, their tokens, or of each endpoint the one nearer its limit.",
    tune: "`tokens` or `hybrid` where prompts differ much in length.",
  }),
  maxTokenConcurrency: z.int().min(1).default(1_000_000).meta({
    unit: "tokens",
    description: "Tokens in flight at which an endpoint is full.",
    tune: "The prompt tokens an engine can take before its first token comes too late.",
  }),
  stalenessPolicy: z.enum(["ignore", "saturated"]).optional().meta({
    description: "Accepted but has no effect: our own counts are never stale.",
  }),
  inFlightLoadProducerName: z.string().optional().meta({
    description: "The `inflight-load-producer` that counts the tokens.",
  }),
});

/** How full the pool is by what we sent and have not seen finish; needs no scrape. */
export const concurrencyDetector = dataPlanePlugin({
  type: "concurrency-detector",
  kinds: ["saturation-detector", "filter"],
  summary:
    "Says how full the pool is by our own counts: requests in flight over `endpoints x maxConcurrency`, or tokens over `endpoints x maxTokenConcurrency`; in mode `hybrid` the mean over the endpoints of the larger of the two ratios. An empty pool is full. From 1 on, requests of a priority below 0 are shed with 429. In a profile it is a filter too: it keeps endpoints below their limits times `1 + headroom`, and nobody where none is, which refuses the request with 429.",
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
    // A detector is asked before producers run, so it reads the producer's counts themselves.
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
          // The limits are the same for all, so the mean of ratios is the ratio of sums.
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
