import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";

const params = z.strictObject({
  idleThreshold: z.int().min(0).default(0).meta({
    unit: "requests",
    description: "Requests in flight up to which an endpoint counts as idle and scores 1.",
    tune: "Raise it where engines run a small batch as fast as a single request.",
  }),
  maxBusyScore: z.number().min(0).max(1).default(1).meta({
    unit: "ratio",
    description: "The most that an endpoint which is not idle can score.",
    tune: "Below 1 it sets idle endpoints apart; 0 asks for an idle one or none.",
  }),
  inFlightLoadProducerName: z.string().optional().meta({
    description: "The producer of in-flight loads; inflight-load-producer where none is named.",
  }),
  requestTimeout: z.string().optional().meta({
    description: "Accepted for documents in use; a request counts until its stream ends here.",
  }),
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
  summary:
    "Prefers the fewest requests that this picker has sent and not seen finish: `1` up to the idle threshold, else `(max - count) / max x maxBusyScore`, max over the candidates. It needs no scrape, so a burst spreads.",
  params,
  needs: ({ inFlightLoadProducerName }) => [
    {
      kind: "data",
      data: "in-flight-load",
      producer: inFlightLoadProducerName || undefined,
      path: ["inFlightLoadProducerName"],
    },
  ],
  create: ({ idleThreshold, maxBusyScore, inFlightLoadProducerName }, deps) => {
    const loadOf = deps.reader("in-flight-load", inFlightLoadProducerName || undefined);
    return {
      score: (context, candidates, scores) => {
        const inFlight = loadOf(context);
        const counts = context.load.inFlightRequests;
        let max = 0;
        for (const [index, { slot }] of candidates.entries()) {
          const count = inFlight?.requests(slot) ?? counts[slot] ?? 0;
          scores[index] = count;
          if (count > max) max = count;
        }
        for (let index = 0; index < candidates.length; index += 1) {
          const count = scores[index] ?? 0;
          scores[index] = count <= idleThreshold ? 1 : ((max - count) / max) * maxBusyScore;
        }
      },
    };
  },
});
