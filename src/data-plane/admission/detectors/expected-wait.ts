import { z } from "zod";
import {
  dataPlanePlugin,
  type HoldRule,
  type PrefillWork,
  type SchedulingContext,
  type SentRequest,
} from "../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { LatencyPrediction } from "../../../core/latency-prediction.ts";
import { dataOfNamed } from "../../../core/plugin.ts";
import { type Reserve, reserveMemory } from "./reserve.ts";

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
 * Share of `maxWaitSeconds` that holds a request while others of a higher priority come: the engine gets its next prompt when
 * it has nearly computed the one before, so that a request of the higher priority finds one of them there at most.
 */
const lowerShare = 0.2;

/**
 * Computes saturation from expected seconds of work, by learned speeds:
 *
 *     wait       = prompts that the engine computes before one that is sent now / its speed
 *     saturation = least wait of the pool / (maxWaitSeconds + load of an adapter, at most 1 s)
 *
 * Under flow control, a request is also held while the wait at the endpoint that it would get is at its limit, and engines
 * are kept for requests of higher priorities.
 */
export const expectedWaitDetector = dataPlanePlugin({
  type: "expected-wait-detector",
  kinds: ["saturation-detector"],
  isOwn: true,
  summary:
    "Computes saturation from expected seconds of work, by the learned speed of each engine, so that there is nothing to tune: the least wait of the pool over `maxWaitSeconds`. The wait of an engine is the time to compute the prompts that it has before one that is sent now. Under flow control it also holds each request by the endpoint that it would get: the request waits in the picker as long as it would wait longer than `maxWaitSeconds` in that engine. If engines have LoRA adapters, the time to load one is added to `maxWaitSeconds`, at most a second. Requests of a lower priority do not get all engines while others of a higher priority come: as many engines as these usually occupy, and a few more, compute no prompts of the lower ones. The other engines get a prompt of a lower priority when they have less than a fifth of `maxWaitSeconds` before it. The default detector under the gate `flowControl` in a document of `apiVersion: pointsman.dev/v1alpha1`. It holds no request while most answers show no first token, because the end of a prompt is then not visible. The saturation of an empty pool is 1.",
  params,
  needs: ({ latencyPredictionInfoProducerName: producer }) => [
    dataOfNamed("latency-prediction", producer, "latencyPredictionInfoProducerName"),
  ],
  create: ({ maxWaitSeconds, latencyPredictionInfoProducerName: named }, deps) => {
    // A detector runs before producers, so it reads the producer's work directly.
    const producer = deps.plugin(deps.producerOf("latency-prediction", named));
    const work = producer.prefillWork ?? noWork;
    const limitMs = () => maxWaitSeconds * 1_000 + work.slackMs;
    const reserve = deps.memory(reserveMemory);
    const waits = new Waits(work, deps.reader("latency-prediction", named));
    const hold: HoldRule = {
      open: (candidates, priority, nowMs) => reserve.open(candidates, priority, nowMs),
      ownMs: (context, candidates) => waits.leastOwnMs(context, candidates),
      fullness: ({ request: { priority }, nowMs }, computing) => {
        const isLower = reserve.kept(priority, nowMs) > 0;
        // A prompt of a lower priority is held by the expected time of those before it.
        if (!isLower && !work.seesFirstTokens) return 0;
        return waits.longestMs(computing, nowMs) / (limitMs() * (isLower ? lowerShare : 1));
      },
      suppose: (context, computing) => {
        const undo = computing.map((endpoint) =>
          work.suppose(endpoint.slot, waits.ownMs(context, endpoint), context.nowMs),
        );
        return () => {
          for (const each of undo) each();
        };
      },
    };
    return {
      detector: {
        saturation: (endpoints, _load, nowMs) => {
          if (endpoints.length === 0) return 1;
          return work.seesFirstTokens ? waits.leastMs(endpoints, nowMs) / limitMs() : 0;
        },
        hold,
      },
      hooks: { sent: (sent) => followed(sent, reserve, waits) },
    };
  },
});

/** Counts the prompt of a request that is sent until it is computed. */
function followed({ context, decision }: SentRequest, reserve: Reserve, waits: Waits) {
  const { request, nowMs: sentMs } = context;
  const { helpers, targets } = decision;
  const computing = helpers.length > 0 ? helpers : [targets[0].endpoint];
  const doneMs = request.isStreaming ? Number.POSITIVE_INFINITY : waits.doneMs(context, computing);
  return reserve.sent({ priority: request.priority, computing, sentMs, doneMs });
}

/** Expected waits in engines, and the own work of requests, in milliseconds. */
class Waits {
  readonly #work: PrefillWork;
  readonly #predictionOf: (context: SchedulingContext) => LatencyPrediction | undefined;

  constructor(
    work: PrefillWork,
    predictionOf: (context: SchedulingContext) => LatencyPrediction | undefined,
  ) {
    this.#work = work;
    this.#predictionOf = predictionOf;
  }

  /** `Infinity` without endpoints. */
  leastMs(endpoints: readonly Endpoint[], nowMs: number): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const { slot } of endpoints) {
      const ms = this.#work.waitMs(slot, nowMs);
      // It cannot be less, and most pools have an engine without prompts.
      if (ms === 0) return 0;
      leastMs = Math.min(leastMs, ms);
    }
    return leastMs;
  }

  longestMs(endpoints: readonly Endpoint[], nowMs: number): number {
    let longestMs = 0;
    for (const { slot } of endpoints) {
      longestMs = Math.max(longestMs, this.#work.waitMs(slot, nowMs));
    }
    return longestMs;
  }

  /** 0 if it is unknown. */
  ownMs(context: SchedulingContext, { slot }: Endpoint): number {
    const ms = this.#predictionOf(context)?.ownPrefillMs(slot) ?? 0;
    return ms > 0 ? ms : 0;
  }

  /** NaN if it is unknown everywhere. */
  leastOwnMs(context: SchedulingContext, candidates: readonly Endpoint[]): number {
    const prediction = this.#predictionOf(context);
    let least = Number.NaN;
    for (const { slot } of candidates) {
      const ms = prediction?.ownPrefillMs(slot) ?? Number.NaN;
      if (ms < least || Number.isNaN(least)) least = ms;
    }
    return least;
  }

  /** The time at which engines have computed a prompt that is sent now. */
  doneMs(context: SchedulingContext, computing: readonly Endpoint[]): number {
    const { nowMs } = context;
    let longestMs = 0;
    for (const endpoint of computing) {
      const ms = this.#work.waitMs(endpoint.slot, nowMs) + this.ownMs(context, endpoint);
      longestMs = Math.max(longestMs, ms);
    }
    return nowMs + longestMs;
  }
}

/** A producer that does not count work. */
const noWork: PrefillWork = {
  waitMs: () => 0,
  slackMs: 0,
  suppose: () => () => undefined,
  seesFirstTokens: false,
};
