import type { HealthCheckSettings, HealthSettings } from "./health-settings.ts";
import type { DataKind, LoadedPlugin, Plugin } from "./plugin.ts";
import type { RewriteRule } from "./policies.ts";
import type { SignalSettings } from "./signal-settings.ts";

/** Who asked for a plugin: the document, the rules that complete one, or a plugin that needs it. */
export type PluginOrigin = "declared" | "injected" | "auto-created";

/** A plugin that a plan uses: a plugin type under a name, its parameters accepted. */
export interface PluginUse<Instance = unknown, Deps = never> {
  readonly name: string;
  readonly plugin: Plugin<Instance, Deps>;
  /** What `plugin.load` gave. */
  readonly loaded: LoadedPlugin<Instance, Deps>;
  readonly origin: PluginOrigin;
}

/** Whether it is a use of one of these plugins; what it builds is known then, since `loaded` comes from its plugin. */
export function isUseOf<Instance, Deps>(
  plugins: readonly Plugin<Instance, Deps>[],
  use: PluginUse,
): use is PluginUse<Instance, Deps> {
  return plugins.some((plugin) => plugin === use.plugin);
}

/** Those that are uses of one of these plugins. */
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

/** A data source and the extractors that read what it brings. */
export interface PlannedSource {
  readonly source: PluginUse;
  readonly extractors: readonly PluginUse[];
}

/** A document that was checked and completed: every reference resolved and every default in place. */
export interface Plan {
  readonly apiVersion: string;
  readonly featureGates: ReadonlyMap<string, boolean>;
  /** By name: those the document declares, those that complete it, those that others need. */
  readonly plugins: ReadonlyMap<string, PluginUse>;
  /** The same, each after those it needs. */
  readonly buildOrder: readonly PluginUse[];
  readonly profiles: readonly PlannedProfile[];
  /** Name of the profile handler. */
  readonly handler: string;
  /** Name of the saturation detector. */
  readonly detector: string;
  readonly parsers: readonly PluginUse[];
  readonly sources: readonly PlannedSource[];
  readonly discovery: PluginUse | undefined;
  readonly objectives: readonly { readonly name: string; readonly priority: number }[];
  readonly modelRewrites: readonly RewriteRule[];
  /** Whether a client may ask for the id of its decision's record. */
  readonly hasDebugHeader: boolean;
  readonly signals: SignalSettings;
  readonly health: HealthSettings;
  /** Undefined if endpoints are not checked actively. */
  readonly healthCheck: HealthCheckSettings | undefined;
  /** Sections as written, with their defaults; `flowControl` takes effect once flow control is built. */
  readonly written: Readonly<
    Record<"flowControl" | "signals" | "health", object | null | undefined>
  >;
  /** The producer that a plugin reads if it names none. */
  readonly producerOf: (data: DataKind) => string;
  /** What is accepted and may not be what the author meant. */
  readonly warnings: readonly string[];
}
