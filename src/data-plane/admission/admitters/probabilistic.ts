import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import { admitterPlugin } from "../../../core/data-plane-plugin.ts";

const params = z.strictObject({
  queueDepthThreshold: z.int().min(1).default(5).meta({
    unit: "requests",
    description: "Number of waiting requests at which an endpoint is full.",
  }),
  kvCacheUtilThreshold: z.number().gt(0).default(0.8).meta({
    unit: "ratio",
    description: "Used share of the KV cache at which an endpoint is full.",
  }),
  power: z.number().gt(0).default(5).meta({
    description: "Exponent; the higher, the later shedding sets in.",
    tune: "Raise it to shed only when the pool is nearly full.",
  }),
  k: z.number().gt(0).default(300).meta({
    description: "Slope of shedding once it sets in.",
    tune: "Lower it to shed gradually over a wider range of load.",
  }),
});

/**
 * Sheds requests of a priority below 0 at random, with a probability that grows with saturation:
 *
 *     saturation = mean over the candidates of max(waiting / queueDepthThreshold, kv / kvCacheUtilThreshold)
 *     p(shed)    = min(k x saturation ^ power, 1)
 *
 * An unknown signal counts as 0: only known load leads to shedding.
 */
export const probabilisticAdmitter = admitterPlugin({
  type: "probabilistic-admitter",
  summary:
    "Refuses requests of a priority below 0 with 429 at random. The probability is `min(k x saturation ^ power, 1)`, where `saturation` is the mean over the candidates of `max(waiting / queueDepthThreshold, kv / kvCacheUtilThreshold)`. By default shedding sets in at a saturation of about 0.2, and from 0.32 on every such request is refused.",
  params,
  signals: () => [loadSignalLabels.waitingRequests, loadSignalLabels.kvCacheUsedRatio],
  create: ({ queueDepthThreshold, kvCacheUtilThreshold, power, k }, { random }) => ({
    admit: ({ request, load }, candidates) => {
      if (request.priority >= 0 || candidates.length === 0) return undefined;
      let sum = 0;
      for (const { slot } of candidates) {
        sum += Math.max(
          known(load.waitingRequests[slot]) / queueDepthThreshold,
          known(load.kvCacheUsedRatio[slot]) / kvCacheUtilThreshold,
        );
      }
      const saturation = sum / candidates.length;
      if (random() >= Math.min(k * saturation ** power, 1)) return undefined;
      return {
        code: "saturated",
        message: "the model servers are busy, and the request's priority is below 0",
      };
    },
  }),
});

function known(value: number | undefined): number {
  return value !== undefined && value >= 0 && Number.isFinite(value) ? value : 0;
}
