import { UsageError } from "../command.ts";
import { type AskOptions, jsonIn, textAt } from "./ask.ts";
import { envoyConfigIn } from "./envoy-config-dump.ts";
import type { EnvoyFacts } from "./judge-envoy.ts";

/** Counters of requests that a cluster refused because of its limits, and the gauge of one that is at its limit now. */
const overflowFilter = "upstream_rq_(active|pending)_overflow|circuit_breakers.default.rq_open";
const overflowLine =
  /^cluster\.(.+)\.(?:upstream_rq_(?:active|pending)_overflow|circuit_breakers\.default\.rq_open): [1-9]\d*$/gmu;

/** Bytes of a dump; that of a gateway with thousands of routes has tens of megabytes. */
const bodyBytesMax = 128 * 2 ** 20;

/** Asks the admin port of an Envoy; rejects with a `UsageError` if it cannot be asked. */
export async function examineEnvoy(admin: URL, options: AskOptions): Promise<EnvoyFacts> {
  const dump = await pageAt(new URL("/config_dump", admin), options);
  const config = envoyConfigIn(jsonIn(dump));
  if (config === undefined) throw new UsageError([`${admin.href}: not the admin port of an Envoy`]);
  const filter = encodeURIComponent(overflowFilter);
  const stats = await pageAt(new URL(`/stats?filter=${filter}`, admin), options);
  const full = [...stats.matchAll(overflowLine)].map(([, cluster = ""]) => cluster);
  return { url: admin.origin, config, fullClusters: new Set(full) };
}

async function pageAt(url: URL, options: AskOptions): Promise<string> {
  const asked = await textAt(url, { ...options, bodyBytesMax });
  if (asked.kind === "failed") throw new UsageError([`${url.href}: ${asked.reason}`]);
  if (asked.status !== 200) throw new UsageError([`${url.href}: status ${asked.status}`]);
  return asked.text;
}
