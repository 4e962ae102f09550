import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { fairnessIdOf } from "../../../core/fairness-id.ts";
import type { WaitingFlow } from "../../../core/flow-control.ts";
import { tokenSharesMemory } from "./token-shares.ts";

const weight = z.number().positive();

const params = z.strictObject({
  weights: z.record(z.string().min(1), weight).default({}).meta({
    description: "Weights of fairness ids: one of 2 gets twice the tokens of one of 1.",
  }),
  defaultWeight: weight.default(1).meta({ description: "Weight of all other fairness ids." }),
  promptTokenCost: z.number().min(0).default(1).meta({
    description: "Cost of a prompt token that is not cached.",
  }),
  outputTokenCost: z.number().min(0).default(2).meta({
    description: "Cost of an output token.",
    tune: "Raise it if long answers are what loads the engines.",
  }),
});

/** Shares tokens among the flows of a band by weight. */
export const virtualTokenCounterFairness = dataPlanePlugin({
  type: "virtual-token-counter-fairness-policy",
  kinds: ["fairness-policy"],
  isOwn: true,
  summary:
    "Serves the flow of a band first that has received the fewest tokens for its weight, so that flows that always wait get tokens in proportion to their weights, whatever the size of their requests. A prompt counts when it is sent; the end of the answer adds its output and takes cached tokens of the prompt off. A flow that was silent for a second begins where the others are: nothing is saved up.",
  params,
  create: ({ weights, defaultWeight, promptTokenCost, outputTokenCost }, deps) => {
    const shares = deps.memory(tokenSharesMemory);
    const weightOf = new Map(Object.entries(weights));
    return {
      fairness: {
        pickerOf: () => ({
          pick: (flows, nowMs) => {
            let best: WaitingFlow | undefined;
            let least = Number.POSITIVE_INFINITY;
            for (const flow of flows) {
              const tokens = shares.tokensOf(flow.fairnessId, nowMs);
              if (tokens < least) [best, least] = [flow, tokens];
            }
            return best;
          },
        }),
      },
      hooks: {
        sent: ({ context: { request } }) => {
          const id = fairnessIdOf(request);
          const perWeight = 1 / (weightOf.get(id) ?? defaultWeight);
          const charged = request.promptTokens * promptTokenCost * perWeight;
          const account = shares.sent(id, charged);
          return {
            ended: ({ usage }) => {
              // Without usage, the estimate of the prompt stays.
              if (usage === undefined) return;
              const { promptTokens, outputTokens, cachedTokens = 0 } = usage;
              const prompt = (promptTokens - cachedTokens) * promptTokenCost;
              const total = (prompt + outputTokens * outputTokenCost) * perWeight;
              shares.ended(account, total - charged);
            },
          };
        },
      },
    };
  },
});
