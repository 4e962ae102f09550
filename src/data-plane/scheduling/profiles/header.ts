import { z } from "zod";
import { profileHandlerPlugin } from "../../../core/data-plane-plugin.ts";
import { recalled } from "../../../core/recalls.ts";
import { headerNameParam } from "../shared/header-name-param.ts";

const type = "header-profile-handler";
const defaultHeader = "epp-profile";
const defaultProfileName = "decode";

const params = z.strictObject({
  headerName: headerNameParam.default(defaultHeader).meta({
    description: "Request header that names the profile, case-insensitive.",
  }),
  defaultProfile: z.string().trim().default(defaultProfileName).meta({
    description: "The profile of requests without the header.",
  }),
});

/** Runs the one profile that the request names. */
export const headerProfileHandler = profileHandlerPlugin({
  type,
  summary:
    "Runs the profile named in the header `headerName`, or `defaultProfile` if the header is missing. If there is only one profile, it runs whatever the header says. An unknown name is refused with 429, as in the peer. For a coordinator that sends a request per stage. Clients could choose too: let the gateway set or remove the header.",
  params,
  create: (given, { name }) => {
    const headerName = given.headerName || defaultHeader;
    const defaultProfile = given.defaultProfile || defaultProfileName;
    return {
      next: (context, profileNames, profilesRun) => {
        if (profilesRun.length > 0) return undefined;
        if (profileNames.length === 1) return profileNames[0];
        return recalled(context, name, () => {
          const named = context.request.head.headers.get(headerName)?.trim() || defaultProfile;
          return profileNames.includes(named) ? named : undefined;
        });
      },
      primary: (profilesRun) => profilesRun[0],
      mistakeIn: (profileNames) =>
        profileNames.length === 1 || profileNames.includes(defaultProfile)
          ? undefined
          : `${type} needs the scheduling profile ${defaultProfile} for requests without the header; there are: ${profileNames.join(", ") || "none"}`,
    };
  },
});
