import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import { durationMsOf, parseDurationMs } from "../../../std/quantities.ts";
import type { DnsDiscoveryOptions } from "./dns-discovery.ts";
import { readEndpointAddress } from "./endpoint-address.ts";

const params = z.strictObject({
  endpoints: z
    .array(
      z.string().superRefine((text, context) => {
        const read = readEndpointAddress(text);
        if (read.kind === "invalid") context.addIssue(read.mistake);
      }),
    )
    .min(1)
    .meta({
      description:
        "Engines, each as `http://HOST:PORT` or `https://HOST:PORT`, or `srv://NAME` (`https+srv://NAME`) for the hosts and ports of a name's SRV records. A host with several addresses is several endpoints.",
    }),
  refreshInterval: z
    .string()
    .refine((text) => (parseDurationMs(text) ?? 0) >= 100, "want a duration of 100ms or more")
    .default("5s")
    .meta({
      unit: "duration",
      description: "Interval between two looks at the names.",
      tune: "Lower it if endpoints come and go fast.",
    }),
});

/** Takes the pool from names of DNS. */
export const dnsDiscoveryPlugin = declared({
  kinds: ["discovery"],
  type: "dns-discovery",
  isOwn: true,
  summary:
    "Takes the endpoints from a list of hosts, which are resolved again and again (A, AAAA and SRV records, and `/etc/hosts`). Of a host with IPv4 and IPv6 addresses, those of IPv4 count. An endpoint stays while its name cannot be resolved, and leaves if the name does not exist three times in a row.",
  params,
  create: ({ endpoints, refreshInterval }): DnsDiscoveryOptions => ({
    addresses: endpoints,
    intervalMs: durationMsOf(refreshInterval),
  }),
});
