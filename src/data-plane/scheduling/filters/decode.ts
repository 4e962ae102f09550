import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import { roleFilter } from "../shared/roles.ts";

/** Keeps the engines whose label says that they decode, and those without a role label. */
export const decodeFilter = filterPlugin({
  type: "decode-filter",
  summary:
    "Keeps engines whose label `llm-d.ai/role` is `decode`, `prefill-decode`, `both` or `encode-prefill-decode`, and those without the label. For the profile that serves a request if prefill or encode may run elsewhere. Parameters are accepted and ignored.",
  // The peer never reads this filter's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () => roleFilter("decode"),
});
