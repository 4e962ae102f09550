import type { FlowControlPlan } from "./flow-control.ts";
import type { HealthCheckSettings, HealthSettings } from "./health-settings.ts";
import type { DataKind, LoadedPlugin, Plugin } from "./plugin.ts";
import type { RewriteRule } from "./policies.ts";
import type { RolloutSettings } from "./rollout-settings.ts";
import type { SignalSettings } from "./signal-settings.ts";

/** Origin of a plugin: the document, the rules that complete a document, or a plugin that needs it. */
export type PluginOrigin = "declared" | "injected" | "auto-created";

/** A plugin that a plan uses: a plugin type under a name, its parameters accepted. */
export interface PluginUse<Instance = unknown, Deps = never> {
  readonly name: string;
  readonly plugin: Plugin<Instance, Deps>;
  /** Result of `plugin.load`. */
  readonly loaded: LoadedPlugin<Instance, Deps>;
  readonly origin: PluginOrigin;
}

/**
 * True if it uses one of these plugins; the type of its instance is then known, because `loaded` comes from its plugin.
 */
export function isUseOf<Instance, Deps>(
  plugins: readonly Plugin<Instance, Deps>[],
  use: PluginUse,
): use is PluginUse<Instance, Deps> {
  return plugins.some((plugin) => plugin === use.plugin);
}

/** The uses of these plugins. */
export function usesOf<Instance, Deps>(
  plugins: readonly Plugin<Instance, Deps>[],
  uses: Iterable<PluginUse>,
): PluginUse<Instance, Deps>[] {
  return [...uses].filter((use) => isUseOf(plugins, use));
}

/** A profile with its references resolved. */
export interface PlannedProfile {
  readonly name: string;
  readonly plugins: readonly { readonly use: PluginUse; readonly weight: number }[];
}

/** A data source and the extractors that read its data. */
export interface PlannedSource {
  readonly source: PluginUse;
  readonly extractors: readonly PluginUse[];
}

/** A document that was checked and completed: every reference resolved and every default in place. */
export interface Plan {
  readonly apiVersion: string;
  readonly featureGates: ReadonlyMap<string, boolean>;
  /** By name: plugins that the document declares, that complete it, or that other plugins need. */
  readonly plugins: ReadonlyMap<string, PluginUse>;
  /** The same plugins, each after those it needs. */
  readonly buildOrder: readonly PluginUse[];
  readonly profiles: readonly PlannedProfile[];
  /** Name of the profile handler. */
  readonly handler: string;
  /** Name of the saturation detector. */
  readonly detector: string;
  /** Settings of the queue; undefined if flow control is off. */
  readonly flowControl: FlowControlPlan | undefined;
  readonly parsers: readonly PluginUse[];
  readonly sources: readonly PlannedSource[];
  readonly discovery: PluginUse | undefined;
  readonly objectives: readonly { readonly name: string; readonly priority: number }[];
  readonly modelRewrites: readonly RewriteRule[];
  /** True if a client may ask for the id of its decision record. */
  readonly hasDebugHeader: boolean;
  readonly signals: SignalSettings;
  readonly health: HealthSettings;
  /** Undefined if endpoints are not checked actively. */
  readonly healthCheck: HealthCheckSettings | undefined;
  /** CPU budget of comparing this document with the one in force, as a share of a core. */
  readonly shadowCpuBudgetRatio: number;
  /** Undefined if this document takes over no requests as a shadow document. */
  readonly rollout: RolloutSettings | undefined;
  /** Sections as written, with their defaults. */
  readonly written: Readonly<
    Record<"flowControl" | "signals" | "health" | "shadow" | "rollout", object | null | undefined>
  >;
  /** Name of the producer that a plugin reads if it names none. */
  readonly producerOf: (data: DataKind) => string;
  /** Settings that are accepted but may not be what the author meant. */
  readonly warnings: readonly string[];
}
