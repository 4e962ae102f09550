import type { FileDiscoveryOptions } from "../control-plane/discovery/file/file-discovery.ts";
import type { EngineChoice } from "../control-plane/signals/scrape/engines/registry.ts";
import type { ScrapeSource } from "../control-plane/signals/scrape/source-plugin.ts";
import { sideSourceOf, type SideUse } from "../control-plane/signals/scrape/probes/side-plugins.ts";
import type { SideSource } from "../control-plane/signals/scrape/probes/side-source.ts";
import type { HealthCheckSettings, HealthSettings } from "../core/health-settings.ts";
import type { PolicyView, RewriteRule } from "../core/policies.ts";
import type { RequestHead } from "../core/request.ts";
import type { SignalSettings } from "../core/signal-settings.ts";
import {
  createModelRewrite,
  type ModelRewrite,
  targetHeaderOf,
} from "../data-plane/model-rewrite.ts";
import { createRequestReader, type RequestReader } from "../data-plane/parsing/request-reader.ts";
import { buildGraph, type GraphDeps } from "../data-plane/scheduling/build-graph.ts";
import type { SchedulingGraph } from "../data-plane/scheduling/scheduler.ts";
import type { GatewayConfig } from "./plugins.ts";

/** What a configuration builds. */
export interface Configured {
  readonly graph: SchedulingGraph;
  readonly reader: RequestReader;
  readonly rewriteModel: ModelRewrite;
  /** True if anything uses the model of this request: a rewrite, a filter or a scorer. */
  readonly usesModel: (head: RequestHead) => boolean;
  /** The rules it goes by, those of the cluster among them; the same array until they change. */
  readonly rewriteRules: () => readonly RewriteRule[];
  /** The priority of an objective; undefined for one that nobody has named. */
  readonly priorityOf: (objective: string) => number | undefined;
  readonly hasDebugHeader: boolean;
  readonly discovery: FileDiscoveryOptions | undefined;
  /** What is read of endpoints beside their metrics. */
  readonly sides: readonly SideSource[];
  /** Whether a request for a model that no endpoint lists is refused. */
  readonly refusesUnknownModels: boolean;
  readonly signals: SignalSettings;
  readonly health: HealthSettings;
  /** How endpoints are asked whether they are well; undefined where they are not. */
  readonly healthCheck: HealthCheckSettings | undefined;
  /** Signals of engines that its plugins read, each with the plugins' names. */
  readonly signalNeeds: ReadonlyMap<string, readonly string[]>;
  readonly scrapeSource: ScrapeSource | undefined;
  readonly engines: EngineChoice | undefined;
  /** What `engines` was made of, to tell whether a change concerns it. */
  readonly engineParameters: unknown;
}

export type ConfiguredResult =
  | { readonly kind: "built"; readonly configured: Configured }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

interface ConfiguredDeps extends GraphDeps {
  readonly policies: PolicyView | undefined;
}

/** Builds everything of a configuration that has been loaded without a mistake. */
export function buildConfigured(config: GatewayConfig, deps: ConfiguredDeps): ConfiguredResult {
  const result = buildGraph(
    {
      plugins: config.buildOrder.flatMap((use) =>
        use.family === "data-plane"
          ? [
              {
                name: use.name,
                kinds: use.plugin.kinds,
                produces: use.plugin.produces,
                loaded: use.loaded,
              },
            ]
          : [],
      ),
      handler: config.handler,
      detector: config.detector,
      profiles: config.profiles.map(({ name, plugins }) => ({
        name,
        plugins: plugins.map(({ use, weight }) => ({ name: use.name, weight })),
      })),
      producerOf: config.producerOf,
    },
    deps,
  );
  if (result.kind === "invalid") return result;
  const sides = sidesOf(config);
  if (sides.mistakes.length > 0) return { kind: "invalid", mistakes: sides.mistakes };
  const models = modelsOf(config, sides.uses, deps);
  return {
    kind: "built",
    configured: {
      graph: result.graph,
      ...models,
      priorityOf: priorityOf(config, deps.policies),
      hasDebugHeader: config.hasDebugHeader,
      discovery: discoveryOf(config),
      sides: sides.sources,
      signals: config.signals,
      health: config.health,
      healthCheck: config.healthCheck,
      signalNeeds: signalNeedsOf(config),
      scrapeSource: scrapeSourceOf(config),
      ...enginesOf(config),
    },
  };
}

/** Parts of the configuration that use the model of a request. */
function modelsOf(
  config: GatewayConfig,
  uses: readonly SideUse[],
  { policies, random }: ConfiguredDeps,
): Pick<
  Configured,
  "reader" | "rewriteModel" | "rewriteRules" | "usesModel" | "refusesUnknownModels"
> {
  const rewriteRules = rewriteRulesOf(config, policies);
  const rewriteModel = createModelRewrite(rewriteRules, random);
  const lists = uses.filter((use) => use.kind === "models");
  const refusesUnknownModels = lists.some((use) => use.refusesUnknownModels);
  const areModelsRead =
    lists.length > 0 || [...config.plugins.values()].some(({ plugin }) => plugin.readsModel);
  const usesModel = (head: RequestHead) =>
    areModelsRead || rewriteRules().length > 0 || targetHeaderOf(head) !== undefined;
  const parsers = config.parsers.flatMap((use) =>
    use.family === "parser" ? [use.loaded.build({})] : [],
  );
  const reader = createRequestReader(parsers, {
    refusesNameless: (head) => refusesUnknownModels && rewriteModel(head, "") === "",
    usesModel,
  });
  return { reader, rewriteModel, rewriteRules, usesModel, refusesUnknownModels };
}

function priorityOf({ objectives }: GatewayConfig, policies: PolicyView | undefined) {
  const own = new Map(objectives.map(({ name, priority }) => [name, priority]));
  return (objective: string) => policies?.priorityOf(objective) ?? own.get(objective);
}

/** Rules of the cluster come before those of the document. */
function rewriteRulesOf({ modelRewrites }: GatewayConfig, policies: PolicyView | undefined) {
  if (policies === undefined) return () => modelRewrites;
  let ofCluster: readonly RewriteRule[] | undefined;
  let rules: readonly RewriteRule[] = modelRewrites;
  return () => {
    if (policies.rewriteRules !== ofCluster) {
      ofCluster = policies.rewriteRules;
      rules = [...ofCluster, ...modelRewrites];
    }
    return rules;
  };
}

function discoveryOf({ discovery }: GatewayConfig): FileDiscoveryOptions | undefined {
  return discovery?.family === "discovery" ? discovery.loaded.build({}) : undefined;
}

/** Sources beside the metrics, each with what is made of it. */
function sidesOf(config: GatewayConfig) {
  const sources: SideSource[] = [];
  const uses: SideUse[] = [];
  const mistakes: string[] = [];
  for (const [index, { source, extractors }] of config.sources.entries()) {
    if (source.family !== "side-source") continue;
    const feed = source.loaded.build({});
    for (const [position, extractor] of extractors.entries()) {
      const use =
        extractor.family === "side-extractor"
          ? extractor.loaded.build({ name: extractor.name })
          : undefined;
      const side = use && sideSourceOf(feed, use);
      if (use === undefined || side === undefined) {
        const path = `dataLayer.sources[${index}].extractors[${position}].pluginRef`;
        mistakes.push(`${path}: ${extractor.name} makes nothing of what ${source.name} brings`);
      } else {
        sources.push(side);
        uses.push(use);
      }
    }
  }
  return { sources, uses, mistakes };
}

/** The first one counts, also where no `dataLayer.sources` refers to it: so the peer's charts do. */
function scrapeSourceOf({ plugins }: GatewayConfig): ScrapeSource | undefined {
  for (const use of plugins.values()) {
    if (use.family === "metrics-source") return use.loaded.build({});
  }
  return undefined;
}

function signalNeedsOf({ buildOrder }: GatewayConfig): ReadonlyMap<string, readonly string[]> {
  const needs = new Map<string, readonly string[]>();
  for (const { name, loaded } of buildOrder) {
    for (const signal of loaded.signals ?? []) {
      needs.set(signal, [...(needs.get(signal) ?? []), name]);
    }
  }
  return needs;
}

function enginesOf({ plugins }: GatewayConfig): Pick<Configured, "engines" | "engineParameters"> {
  for (const use of plugins.values()) {
    if (use.family !== "metrics-extractor") continue;
    return {
      engines: use.loaded.build({ name: use.name }),
      engineParameters: use.loaded.parameters,
    };
  }
  return { engines: undefined, engineParameters: undefined };
}
