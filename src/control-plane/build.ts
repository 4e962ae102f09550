import type { HealthSettings } from "../core/health-settings.ts";
import { isUseOf, type Plan, type PlannedSource, type PluginUse, usesOf } from "../core/plan.ts";
import type { TrustSettings } from "../core/signal-settings.ts";
import type { DnsDiscoveryOptions } from "./discovery/dns/dns-discovery.ts";
import { dnsDiscoveryPlugin } from "./discovery/dns/plugin.ts";
import type { FileDiscoveryOptions } from "./discovery/file/file-discovery.ts";
import { fileDiscoveryPlugin } from "./discovery/file/plugin.ts";
import { metricsExtractorPlugin } from "./signals/scrape/extractor-plugin.ts";
import {
  dcgmExtractorPlugin,
  dcgmSourcePlugin,
  modelsExtractorPlugin,
  modelsSourcePlugin,
  probeSettingsOf,
  type ProbeUse,
} from "./signals/scrape/probes/probe-plugins.ts";
import type { ProbeSettings } from "./signals/scrape/probes/probe-settings.ts";
import type { ScrapePlan } from "./signals/scrape/scrape-settings.ts";
import { metricsSourcePlugin } from "./signals/scrape/source-plugin.ts";

/** A source of endpoints that the document or the command line names. */
export type DiscoveryOptions =
  | ({ readonly kind: "file" } & FileDiscoveryOptions)
  | ({ readonly kind: "dns" } & DnsDiscoveryOptions);

/**
 * The control plane's part of a build: the source of endpoints, and the settings of scraping, trust
 * and health.
 */
export interface ControlPlaneBuild {
  /** Undefined if the pool comes from a cluster, or if no pool is configured. */
  readonly discovery: DiscoveryOptions | undefined;
  readonly scrape: ScrapePlan;
  readonly trust: TrustSettings;
  readonly health: HealthSettings;
  /** Signals of engines that plugins read, each with the names of those plugins. */
  readonly signalNeeds: ReadonlyMap<string, readonly string[]>;
  /** True if endpoints are asked for the models that they serve. */
  readonly listsModels: boolean;
  /** True if a request for a model that no endpoint lists is refused. */
  readonly refusesUnknownModels: boolean;
  /** True if a request that names no model although its API needs one is refused. */
  readonly refusesNameless: boolean;
}

export type ControlPlaneResult =
  | { readonly kind: "built"; readonly build: ControlPlaneBuild }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Settings that a command adds to every document. */
export interface CommandSettings {
  /** Endpoints of the command line; a document may then name no source of endpoints. */
  readonly discovery?: DiscoveryOptions | undefined;
  /** True to ask endpoints for their models and to refuse unknown ones, even if the document does not say so. */
  readonly needsModels?: boolean;
}

/** Builds the control plane's settings from a plan; starts nothing. */
export function buildControlPlane(
  plan: Plan,
  { discovery: given, needsModels = false }: CommandSettings = {},
): ControlPlaneResult {
  const { probes, uses, mistakes } = probesOf(plan.sources);
  if (given !== undefined && plan.discovery !== undefined) {
    mistakes.push("dataLayer.discovery: the command line gives the endpoints");
  }
  if (mistakes.length > 0) return { kind: "invalid", mistakes };
  const { discovery, healthCheck, signals, health } = plan;
  const plugins = [...plan.plugins.values()];
  // The first one counts, even if `dataLayer.sources` does not refer to it; the charts of
  // llm-d-router rely on that.
  const [source] = usesOf([metricsSourcePlugin], plugins);
  const [extractor] = usesOf([metricsExtractorPlugin], plugins);
  const modelLists = uses.filter((use) => use.kind === "models");
  const addsModels = needsModels && modelLists.length === 0;
  return {
    kind: "built",
    build: {
      discovery: given ?? (discovery && discoveryOf(discovery)),
      scrape: {
        source: source?.loaded.build({}),
        engines: extractor?.loaded.build({ name: extractor.name }),
        probes: addsModels ? [...probes, ...usualModelProbe()] : probes,
        healthCheck,
        signals,
      },
      trust: signals.trust,
      health,
      signalNeeds: signalNeedsOf(plan.buildOrder),
      listsModels: addsModels || modelLists.length > 0,
      refusesUnknownModels: addsModels || modelLists.some((use) => use.refusesUnknownModels),
      refusesNameless: modelLists.some((use) => use.refusesUnknownModels),
    },
  };
}

function discoveryOf(use: PluginUse): DiscoveryOptions | undefined {
  if (isUseOf([fileDiscoveryPlugin], use)) return { kind: "file", ...use.loaded.build({}) };
  if (isUseOf([dnsDiscoveryPlugin], use)) return { kind: "dns", ...use.loaded.build({}) };
  return undefined;
}

const probeSourcePlugins = [modelsSourcePlugin, dcgmSourcePlugin];

/**
 * Readings of endpoints other than their metrics: each source with the use that its extractors make
 * of it.
 */
function probesOf(sources: readonly PlannedSource[]) {
  const probes: ProbeSettings[] = [];
  const uses: ProbeUse[] = [];
  const mistakes: string[] = [];
  for (const [index, { source, extractors }] of sources.entries()) {
    if (!isUseOf(probeSourcePlugins, source)) continue;
    const feed = source.loaded.build({});
    for (const [position, extractor] of extractors.entries()) {
      const use = probeUseOf(extractor);
      const probe = use && probeSettingsOf(feed, use);
      if (use === undefined || probe === undefined) {
        const path = `dataLayer.sources[${index}].extractors[${position}].pluginRef`;
        mistakes.push(`${path}: ${extractor.name} cannot read the data of ${source.name}`);
      } else {
        probes.push(probe);
        uses.push(use);
      }
    }
  }
  return { probes, uses, mistakes };
}

/** The list of models, read as a document without parameters asks for it. */
function usualModelProbe(): readonly ProbeSettings[] {
  const [source, extractor] = [modelsSourcePlugin.load({}), modelsExtractorPlugin.load({})];
  if (source.kind === "invalid" || extractor.kind === "invalid") return [];
  const probe = probeSettingsOf(source.build({}), extractor.build({ name: "models" }));
  return probe === undefined ? [] : [probe];
}

function probeUseOf(extractor: PluginUse): ProbeUse | undefined {
  const { name } = extractor;
  if (isUseOf([modelsExtractorPlugin], extractor)) return extractor.loaded.build({ name });
  if (isUseOf([dcgmExtractorPlugin], extractor)) return extractor.loaded.build({ name });
  return undefined;
}

function signalNeedsOf(buildOrder: readonly PluginUse[]): ReadonlyMap<string, readonly string[]> {
  const needs = new Map<string, readonly string[]>();
  for (const { name, loaded } of buildOrder) {
    for (const signal of loaded.signals ?? []) {
      needs.set(signal, [...(needs.get(signal) ?? []), name]);
    }
  }
  return needs;
}
