import { z } from "zod";
import { deciderPlugin } from "../../../core/data-plane-plugin.ts";

/** A request is worth an encode stage of its own where it brings something to encode. */
export const alwaysDisaggMultimodalDecider = deciderPlugin({
  type: "always-disagg-multimodal-decider",
  summary:
    "Selects requests whose prompts have an image, audio or video. For the encode stage of `disagg-profile-handler`. Parameters are accepted and ignored.",
  // The peer never reads this decider's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () => ({
    decide: ({ request }) =>
      request.prompts.some((parts) => parts.some(({ kind }) => kind === "media")),
  }),
});
