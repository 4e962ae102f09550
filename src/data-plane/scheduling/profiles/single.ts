import { z } from "zod";
import { profileHandlerPlugin } from "../../plugin.ts";

/** Runs the one profile there is. */
export const singleProfileHandler = profileHandlerPlugin({
  type: "single-profile-handler",
  summary:
    "Runs the one profile there is; more than one is a mistake. Any parameters are accepted and not used.",
  // The peer never reads this handler's parameters, so documents in use carry anything here.
  params: z.record(z.string(), z.unknown()),
  create: (_params, _deps) => {
    return {
      next: (_context, profileNames, profilesRun) =>
        profilesRun.length === 0 ? profileNames[0] : undefined,
      primary: (profilesRun) => profilesRun[0],
      mistakeIn: (profileNames) =>
        profileNames.length === 1
          ? undefined
          : `single-profile-handler runs exactly one scheduling profile, there are ${profileNames.length}`,
    };
  },
});
