import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import { roleFilter } from "../shared/roles.ts";

/** Keeps the engines whose label says that they prefill for others. */
export const prefillFilter = filterPlugin({
  type: "prefill-filter",
  summary:
    "Keeps engines whose label `llm-d.ai/role` is `prefill`, `encode-prefill`, `prefill-decode`, `both` or `encode-prefill-decode`; drops those without the label. For the prefill profile of a disaggregated pool. Parameters are accepted and ignored.",
  // The peer never reads this filter's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () => roleFilter("prefill"),
});
