import { z } from "zod";
import { scorerPlugin } from "../plugin.ts";

const params = z.strictObject({
  /** Requests in flight up to which an endpoint counts as idle. Raise it to tolerate small batches. */
  idleThreshold: z.int().min(0).default(0),
  /** Score of a busy endpoint with the fewest requests. Below 1 it sets idle endpoints apart. */
  maxBusyScore: z.number().min(0).max(1).default(1),
  /** Accepted for the peer's documents; in-flight counts end with their stream here. */
  requestTimeout: z.string().optional(),
  /** Accepted for the peer's documents; there is one in-flight count here. */
  inFlightLoadProducerName: z.string().optional(),
});

/**
 * Prefers the endpoint with the fewest requests that we have sent and not seen finish:
 *
 *     score = 1                                   up to the idle threshold
 *     score = (max - count) / max x maxBusyScore  above it, max over the candidates
 *
 * It needs no scrape, so a burst that arrives between two scrapes spreads all the same.
 */
export const activeRequestScorer = scorerPlugin({
  type: "active-request-scorer",
  params,
  create: ({ idleThreshold, maxBusyScore }) => ({
    score: ({ load }, candidates, scores) => {
      let max = 0;
      for (const { slot } of candidates) {
        const count = load.inFlightRequests[slot] ?? 0;
        if (count > max) max = count;
      }
      for (const [index, { slot }] of candidates.entries()) {
        const count = load.inFlightRequests[slot] ?? 0;
        scores[index] = count <= idleThreshold ? 1 : ((max - count) / max) * maxBusyScore;
      }
    },
  }),
});
