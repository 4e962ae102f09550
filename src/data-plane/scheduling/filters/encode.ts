import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import { roleFilter } from "../shared/roles.ts";

/** Keeps the engines that are labelled to encode images, audio and video for others. */
export const encodeFilter = filterPlugin({
  type: "encode-filter",
  summary:
    "Keeps engines whose label `llm-d.ai/role` is `encode`, `encode-prefill` or `encode-prefill-decode`; one without the label is dropped. For the encode profile of a pool that has engines of their own for images, audio and video. Any parameters are accepted and not used.",
  // The peer never reads this filter's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () =>
    roleFilter({
      roles: ["encode", "encode-prefill", "encode-prefill-decode"],
      keepsUnlabelled: false,
    }),
});
