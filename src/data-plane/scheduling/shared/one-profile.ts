import type { ProfileHandler } from "../../../core/data-plane-plugin.ts";

/** The part of a profile handler of `type` that runs the only profile. */
export function oneProfile(type: string): Pick<ProfileHandler, "next" | "primary" | "mistakeIn"> {
  return {
    next: (_context, profileNames, profilesRun) =>
      profilesRun.length === 0 ? profileNames[0] : undefined,
    primary: (profilesRun) => profilesRun[0],
    mistakeIn: (profileNames) =>
      profileNames.length === 1
        ? undefined
        : `${type} runs exactly one scheduling profile, but there are ${profileNames.length}`,
  };
}
