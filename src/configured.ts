import type { FileDiscoveryOptions } from "./control-plane/discovery/file/file-discovery.ts";
import type { ScrapeSource } from "./control-plane/signals/scrape/plugins.ts";
import { buildGraph } from "./data-plane/scheduling/build-graph.ts";
import type { SchedulingPlugin } from "./data-plane/scheduling/plugin.ts";
import type { SchedulingGraph } from "./data-plane/scheduling/scheduler.ts";
import type { ConfiguredPlugin } from "./operator/config/load-config.ts";
import type { GatewayConfig, Plugin } from "./plugins.ts";
import type { Random } from "./std/random.ts";

/** What a configuration builds. */
export interface Configured {
  readonly graph: SchedulingGraph;
  readonly discovery: FileDiscoveryOptions | undefined;
  readonly scrapeSource: ScrapeSource | undefined;
}

export type ConfiguredResult =
  | { readonly kind: "built"; readonly configured: Configured }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Builds every plugin of a configuration that has been loaded without a mistake. */
export function buildConfigured(config: GatewayConfig, random: Random): ConfiguredResult {
  const uses = [...config.plugins.values()];
  const handler = uses.filter(isScheduling).find(({ plugin }) => plugin.kind === "profile-handler");
  if (handler === undefined) return { kind: "invalid", mistakes: ["there is no profile handler"] };

  const profiles = config.profiles.map(({ name, plugins }) => ({
    name,
    plugins: plugins.flatMap(({ use, weight }) => (isScheduling(use) ? [{ use, weight }] : [])),
  }));
  const result = buildGraph({ handler, profiles }, { random });
  if (result.kind === "invalid") return result;
  return {
    kind: "built",
    configured: {
      graph: result.graph,
      discovery: config.discovery && discoveryOf(config.discovery),
      scrapeSource: uses.map(scrapeSourceOf).find((source) => source !== undefined),
    },
  };
}

function isScheduling(
  use: ConfiguredPlugin<Plugin>,
): use is ConfiguredPlugin<Plugin & SchedulingPlugin> {
  return ["filter", "scorer", "picker", "profile-handler"].includes(use.plugin.kind);
}

function discoveryOf({
  plugin,
  parameters,
}: ConfiguredPlugin<Plugin>): FileDiscoveryOptions | undefined {
  if (plugin.kind !== "discovery") return undefined;
  const loaded = plugin.load(parameters);
  return loaded.kind === "loaded" ? loaded.build({}) : undefined;
}

function scrapeSourceOf({
  plugin,
  parameters,
}: ConfiguredPlugin<Plugin>): ScrapeSource | undefined {
  if (plugin.kind !== "data-source") return undefined;
  const loaded = plugin.load(parameters);
  return loaded.kind === "loaded" ? loaded.build({}) : undefined;
}
