import { z } from "zod";
import type { InferenceRequest } from "../../../core/request.ts";
import { isOnlyTokenized } from "../shared/only-tokenized.ts";
import { dataPlanePlugin, type PrefillWork } from "../../../core/data-plane-plugin.ts";
import { dataOfNamed } from "../../../core/plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { parseDurationMs } from "../../../std/quantities.ts";
import { labelOf } from "../shared/labels.ts";
import { FollowedRequest } from "./latency/followed-request.ts";
import { type LatencyModel, latencyModelMemory } from "./latency/latency-model.ts";
import { Prediction } from "./latency/prediction.ts";

/** Roles of endpoints that generate no tokens. */
const rolesWithoutDecode: ReadonlySet<string | undefined> = new Set([
  "prefill",
  "encode",
  "encode-prefill",
]);

const withoutEffect = (reason: string) => ({
  description: `Accepted but has no effect: ${reason}.`,
});

const params = z.strictObject({
  prefixMatchInfoProducerName: z.string().optional().meta({
    description: "The producer of prefix matches; default approx-prefix-cache-producer.",
  }),
  sloBufferFactor: z.number().positive().default(1).meta({
    description: "Factor on objectives for the time per further token.",
    tune: "Set it below 1 to keep a reserve, such as 0.9.",
  }),
  streamingMode: z.boolean().default(false).meta({
    description:
      "Also counts the predicted time per further token of requests that name no objective for it. First tokens of streams are learned from in any case.",
    tune: "Set it to true if clients stream and wait for the tokens.",
  }),
  endpointRoleLabel: z.string().default("").meta({
    description:
      "Label with the role of an endpoint. Where it is `prefill`, `encode` or `encode-prefill`, every objective for the time per further token counts as met.",
    tune: "Set it to llm-d.ai/role if the pool has separate engines for prefill.",
  }),
  predictInProduce: z.boolean().default(true).meta({
    description: "False to learn only: other plugins get no predictions.",
  }),
  contextTTL: z
    .union([
      z.number().min(0),
      z
        .string()
        .refine((text) => parseDurationMs(text) !== undefined, "want a duration such as 5m"),
    ])
    .optional()
    .meta(withoutEffect("a request counts until its stream ends")),
  useEncoderCacheFeatures: z
    .boolean()
    .optional()
    .meta(withoutEffect("predictions do not know what engines have cached of images")),
  encoderCacheMatchInfoProducerName: z
    .string()
    .optional()
    .meta(withoutEffect("predictions do not know what engines have cached of images")),
  inFlightLoadProducerName: z
    .string()
    .optional()
    .meta(withoutEffect("predictions count the prompts in flight themselves")),
  samplingMean: z.number().optional().meta(withoutEffect("tokens are not sampled")),
  maxDecodeTokenSamplesForPrediction: z
    .int()
    .optional()
    .meta(withoutEffect("tokens are not sampled")),
});

/**
 * Predicts the latency of a request on each endpoint, in this process, from the requests that this picker has sent and
 * their answers.
 */
export const predictedLatencyProducer = dataPlanePlugin({
  type: "predicted-latency-producer",
  kinds: ["data-producer"],
  produces: "latency-prediction",
  summary:
    "Predicts the time to first token and the time per further token of a request on each endpoint, in the picker itself: no other service, and nothing to calibrate. It counts the prompts that it sent to each endpoint and that have no first token yet, less the part that the engine has computed meanwhile, and learns from each answer how fast the endpoint computes prompts and generates, whether its prefix cache holds what is expected, and how long adapters take to load. An engine that becomes faster or slower is learned again within a few dozen requests. Prompts whose first tokens are not visible, because responses do not stream or the gateway does not show them, count until the engine has had the time to compute them. The headroom of an endpoint is the client's objective (`x-llm-d-slo-ttft-ms`, `x-llm-d-slo-tpot-ms`) minus the prediction; for the time per further token, the strictest objective of the requests on the endpoint counts. Created automatically if another plugin needs it.",
  params,
  needs: ({ prefixMatchInfoProducerName }) => [
    dataOfNamed("prefix-match", prefixMatchInfoProducerName, "prefixMatchInfoProducerName"),
    { kind: "data", data: "prompt-tokens", producer: undefined, path: [] },
  ],
  create: (options, deps) => {
    const tokensOf = deps.reader("prompt-tokens", undefined);
    const matchOf = deps.reader("prefix-match", options.prefixMatchInfoProducerName);
    const model = deps.memory(latencyModelMemory);
    const prediction = new Prediction(model, {
      bufferFactor: options.sloBufferFactor,
      countsTpot: options.streamingMode,
      onlyPrefills: prefillTest(options.endpointRoleLabel),
    });
    return {
      producer: {
        produce: (context, candidates) => {
          const promptTokens = tokensOf(context) ?? context.request.promptTokens;
          prediction.compute(context, candidates, { match: matchOf(context), promptTokens });
          return options.predictInProduce ? prediction : undefined;
        },
      },
      prefillWork: prefillWorkOf(model),
      hooks: {
        sent: ({ context, decision }) => {
          const { request, nowMs } = context;
          if (!isComputed(request)) return undefined;
          model.copies.noteBusy(prediction.busyShare);
          return new FollowedRequest(model, { request, decision, prediction, nowMs });
        },
      },
    };
  },
});

/** Share of answers without a visible first token above which engines count as unobserved. */
const unseenShareMax = 0.5;

function prefillWorkOf(model: LatencyModel): PrefillWork {
  return {
    waitMs: (slot, nowMs) => {
      const tokensPerMs = model.rates.tokensPerMs(slot);
      return model.tokensAhead(slot, nowMs, tokensPerMs) / tokensPerMs;
    },
    get slackMs() {
      return model.adapters.slackMs;
    },
    suppose: (slot, ms, nowMs) => {
      const { queue } = model.workAt(slot);
      const tokens = ms * model.rates.tokensPerMs(slot);
      const sent = { tokens, wholeTokens: tokens, sentMs: nowMs };
      const prompt = queue.push({ ...sent, stays: false, showsFirstToken: true });
      return () => queue.leave(prompt);
    },
    get seesFirstTokens() {
      // NaN before the first answer.
      return !(model.inputs.firstTokens < 1 - unseenShareMax);
    },
  };
}

/** False for a request of which the engine computes nothing, such as the count of a prompt's tokens, or a GET. */
function isComputed(request: InferenceRequest): boolean {
  const hasContent = request.prompts.length > 0 || request.bodyBytes > 0;
  return hasContent && !isOnlyTokenized(request);
}

function prefillTest(roleLabel: string): ((endpoint: Endpoint) => boolean) | undefined {
  if (roleLabel === "") return undefined;
  return ({ labels }) => rolesWithoutDecode.has(labelOf(labels, roleLabel));
}
