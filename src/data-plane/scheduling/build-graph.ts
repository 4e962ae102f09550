import type { DataKind, LoadedPlugin, PluginKind } from "../../core/plugin.ts";
import type { PluginStates } from "../../core/plugin-states.ts";
import type { Random } from "../../std/random.ts";
import type {
  Capabilities,
  DataReader,
  DataTypes,
  PluginDeps,
  SchedulingContext,
} from "../../core/data-plane-plugin.ts";
import type { NamedFilter, SchedulingProfile, WeightedScorer } from "./profile.ts";
import type { Named, SchedulingGraph } from "./scheduler.ts";

/** A plugin that a configuration names, its parameters accepted. */
export interface PluginUse {
  readonly name: string;
  readonly kinds: readonly PluginKind[];
  readonly produces: DataKind | undefined;
  readonly loaded: LoadedPlugin<Capabilities, PluginDeps>;
}

/** The scheduling part of a configuration, as it comes from the loader. */
export interface GraphSpec {
  /** Every data-plane plugin, each after those it needs. */
  readonly plugins: readonly PluginUse[];
  readonly handler: string;
  /** The saturation detector in force. */
  readonly detector: string;
  readonly profiles: readonly {
    readonly name: string;
    readonly plugins: readonly { readonly name: string; readonly weight: number }[];
  }[];
  /** The producer that a plugin reads where it names none, by the kind of data. */
  readonly producerOf: (data: DataKind) => string;
}

export interface GraphDeps {
  readonly random: Random;
  readonly states: PluginStates;
}

export type GraphResult =
  | { readonly kind: "built"; readonly graph: SchedulingGraph }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Builds every plugin once, however many profiles use it. */
export function buildGraph(spec: GraphSpec, deps: GraphDeps): GraphResult {
  const instances = new Map<string, Capabilities>();
  for (const { name, loaded } of spec.plugins) {
    instances.set(name, loaded.build(depsOf(name, { spec, deps, instances })));
  }
  const mistakes: string[] = [];
  const profiles = new Map<string, SchedulingProfile>();
  for (const { name, plugins } of spec.profiles) {
    const profile = profileOf(name, plugins, instances);
    if (profile === undefined) mistakes.push(`schedulingProfiles: ${name} has no picker`);
    else profiles.set(name, profile);
  }
  const handler = instances.get(spec.handler)?.handler;
  const detector = instances.get(spec.detector)?.detector;
  if (handler === undefined) mistakes.push(`${spec.handler} is not a profile handler`);
  if (detector === undefined) mistakes.push(`${spec.detector} is not a saturation detector`);
  const mistake = handler?.mistakeIn(spec.profiles.map(({ name }) => name));
  if (mistake !== undefined) mistakes.push(`schedulingProfiles: ${mistake}`);
  if (handler === undefined || detector === undefined || mistakes.length > 0) {
    return { kind: "invalid", mistakes };
  }
  const producers = spec.plugins.flatMap(({ name, produces }) => {
    const instance = instances.get(name)?.producer;
    return instance === undefined || produces === undefined ? [] : [{ name, instance, produces }];
  });
  return {
    kind: "built",
    graph: {
      profiles,
      handler,
      detector,
      producers,
      admitters: named(instances, ({ admitter }) => admitter),
      hooks: named(instances, ({ hooks }) => hooks),
    },
  };
}

interface Building {
  readonly spec: GraphSpec;
  readonly deps: GraphDeps;
  readonly instances: ReadonlyMap<string, Capabilities>;
}

function depsOf(name: string, { spec, deps, instances }: Building): PluginDeps {
  return {
    ...deps,
    name,
    producerOf: (data, producer) => producer ?? spec.producerOf(data),
    reader: <K extends DataKind>(data: K, producer: string | undefined): DataReader<K> => {
      const source = producer ?? spec.producerOf(data);
      // The loader has checked that this producer produces this kind of data.
      return (context: SchedulingContext) => context.data.get(source) as DataTypes[K] | undefined;
    },
    plugin: (needed) => {
      const instance = instances.get(needed);
      if (instance === undefined) throw new Error(`${name} needs ${needed}, which comes later`);
      return instance;
    },
  };
}

function named<Instance>(
  instances: ReadonlyMap<string, Capabilities>,
  part: (instance: Capabilities) => Instance | undefined,
): Named<Instance>[] {
  return [...instances].flatMap(([name, capabilities]) => {
    const instance = part(capabilities);
    return instance === undefined ? [] : [{ name, instance }];
  });
}

function profileOf(
  name: string,
  plugins: readonly { readonly name: string; readonly weight: number }[],
  instances: ReadonlyMap<string, Capabilities>,
): SchedulingProfile | undefined {
  const filters: NamedFilter[] = [];
  const scorers: WeightedScorer[] = [];
  let picker: Capabilities["picker"];
  for (const { name: plugin, weight } of plugins) {
    const instance = instances.get(plugin);
    if (instance?.filter !== undefined) filters.push({ name: plugin, filter: instance.filter });
    if (instance?.scorer !== undefined) {
      scorers.push({ name: plugin, scorer: instance.scorer, weight });
    }
    picker = instance?.picker ?? picker;
  }
  return picker === undefined ? undefined : { name, filters, scorers, picker };
}
