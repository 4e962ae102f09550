import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";
import { dataOfNamed } from "../../../core/plugin.ts";

const params = z.strictObject({
  idleThreshold: z.int().min(0).default(0).meta({
    unit: "requests",
    description:
      "Number of requests in flight up to which an endpoint counts as idle and scores 1.",
    tune: "Raise it if engines run a small batch as fast as a single request.",
  }),
  maxBusyScore: z.number().min(0).max(1).default(1).meta({
    unit: "ratio",
    description: "Maximum score of an endpoint that is not idle.",
    tune: "Lower it to prefer idle endpoints; at 0 every busy endpoint scores 0.",
  }),
  inFlightLoadProducerName: z.string().optional().meta({
    description: "Producer of in-flight loads; default inflight-load-producer.",
  }),
  requestTimeout: z.string().optional().meta({
    description: "Accepted but has no effect: a request counts until its stream ends.",
  }),
});

/**
 * Prefers the endpoint with the fewest requests in flight:
 *
 *     score = 1                                   up to the idle threshold
 *     score = (max - count) / max x maxBusyScore  above it, max over the candidates
 *
 * It needs no scrape, so a burst spreads even between two scrapes.
 */
export const activeRequestScorer = scorerPlugin({
  type: "active-request-scorer",
  summary:
    "Prefers the endpoint with the fewest unfinished requests from this picker: `1` up to the idle threshold, else `(max - count) / max x maxBusyScore`, with `max` over the candidates. It does not depend on scrapes, so bursts spread.",
  params,
  needs: ({ inFlightLoadProducerName }) => [
    dataOfNamed("in-flight-load", inFlightLoadProducerName, "inFlightLoadProducerName"),
  ],
  create: ({ idleThreshold, maxBusyScore, inFlightLoadProducerName }, deps) => {
    const loadOf = deps.reader("in-flight-load", inFlightLoadProducerName);
    return {
      score: (context, candidates, scores) => {
        const inFlight = loadOf(context);
        const counts = context.load.inFlightRequests;
        const slots = slotsOf(candidates);
        let max = 0;
        for (let index = 0; index < slots.length; index += 1) {
          const slot = slots[index] ?? 0;
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
