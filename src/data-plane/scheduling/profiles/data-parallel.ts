import { z } from "zod";
import { profileHandlerPlugin } from "../../../core/data-plane-plugin.ts";
import { oneProfile } from "../shared/one-profile.ts";
import { dispatchToRank } from "../shared/stages.ts";

const type = "data-parallel-profile-handler";

const params = z.strictObject({
  primaryPort: z.int().min(1).max(65_535).default(8_000).meta({
    description: "Port that requests for all ranks of an address are sent to.",
    unit: "port",
  }),
});

/** Runs the only profile and sends the request to the first port of the chosen address. */
export const dataParallelProfileHandler = profileHandlerPlugin({
  type,
  summary:
    "Runs the only profile. The request goes to `primaryPort` of the chosen address, and `x-data-parallel-host-port` names the chosen endpoint, a data-parallel rank of the engine. For gateways that can reach only one port of a pod (Istio before 1.28.1); with others, `single-profile-handler` reaches each rank directly.",
  params,
  create: ({ primaryPort }) => ({
    ...oneProfile(type),
    dispatch: (_context, endpoint) => dispatchToRank(endpoint, primaryPort),
  }),
});
