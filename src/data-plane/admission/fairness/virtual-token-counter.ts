import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { fairnessIdOf } from "../../../core/fairness-id.ts";
import type { WaitingFlow } from "../../../core/flow-control.ts";
import { tokenCostParams, TokenCosts } from "./token-costs.ts";
import { tokenSharesMemory } from "./token-shares.ts";

/** Shares tokens among the flows of a band by weight. */
export const virtualTokenCounterFairness = dataPlanePlugin({
  type: "virtual-token-counter-fairness-policy",
  kinds: ["fairness-policy"],
  isOwn: true,
  summary:
    "Serves the flow of a band first that has received the fewest tokens for its weight, so that flows that always wait get tokens in proportion to their weights, whatever the size of their requests. A prompt counts when it is sent; the end of the answer adds its output and takes cached tokens of the prompt off. A flow that was silent for a second begins where the others are: nothing is saved up.",
  params: z.strictObject(tokenCostParams),
  create: (options, deps) => {
    const shares = deps.memory(tokenSharesMemory);
    const costs = new TokenCosts(options);
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
          const charged = costs.atStart(id, request.promptTokens);
          const account = shares.sent(id, charged);
          return costs.follower(id, charged, (tokens) => shares.ended(account, tokens));
        },
      },
    };
  },
});
