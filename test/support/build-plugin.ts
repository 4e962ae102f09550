import type { PluginNeed } from "../../src/core/plugin.ts";
import type {
  Capabilities,
  DataPlanePlugin,
  Filter,
  PluginDeps,
  ProfileHandler,
  RequestHooks,
  Scorer,
} from "../../src/core/data-plane-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";

/** Builds a plugin from parameters as a document gives them; throws where they are refused. */
export function buildPlugin(
  plugin: DataPlanePlugin,
  parameters: unknown = {},
  deps: PluginDeps = pluginDeps(),
): Capabilities {
  const loaded = plugin.load(parameters);
  if (loaded.kind === "loaded") return loaded.build(deps);
  throw new Error(loaded.mistakes.map(({ message }) => message).join("; "));
}

/** The same for a plugin that scores. */
export function buildScorer(
  plugin: DataPlanePlugin,
  parameters: unknown = {},
  deps: PluginDeps = pluginDeps(),
): Scorer {
  const { scorer } = buildPlugin(plugin, parameters, deps);
  if (scorer === undefined) throw new Error(`${plugin.type} does not score`);
  return scorer;
}

/** The same for a plugin that also follows requests. */
export function buildWithHooks(
  plugin: DataPlanePlugin,
  parameters: unknown = {},
  deps: PluginDeps = pluginDeps(),
): { readonly scorer: Scorer; readonly hooks: RequestHooks } {
  const { scorer, hooks } = buildPlugin(plugin, parameters, deps);
  if (scorer === undefined || hooks === undefined) throw new Error(`${plugin.type} lacks a part`);
  return { scorer, hooks };
}

/** The same for a plugin that filters. */
export function buildFilter(
  plugin: DataPlanePlugin,
  parameters: unknown = {},
  deps: PluginDeps = pluginDeps(),
): Filter {
  const { filter } = buildPlugin(plugin, parameters, deps);
  if (filter === undefined) throw new Error(`${plugin.type} does not filter`);
  return filter;
}

/** The same for a profile handler. */
export function buildHandler(
  plugin: DataPlanePlugin,
  parameters: unknown = {},
  deps: PluginDeps = pluginDeps(),
): ProfileHandler {
  const { handler } = buildPlugin(plugin, parameters, deps);
  if (handler === undefined) throw new Error(`${plugin.type} handles no profiles`);
  return handler;
}

/** `path: message` of everything that is wrong with parameters. */
export function mistakesIn(plugin: DataPlanePlugin, parameters: unknown): readonly string[] {
  const loaded = plugin.load(parameters);
  if (loaded.kind === "loaded") return [];
  return loaded.mistakes.map(({ path, message }) => `${path.map(String).join(".")}: ${message}`);
}

/** What a plugin with these parameters needs of others. */
export function needsOf(plugin: DataPlanePlugin, parameters: unknown): readonly PluginNeed[] {
  const loaded = plugin.load(parameters);
  if (loaded.kind === "loaded") return loaded.needs;
  throw new Error(loaded.mistakes.map(({ message }) => message).join("; "));
}
