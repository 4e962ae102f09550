import { z } from "zod";
import { promptTokensOf } from "../../../core/token-estimate.ts";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { mediaTokensOf } from "./media-tokens.ts";
import { estimateParams } from "./token-estimate-params.ts";

const params = z
  .strictObject({
    estimate: estimateParams.prefault({}).meta({
      description: "Estimates without a tokenizer: four bytes of text are a token.",
    }),
    modelName: z
      .string()
      .optional()
      .meta({ description: "Model of a tokenizer; unused by the estimate." }),
    vllm: z
      .unknown()
      .optional()
      .meta({ description: "A vLLM server that tokenizes; known and not built yet." }),
    udsTokenizerConfig: z
      .unknown()
      .optional()
      .meta({ description: "A tokenizer behind a Unix socket; known and not built yet." }),
  })
  .superRefine((given, context) => {
    for (const backend of ["vllm", "udsTokenizerConfig"] as const) {
      if (given[backend] === undefined) continue;
      context.addIssue({ code: "custom", path: [backend], message: "known and not built yet" });
    }
  });

/** Estimates the number of tokens in the request's prompts. */
export const tokenProducer = dataPlanePlugin({
  type: "token-producer",
  aliases: ["tokenizer"],
  kinds: ["data-producer"],
  produces: "prompt-tokens",
  summary:
    "Estimates the tokens of a request's prompts: four bytes of UTF-8 text are one token, each token id is one, a picture has `width x height / factor` tokens, a video `frames x tokens per frame`. The properties of a video come from `x-llm-d-video-fps`, `x-llm-d-video-duration-seconds` and `x-llm-d-video-resolution` (`1280x720`), or from the defaults. Created automatically if another plugin needs it.",
  params,
  create: ({ estimate }) => ({
    producer: {
      produce: ({ request: { prompts, head } }) =>
        promptTokensOf(prompts, (part) => mediaTokensOf(part, head.headers, estimate)),
    },
  }),
});
