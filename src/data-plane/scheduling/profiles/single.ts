import { z } from "zod";
import { profileHandlerPlugin } from "../../../core/data-plane-plugin.ts";
import { oneProfile } from "../shared/one-profile.ts";

const type = "single-profile-handler";

/** Runs the only profile. */
export const singleProfileHandler = profileHandlerPlugin({
  type,
  summary:
    "Runs the only profile; more than one is a mistake. Parameters are accepted and ignored.",
  // The peer never reads this handler's parameters, so existing documents may have any here.
  params: z.record(z.string(), z.unknown()),
  create: () => oneProfile(type),
});
