import type { Filter, Picker, PluginDeps, ProfileHandler, SchedulingPlugin } from "./plugin.ts";
import type { SchedulingProfile, WeightedScorer } from "./profile.ts";
import type { SchedulingGraph } from "./scheduler.ts";

/** A plugin that a configuration names; its parameters have been accepted before. */
interface Use {
  readonly name: string;
  readonly plugin: SchedulingPlugin;
  readonly parameters: unknown;
}

/** The scheduling part of a configuration, as it comes from the loader. */
export interface GraphSpec {
  readonly handler: Use;
  readonly profiles: readonly {
    readonly name: string;
    readonly plugins: readonly { readonly use: Use; readonly weight: number }[];
  }[];
}

export type GraphResult =
  | { readonly kind: "built"; readonly graph: SchedulingGraph }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Builds every plugin once, however many profiles use it. */
export function buildGraph(spec: GraphSpec, deps: PluginDeps): GraphResult {
  const instances = new Map<string, Built>();
  const instanceOf = (use: Use): Built => {
    const existing = instances.get(use.name);
    if (existing !== undefined) return existing;
    const built = build(use, deps);
    instances.set(use.name, built);
    return built;
  };

  const profiles = new Map<string, SchedulingProfile>();
  const mistakes: string[] = [];
  for (const { name, plugins } of spec.profiles) {
    const profile = profileOf(
      name,
      plugins.map(({ use, weight }) => ({ built: instanceOf(use), weight })),
    );
    if (profile === undefined) mistakes.push(`schedulingProfiles: ${name} has no picker`);
    else profiles.set(name, profile);
  }
  const handler = instanceOf(spec.handler);
  if (handler.kind !== "profile-handler") {
    return { kind: "invalid", mistakes: [`${spec.handler.name} is not a profile handler`] };
  }
  const mistake = handler.instance.mistakeIn(spec.profiles.map(({ name }) => name));
  if (mistake !== undefined) mistakes.push(`schedulingProfiles: ${mistake}`);
  if (mistakes.length > 0) return { kind: "invalid", mistakes };
  return { kind: "built", graph: { profiles, handler: handler.instance } };
}

type Built =
  | { readonly kind: "filter"; readonly instance: Filter }
  | { readonly kind: "scorer"; readonly instance: WeightedScorer["scorer"] }
  | { readonly kind: "picker"; readonly instance: Picker }
  | { readonly kind: "profile-handler"; readonly instance: ProfileHandler };

function build({ plugin, parameters, name }: Use, deps: PluginDeps): Built {
  switch (plugin.kind) {
    case "filter":
      return { kind: plugin.kind, instance: builtBy(plugin.load(parameters), name)(deps) };
    case "scorer":
      return { kind: plugin.kind, instance: builtBy(plugin.load(parameters), name)(deps) };
    case "picker":
      return { kind: plugin.kind, instance: builtBy(plugin.load(parameters), name)(deps) };
    case "profile-handler":
      return { kind: plugin.kind, instance: builtBy(plugin.load(parameters), name)(deps) };
  }
}

function builtBy<Instance>(
  loaded:
    | { readonly kind: "loaded"; readonly build: (deps: PluginDeps) => Instance }
    | { readonly kind: "invalid" },
  name: string,
): (deps: PluginDeps) => Instance {
  if (loaded.kind === "loaded") return loaded.build;
  throw new Error(`parameters of ${name} were accepted before and are refused now`);
}

function profileOf(
  name: string,
  plugins: readonly { readonly built: Built; readonly weight: number }[],
): SchedulingProfile | undefined {
  const filters: Filter[] = [];
  const scorers: WeightedScorer[] = [];
  let picker: Picker | undefined;
  for (const { built, weight } of plugins) {
    if (built.kind === "filter") filters.push(built.instance);
    if (built.kind === "scorer") scorers.push({ scorer: built.instance, weight });
    if (built.kind === "picker") picker = built.instance;
  }
  return picker === undefined ? undefined : { name, filters, scorers, picker };
}
