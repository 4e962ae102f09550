import { z } from "zod";
import { deciderPlugin } from "../../../core/data-plane-plugin.ts";
import { recalled } from "../../../core/recalls.ts";

/** Selects requests with media, so that they get a separate encode stage. */
export const alwaysDisaggMultimodalDecider = deciderPlugin({
  type: "always-disagg-multimodal-decider",
  summary:
    "Selects requests whose prompts have an image, audio or video. For the encode stage of `disagg-profile-handler`. Parameters are accepted and ignored.",
  // The peer never reads this decider's parameters.
  params: z.record(z.string(), z.unknown()),
  create: (_params, { name }) => ({
    decide: (context) =>
      // A record of the decision has no prompts.
      recalled(context, name, () =>
        context.request.prompts.some((parts) => parts.some(({ kind }) => kind === "media")),
      ),
  }),
});
