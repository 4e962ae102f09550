import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { fairnessIdOf } from "../../../core/fairness-id.ts";
import { bandTurnsMemory } from "./flow-turns.ts";
import { tokenCostParams, TokenCosts } from "./token-costs.ts";

const params = z.strictObject({
  ...tokenCostParams,
  quantumTokens: z.number().positive().default(500).meta({
    unit: "tokens",
    description: "Tokens that a flow of weight 1 may cost in each of its turns.",
    tune: "Raise it if requests of one flow should follow each other, for prefixes that they share; lower it for shorter waits between the turns of a flow.",
  }),
});

/** Serves the flows of a band in turn, each for a quantum of tokens by its weight. */
export const deficitRoundRobinFairness = dataPlanePlugin({
  type: "deficit-round-robin-fairness-policy",
  kinds: ["fairness-policy"],
  isOwn: true,
  summary:
    "Serves the flows of a band in turn. In its turn, a flow gets `quantumTokens x weight`, and its requests are sent until they have cost as much; what the last one costs beyond that is taken off its next turns. So flows that always wait get tokens in proportion to their weights, to within a turn and a request of each. A prompt is charged when it is sent; the end of the answer adds its output and takes cached tokens of the prompt off. Only requests that waited are charged. While a flow has no requests, the turns that it misses pay its debts off, and save nothing up.",
  params,
  create: (options, deps) => {
    const { quantumTokens } = options;
    const bands = deps.memory(bandTurnsMemory, { quantumTokens });
    const costs = new TokenCosts(options);
    return {
      fairness: {
        pickerOf: (priority) => {
          const turns = bands.of(priority);
          return {
            pick: (flows) => {
              const picked = turns.pick(flows);
              bands.picked = picked && { request: picked.first.request, turns };
              return picked;
            },
          };
        },
      },
      hooks: {
        sent: ({ context: { request } }) => {
          // Requests that do not wait, and further attempts, were not picked.
          if (bands.picked?.request !== request) return undefined;
          const { turns } = bands.picked;
          bands.picked = undefined;
          const id = fairnessIdOf(request);
          const charged = costs.atStart(id, request.promptTokens);
          const account = turns.sent(id, charged);
          return costs.follower(id, charged, (tokens) => turns.ended(account, tokens));
        },
      },
    };
  },
});
