import { z } from "zod";
import { deciderPlugin } from "../../../core/data-plane-plugin.ts";

/** Every request is worth a prefill of its own. */
export const alwaysDisaggPdDecider = deciderPlugin({
  type: "always-disagg-pd-decider",
  summary:
    "Says yes to every request: each is prefilled on an endpoint of the prefill profile. For prompts that are long and never the same. Any parameters are accepted and not used.",
  // The peer never reads this decider's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () => ({ decide: () => true }),
});
