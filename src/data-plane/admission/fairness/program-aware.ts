import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { fairnessIdOf } from "../../../core/fairness-id.ts";
import type { WaitingFlow } from "../../../core/flow-control.ts";
import { programMemory } from "./programs.ts";

const params = z.strictObject({
  strategy: z.literal("las").default("las").meta({ description: "Least attained service." }),
  evictionTtlSeconds: z.number().min(0).default(3_600).meta({
    unit: "seconds",
    description: "Time after which an idle program is forgotten; 0 for never.",
  }),
  evictionSweepSeconds: z.number().gt(0).default(300).meta({
    unit: "seconds",
    description: "Interval between checks for idle programs.",
  }),
  lasWeightService: z.number().min(0).default(0.8).meta({
    description: "Weight of the service that a program has received.",
    tune: "Raise it to favor programs that have received little.",
  }),
  lasWeightHeadWait: z.number().min(0).default(0.2).meta({
    description: "Weight of the waiting time of its first request.",
    tune: "Raise it if programs that receive a lot wait too long.",
  }),
  lasHalfLifeSeconds: z.number().min(0).default(60).meta({
    unit: "seconds",
    description: "Half-life of past service; 0 for no decay.",
  }),
});

/**
 * Least attained service: serves the program first that has received the least, and whose first request has waited longest.
 * Both are scaled to the range of the programs that wait:
 *
 *     score = lasWeightService (1 - service) + lasWeightHeadWait wait
 *
 * The service of a request is its prompt tokens and twice its output tokens, which decay by half in each half-life. A
 * prompt counts when it is sent, as an estimate, and usage corrects it at the end.
 */
export const programAwareFairness = dataPlanePlugin({
  type: "program-aware-fairness",
  kinds: ["fairness-policy"],
  summary:
    "Serves the programs (fairness ids) first that have received the least service: `lasWeightService (1 - service) + lasWeightHeadWait wait`, with both scaled to 0 to 1 over the programs that wait. The service of a request is its prompt tokens and twice its output tokens. Past service halves in each half-life. A prompt counts as soon as it is sent, so that a burst is charged at once; usage corrects it at the end.",
  params,
  create: (options, deps) => {
    const programs = deps.memory(programMemory, {
      halfLifeMs: options.lasHalfLifeSeconds * 1_000,
      idleMs: (options.evictionTtlSeconds || Number.POSITIVE_INFINITY) * 1_000,
      sweepMs: options.evictionSweepSeconds * 1_000,
    });
    const { lasWeightService: ofService, lasWeightHeadWait: ofWait } = options;
    return {
      fairness: {
        pickerOf: () => ({
          pick: (flows, nowMs) => {
            const services = scaled(flows.map((flow) => programs.service(flow.fairnessId, nowMs)));
            const waits = scaled(flows.map((flow) => nowMs - flow.first.enqueuedMs));
            let best: WaitingFlow | undefined;
            let bestScore = Number.NEGATIVE_INFINITY;
            for (const [index, flow] of flows.entries()) {
              const score = ofService * (1 - (services[index] ?? 0)) + ofWait * (waits[index] ?? 0);
              if (score > bestScore) [best, bestScore] = [flow, score];
            }
            return best;
          },
        }),
      },
      hooks: {
        sent: ({ context: { request, nowMs } }) => {
          const program = programs.sent(fairnessIdOf(request), request.promptTokens, nowMs);
          return {
            ended: ({ usage, endedMs }) => {
              // Without usage, the estimate of the prompt stays.
              const tokens =
                usage === undefined
                  ? 0
                  : usage.promptTokens - request.promptTokens + 2 * usage.outputTokens;
              programs.ended(program, tokens, endedMs);
            },
          };
        },
      },
    };
  },
});

/** Numbers scaled to 0 to 1 by their range; 0.5 each if they are equal. */
function scaled(values: readonly number[]): readonly number[] {
  const low = Math.min(...values);
  const range = Math.max(...values) - low;
  return values.map((value) => (range === 0 ? 0.5 : (value - low) / range));
}
