import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import { roleFilter } from "../shared/roles.ts";

/** Keeps the engines whose label says that they encode images, audio and video for others. */
export const encodeFilter = filterPlugin({
  type: "encode-filter",
  summary:
    "Keeps engines whose label `llm-d.ai/role` is `encode`, `encode-prefill` or `encode-prefill-decode`; drops those without the label. For the encode profile of a pool with separate engines for images, audio and video. Parameters are accepted and ignored.",
  // The peer never reads this filter's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () => roleFilter("encode"),
});
