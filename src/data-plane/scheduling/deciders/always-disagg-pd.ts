import { z } from "zod";
import { deciderPlugin } from "../../../core/data-plane-plugin.ts";

/** Selects every request, so that each gets a separate prefill. */
export const alwaysDisaggPdDecider = deciderPlugin({
  type: "always-disagg-pd-decider",
  summary:
    "Selects every request: each is prefilled on an endpoint of the prefill profile. For prompts that are long and rarely repeat. Parameters are accepted and ignored.",
  // The peer never reads this decider's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () => ({ decide: () => true }),
});
