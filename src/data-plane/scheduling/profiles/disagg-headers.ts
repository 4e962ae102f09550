import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";

const params = z.strictObject({
  prefillProfile: z.string().default("prefill").meta({
    description: "Accepted; the profile handler knows its profiles.",
  }),
  encodeProfile: z.string().default("encode").meta({
    description: "Accepted; the profile handler knows its profiles.",
  }),
});

/** Nothing: the profile handlers set the headers themselves. */
export const disaggHeadersHandler = dataPlanePlugin({
  type: "disagg-headers-handler",
  aliases: ["prefill-header-handler"],
  kinds: ["response-handler"],
  summary:
    "Does nothing and is accepted for documents in use: `disagg-profile-handler` and `pd-profile-handler` set `x-prefiller-host-port` and `x-encoder-hosts-ports` themselves. Leave it out of new documents.",
  params,
  create: () => ({}),
});
