import type { FileDiscoveryOptions } from "./control-plane/discovery/file/file-discovery.ts";
import type { EngineChoice } from "./control-plane/signals/scrape/engines/registry.ts";
import type { ScrapeSource } from "./control-plane/signals/scrape/plugins.ts";
import type { HealthSettings } from "./core/health-settings.ts";
import type { SignalSettings } from "./core/signal-settings.ts";
import { createModelRewrite, type ModelRewrite } from "./data-plane/model-rewrite.ts";
import { createRequestReader, type RequestReader } from "./data-plane/parsing/request-reader.ts";
import { buildGraph, type GraphDeps } from "./data-plane/scheduling/build-graph.ts";
import type { SchedulingGraph } from "./data-plane/scheduling/scheduler.ts";
import type { GatewayConfig } from "./plugins.ts";

/** What a configuration builds. */
export interface Configured {
  readonly graph: SchedulingGraph;
  readonly reader: RequestReader;
  readonly rewriteModel: ModelRewrite;
  /** Priorities by the name of their objective. */
  readonly priorities: ReadonlyMap<string, number>;
  readonly hasDebugHeader: boolean;
  readonly discovery: FileDiscoveryOptions | undefined;
  readonly signals: SignalSettings;
  readonly health: HealthSettings;
  readonly scrapeSource: ScrapeSource | undefined;
  readonly engines: EngineChoice | undefined;
  /** What `engines` was made of, to tell whether a change concerns it. */
  readonly engineParameters: unknown;
}

export type ConfiguredResult =
  | { readonly kind: "built"; readonly configured: Configured }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Builds everything of a configuration that has been loaded without a mistake. */
export function buildConfigured(config: GatewayConfig, deps: GraphDeps): ConfiguredResult {
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
  const parsers = config.parsers.flatMap((use) =>
    use.family === "parser" ? [use.loaded.build({})] : [],
  );
  const rewriteModel = createModelRewrite(config.modelRewrites, deps.random);
  return {
    kind: "built",
    configured: {
      graph: result.graph,
      reader: createRequestReader(parsers, {
        suppliesModel: (head) => rewriteModel(head, "") !== "",
      }),
      rewriteModel,
      priorities: new Map(config.objectives.map(({ name, priority }) => [name, priority])),
      hasDebugHeader: config.hasDebugHeader,
      discovery: discoveryOf(config),
      signals: config.signals,
      health: config.health,
      scrapeSource: scrapeSourceOf(config),
      ...enginesOf(config),
    },
  };
}

function discoveryOf({ discovery }: GatewayConfig): FileDiscoveryOptions | undefined {
  return discovery?.family === "discovery" ? discovery.loaded.build({}) : undefined;
}

/** The first one counts, also where no `dataLayer.sources` refers to it: so the peer's charts do. */
function scrapeSourceOf({ plugins }: GatewayConfig): ScrapeSource | undefined {
  for (const use of plugins.values()) {
    if (use.family === "metrics-source") return use.loaded.build({});
  }
  return undefined;
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
