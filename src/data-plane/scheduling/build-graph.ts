import type { Plan, PlannedProfile, PluginUse } from "../../core/plan.ts";
import type { DataKind } from "../../core/plugin.ts";
import type { MemoryKind, MemoryOwner, PluginStates } from "../../core/plugin-states.ts";
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

/** Parts of a plan, besides its plugins, that the graph is built from. */
type GraphPlan = Pick<Plan, "handler" | "detector" | "profiles" | "producerOf">;

type DecisionPluginUse = PluginUse<Capabilities, PluginDeps>;

export interface GraphDeps {
  readonly random: Random;
  readonly states: PluginStates;
}

export type GraphResult =
  | {
      readonly kind: "built";
      readonly graph: SchedulingGraph;
      /** Every plugin that was built, by name. */
      readonly instances: ReadonlyMap<string, Capabilities>;
    }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Builds every plugin once, even if several profiles use it; in `uses`, each plugin follows those it needs. */
export function buildGraph(
  uses: readonly DecisionPluginUse[],
  plan: GraphPlan,
  deps: GraphDeps,
): GraphResult {
  const instances = new Map<string, Capabilities>();
  for (const { name, plugin, loaded } of uses) {
    const owner = { type: plugin.type, name };
    instances.set(name, loaded.build(depsOf(owner, { plan, deps, instances })));
  }
  const mistakes: string[] = [];
  const profiles = new Map<string, SchedulingProfile>();
  for (const { name, plugins } of plan.profiles) {
    const profile = profileOf(name, plugins, instances);
    if (profile === undefined) mistakes.push(`schedulingProfiles: ${name} has no picker`);
    else profiles.set(name, profile);
  }
  const handler = instances.get(plan.handler)?.handler;
  const detector = instances.get(plan.detector)?.detector;
  if (handler === undefined) mistakes.push(`${plan.handler} is not a profile handler`);
  if (detector === undefined) mistakes.push(`${plan.detector} is not a saturation detector`);
  const mistake = handler?.mistakeIn(plan.profiles.map(({ name }) => name));
  if (mistake !== undefined) mistakes.push(`schedulingProfiles: ${mistake}`);
  if (handler === undefined || detector === undefined || mistakes.length > 0) {
    return { kind: "invalid", mistakes };
  }
  const producers = uses.flatMap(({ name, plugin: { produces } }) => {
    const instance = instances.get(name)?.producer;
    return instance === undefined || produces === undefined ? [] : [{ name, instance, produces }];
  });
  return {
    kind: "built",
    instances,
    graph: {
      profiles,
      handler,
      detector,
      producers,
      admitters: named(instances, ({ admitter }) => admitter),
      writers: named(instances, ({ writer }) => writer),
      hooks: named(instances, ({ hooks }) => hooks),
    },
  };
}

/** Parts that plugins are built from. */
interface GraphParts {
  readonly plan: GraphPlan;
  readonly deps: GraphDeps;
  readonly instances: ReadonlyMap<string, Capabilities>;
}

function depsOf(owner: MemoryOwner, { plan, deps, instances }: GraphParts): PluginDeps {
  const { name } = owner;
  return {
    name,
    random: deps.random,
    memory: <Memory, Settings>(kind: MemoryKind<Memory, Settings>, settings?: Settings) =>
      // The overloads allow a call without settings only for kinds whose settings are `undefined`.
      deps.states.memory(kind, owner, settings as Settings),
    producerOf: (data, producer) => producer || plan.producerOf(data),
    reader: <K extends DataKind>(data: K, producer: string | undefined): DataReader<K> => {
      const source = producer || plan.producerOf(data);
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
  plugins: PlannedProfile["plugins"],
  instances: ReadonlyMap<string, Capabilities>,
): SchedulingProfile | undefined {
  const filters: NamedFilter[] = [];
  const scorers: WeightedScorer[] = [];
  let picker: Capabilities["picker"];
  for (const { use, weight } of plugins) {
    const instance = instances.get(use.name);
    if (instance?.filter !== undefined) filters.push({ name: use.name, filter: instance.filter });
    if (instance?.scorer !== undefined) {
      scorers.push({ name: use.name, type: use.plugin.type, scorer: instance.scorer, weight });
    }
    picker = instance?.picker ?? picker;
  }
  return picker === undefined ? undefined : { name, filters, scorers, picker };
}
