import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { tokenLedgerMemory } from "./token-ledger.ts";

const params = z.strictObject({
  addEstimatedOutputTokens: z.boolean().default(false).meta({
    description: "Also counts the tokens that the request is expected to generate.",
    tune: "Set to true if long outputs, not long prompts, fill the engines.",
  }),
  outputRatio: z.number().min(0).default(1.5).meta({
    description: "Expected output tokens per prompt token.",
  }),
  maxEstimatedOutputTokens: z.int().min(0).optional().meta({
    unit: "tokens",
    description: "Maximum expected output tokens.",
  }),
  prefixMatchInfoProducerName: z.string().optional().meta({
    description: "The producer of prefix matches; without one every token counts as uncached.",
  }),
  syncCrossReplicaState: z.boolean().default(true).meta({
    description: "Accepted but has no effect: replicas do not share state yet.",
  }),
});

/**
 * Counts the tokens that endpoints still have to compute:
 *
 *     uncached = (total blocks - matched blocks) x block tokens + prompt tokens beyond the blocks
 *     output   = min(round(prompt tokens x ratio), the client's limit, the maximum)   if output is counted
 *
 * A prompt counts until the first token of its response, or until the end of the request if output is counted. It
 * counts at the endpoint that was picked, and from the response head on at the one that serves.
 */
export const inflightLoadProducer = dataPlanePlugin({
  type: "inflight-load-producer",
  kinds: ["data-producer"],
  produces: "in-flight-load",
  summary:
    "Counts the unfinished requests that this picker has sent to each endpoint, and their prompt tokens that the endpoint does not have cached, `(total - matched blocks) x block size + rest`. Tokens are released at the first token of the response or, if the expected output counts too, at its end. Created automatically if another plugin needs it.",
  params,
  needs: ({ prefixMatchInfoProducerName: producer }) => [
    { kind: "data", data: "prompt-tokens", producer: undefined, path: [] },
    {
      kind: "data",
      data: "prefix-match",
      producer,
      path: ["prefixMatchInfoProducerName"],
      isOptional: true,
    },
  ],
  create: (options, deps) => {
    const tokensOf = deps.reader("prompt-tokens", undefined);
    const matchOf = deps.reader("prefix-match", options.prefixMatchInfoProducerName);
    const ledger = deps.memory(tokenLedgerMemory);
    return {
      tokenCounts: ledger,
      producer: {
        produce: (context) => {
          const { request, load } = context;
          const promptTokens = tokensOf(context) ?? request.promptTokens;
          const match = matchOf(context);
          return {
            requests: (slot) => load.inFlightRequests[slot] ?? 0,
            tokens: (slot) => ledger.tokens(slot),
            uncachedTokens: (slot) => uncachedTokensOf(slot, promptTokens, match),
          };
        },
      },
      hooks: {
        sent: ({ context, decision }) => {
          const { request } = context;
          const promptTokens = tokensOf(context) ?? request.promptTokens;
          const match = matchOf(context);
          const outputTokens = outputTokensOf(promptTokens, request.outputTokensMax, options);
          const tokensAt = ({ slot }: Endpoint) =>
            uncachedTokensOf(slot, promptTokens, match) + outputTokens;
          const listed = decision.targets.map(({ endpoint }) => ({
            id: endpoint.id,
            tokens: tokensAt(endpoint),
          }));
          const first = decision.targets[0].endpoint;
          let release = ledger.add(first.slot, listed[0]?.tokens ?? 0);
          let countedId = first.id;
          // A helper has finished the prompt when the response begins.
          const releaseHelpers = decision.helpers.map((helper) =>
            ledger.add(helper.slot, uncachedTokensOf(helper.slot, promptTokens, match)),
          );
          return {
            responseHead: ({ served }) => {
              if (served === undefined || served.id === countedId) return undefined;
              release();
              countedId = served.id;
              // Prefix matches are known for targets only; for another endpoint, the whole prompt counts.
              const tokens = listed.find(({ id }) => id === countedId)?.tokens;
              release = ledger.add(served.slot, tokens ?? promptTokens + outputTokens);
              return undefined;
            },
            firstToken: () => {
              for (const letGo of releaseHelpers) letGo();
              if (!options.addEstimatedOutputTokens) release();
            },
            ended: () => {
              for (const letGo of releaseHelpers) letGo();
              release();
            },
          };
        },
      },
    };
  },
});

function uncachedTokensOf(
  slot: number,
  promptTokens: number,
  match: PrefixMatch | undefined,
): number {
  const totalBlocks = match?.totalBlocks(slot) ?? 0;
  if (match === undefined || totalBlocks === 0) return promptTokens;
  const blockTokens = match.blockTokens(slot);
  const missingBlocks = Math.max(0, totalBlocks - match.matchedBlocks(slot));
  const beyond = Math.max(0, promptTokens - totalBlocks * blockTokens);
  return missingBlocks * blockTokens + beyond;
}

function outputTokensOf(
  promptTokens: number,
  clientMax: number | undefined,
  { addEstimatedOutputTokens, outputRatio, maxEstimatedOutputTokens }: z.infer<typeof params>,
): number {
  if (!addEstimatedOutputTokens) return 0;
  const expected = Math.round(promptTokens * outputRatio);
  return Math.min(expected, clientMax ?? Infinity, maxEstimatedOutputTokens ?? Infinity);
}
