import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";

const params = z.strictObject({
  prefillProfile: z.string().default("prefill").meta({
    description: "Accepted but has no effect: the profile handler knows its profiles.",
  }),
  encodeProfile: z.string().default("encode").meta({
    description: "Accepted but has no effect: the profile handler knows its profiles.",
  }),
});

/** Does nothing: the profile handlers set the headers themselves. */
export const disaggHeadersHandler = dataPlanePlugin({
  type: "disagg-headers-handler",
  aliases: ["prefill-header-handler"],
  kinds: ["response-handler"],
  summary:
    "Has no effect; accepted for existing documents. `disagg-profile-handler` and `pd-profile-handler` set `x-prefiller-host-port` and `x-encoder-hosts-ports` themselves. Omit it from new documents.",
  params,
  create: () => ({}),
});
