import { z } from "zod";
import {
  dataPlanePlugin,
  type HoldRule,
  type PrefillWork,
  type SchedulingContext,
} from "../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { dataOfNamed } from "../../../core/plugin.ts";

const params = z.strictObject({
  maxWaitSeconds: z.number().positive().default(0.3).meta({
    unit: "seconds",
    description:
      "Prompts that an engine may have before the next one, by the time to compute them.",
    tune: "Lower it to 0.1 if clients and engines are close; raise it if engines run out of work between two prompts.",
  }),
  latencyPredictionInfoProducerName: z.string().optional().meta({
    description: "The producer of predictions; default predicted-latency-producer.",
  }),
});

/**
 * Computes saturation from expected seconds of work, by learned speeds:
 *
 *     wait       = prompts that the engine computes before one that is sent now / its speed
 *     saturation = least wait of the pool / maxWaitSeconds
 *
 * Under flow control, a request is also held while the wait at the endpoint that it would get is at its limit.
 */
export const expectedWaitDetector = dataPlanePlugin({
  type: "expected-wait-detector",
  kinds: ["saturation-detector"],
  isOwn: true,
  summary:
    "Computes saturation from expected seconds of work, by the learned speed of each engine, so that there is nothing to tune: the least wait of the pool over `maxWaitSeconds`. The wait of an engine is the time to compute the prompts that it has before one that is sent now. Under flow control it also holds each request by the endpoint that it would get: the request waits in the picker as long as it would wait longer than `maxWaitSeconds` in that engine. The default detector under the gate `flowControl` in a document of `apiVersion: pointsman.dev/v1alpha1`. It holds no request while most answers show no first token, because the end of a prompt is then not visible. The saturation of an empty pool is 1.",
  params,
  needs: ({ latencyPredictionInfoProducerName: producer }) => [
    dataOfNamed("latency-prediction", producer, "latencyPredictionInfoProducerName"),
  ],
  create: ({ maxWaitSeconds, latencyPredictionInfoProducerName: named }, deps) => {
    const limitMs = maxWaitSeconds * 1_000;
    // A detector runs before producers, so it reads the producer's work directly.
    const producer = deps.plugin(deps.producerOf("latency-prediction", named));
    const work = producer.prefillWork ?? noWork;
    const predictionOf = deps.reader("latency-prediction", named);
    const waitMsOf = (endpoints: readonly Endpoint[], nowMs: number) =>
      work.seesFirstTokens ? endpoints.map(({ slot }) => work.waitMs(slot, nowMs)) : [0];
    const ownMsAt = (context: SchedulingContext, { slot }: Endpoint) =>
      predictionOf(context)?.ownPrefillMs(slot) ?? Number.NaN;
    const hold: HoldRule = {
      ownMs: (context, candidates) => {
        let least = Number.NaN;
        for (const endpoint of candidates) {
          const ms = ownMsAt(context, endpoint);
          if (ms < least || Number.isNaN(least)) least = ms;
        }
        return least;
      },
      fullness: ({ nowMs }, computing) => Math.max(...waitMsOf(computing, nowMs)) / limitMs,
      suppose: (context, computing) => {
        const undo = computing.map((endpoint) => {
          const ms = ownMsAt(context, endpoint);
          return work.suppose(endpoint.slot, ms > 0 ? ms : 0, context.nowMs);
        });
        return () => {
          for (const each of undo) each();
        };
      },
    };
    return {
      detector: {
        saturation: (endpoints, _load, nowMs) =>
          endpoints.length === 0 ? 1 : Math.min(...waitMsOf(endpoints, nowMs)) / limitMs,
        hold,
      },
    };
  },
});

/** A producer that does not count work. */
const noWork: PrefillWork = {
  waitMs: () => 0,
  suppose: () => () => undefined,
  seesFirstTokens: false,
};
