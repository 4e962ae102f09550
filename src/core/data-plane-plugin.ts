import type { Decision, Target } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Refusal } from "./errors.ts";
import type { InFlightLoad, TokenCounts } from "./in-flight-load.ts";
import type { LatencyPrediction } from "./latency-prediction.ts";
import type { LoadSnapshot } from "./load.ts";
import {
  declared,
  type DataKind,
  type Plugin,
  type PluginKind,
  type PluginSpec,
} from "./plugin.ts";
import type { MemoryKind } from "./plugin-states.ts";
import type { PrefixMatch } from "./prefix-match.ts";
import type { RequestFollower } from "./request-follower.ts";
import type { InferenceRequest } from "./request.ts";
import type { TopologyLabels } from "./topology.ts";
import type { Random } from "../std/random.ts";

/** The type of each kind of data that producers find out. */
export interface DataTypes extends Record<DataKind, unknown> {
  readonly "prefix-match": PrefixMatch;
  readonly "in-flight-load": InFlightLoad;
  /** Tokens of the request's prompts. */
  readonly "prompt-tokens": number;
  readonly "session-id": string;
  /** Labels of endpoints that say where they run. */
  readonly topology: TopologyLabels;
  readonly "latency-prediction": LatencyPrediction;
}

/** Data of producers about one request, by the producer's name. */
type RequestData = ReadonlyMap<string, unknown>;

/** Inputs of a decision other than the candidates themselves. */
export interface SchedulingContext {
  readonly request: InferenceRequest;
  /** The whole pool, also what the subset hint or a filter leaves out. */
  readonly endpoints: readonly Endpoint[];
  readonly load: LoadSnapshot;
  /** Monotonic milliseconds of this decision. */
  readonly nowMs: number;
  readonly data: RequestData;
  /** Picks of the profiles that ran so far, in the order in which they ran. */
  readonly chosen: ReadonlyMap<string, readonly [Endpoint, ...Endpoint[]]>;
}

/** Narrows the candidates. */
export interface Filter {
  /** The candidates to keep, in their order; may be empty. Never changes `candidates`. */
  filter(context: SchedulingContext, candidates: readonly Endpoint[]): readonly Endpoint[];
}

/** Judges the candidates. */
export interface Scorer {
  /**
   * Writes one score per candidate, in candidate order, to `scores[0 .. candidates.length)`:
   * each in [0, 1], 1 is best. What lies in `scores` before is undefined.
   */
  score(context: SchedulingContext, candidates: readonly Endpoint[], scores: Float64Array): void;
}

/** Chooses among the judged candidates. */
export interface Picker {
  /** Indexes into `totals`, best first; empty only where `totals` is. */
  pick(totals: Float64Array): readonly number[];
}

/** Decides which profiles run, and which one's choice is the answer. */
export interface ProfileHandler {
  /** The profile to run next, or undefined when `primary` can answer. */
  next(
    context: SchedulingContext,
    profileNames: readonly string[],
    profilesRun: readonly string[],
  ): string | undefined;
  /** The profile whose choice receives the request. */
  primary(profilesRun: readonly string[]): string | undefined;
  /** Why these profiles do not suit this handler; undefined when they do. */
  mistakeIn(profileNames: readonly string[]): string | undefined;
  /** Profiles whose choice works on the request too, and so comes to hold its prompt. */
  readonly helpers?: readonly string[];
  /** Address and additional headers for a request to `endpoint`; default: its own address. */
  dispatch?(context: SchedulingContext, endpoint: Endpoint): Dispatch;
}

/** The way to the endpoint that was picked. */
export type Dispatch = Pick<Target, "hostPort" | "requestHeaders">;

/** Decides whether a request is worth a stage of its own, such as a separate prefill. */
export interface Decider {
  /** `endpoint` is the one that would do the work alone; undefined if none is chosen. */
  decide(context: SchedulingContext, endpoint: Endpoint | undefined): boolean;
}

/** Finds something out about a request, once, before it is scheduled. */
export interface DataProducer<K extends DataKind = DataKind> {
  /** Undefined if there is nothing to report. */
  produce(context: SchedulingContext, candidates: readonly Endpoint[]): DataTypes[K] | undefined;
}

/** Says before scheduling whether the request may run at all. */
export interface Admitter {
  /** Undefined to let it pass. */
  admit(context: SchedulingContext, candidates: readonly Endpoint[]): Refusal | undefined;
}

/** Says how full the pool is. */
export interface SaturationDetector {
  /** 0 for an idle pool; 1 and more for one that has no room. An empty pool has none. */
  saturation(endpoints: readonly Endpoint[], load: LoadSnapshot, nowMs: number): number;
}

/** A request that has its endpoint and goes out now. */
export interface SentRequest {
  /**
   * The context of the decision. Columns of `load` are live: within `RequestHooks.sent` they are the decision's, later they
   * count this request too. A plugin that wants the decision's numbers later keeps them.
   */
  readonly context: SchedulingContext;
  readonly decision: Decision;
}

/** Takes part in a request's life after the decision. */
export interface RequestHooks {
  /** Called before the request leaves; must not throw. Undefined if the rest does not matter. */
  sent(sent: SentRequest): RequestFollower | undefined;
}

/** Capabilities of a plugin instance; `kinds` of the plugin type lists those of its instances. */
export interface Capabilities {
  readonly filter?: Filter;
  readonly scorer?: Scorer;
  readonly picker?: Picker;
  readonly handler?: ProfileHandler;
  readonly decider?: Decider;
  readonly producer?: DataProducer;
  readonly admitter?: Admitter;
  readonly detector?: SaturationDetector;
  /** Counts of a producer that can be read without a request, as a detector does. */
  readonly tokenCounts?: TokenCounts;
  readonly hooks?: RequestHooks;
}

/** Reads a producer's data about the request; undefined if it has none. */
export type DataReader<K extends DataKind> = (
  context: SchedulingContext,
) => DataTypes[K] | undefined;

/** Dependencies that a plugin may be built with, besides its parameters. */
export interface PluginDeps {
  /** The name of this plugin in the document. */
  readonly name: string;
  readonly random: Random;
  /**
   * The plugin's own memory of a kind; call it in `create`. Every call with the same kind gives the same memory, and
   * a plugin of the same type and name in the next document finds it.
   */
  memory<Memory>(kind: MemoryKind<Memory>): Memory;
  memory<Memory, Settings>(kind: MemoryKind<Memory, Settings>, settings: Settings): Memory;
  /** The name of the producer that a need means: the one given, else the default one. */
  producerOf(data: DataKind, producer: string | undefined): string;
  /** A reader for data that the plugin's `needs` declare, by the same producer name. */
  reader<K extends DataKind>(data: K, producer: string | undefined): DataReader<K>;
  /** A plugin that `needs` declares, as the producer of data or by name; it is built before this one. */
  plugin(name: string): Capabilities;
}

type Spec<P, Instance> = Omit<PluginSpec<P, Instance, PluginDeps>, "kinds">;

/** A data-plane plugin of any kinds. */
export const dataPlanePlugin = <P>(spec: PluginSpec<P, Capabilities, PluginDeps>) => declared(spec);

// Each infers `P` once, so that `params` and `create` cannot disagree, and leaves `create` to make
// the one thing the plugin is; `load` wraps it.
export const filterPlugin = <P>(spec: Spec<P, Filter>) =>
  single(spec, "filter", (filter) => ({ filter }));
export const scorerPlugin = <P>(spec: Spec<P, Scorer>) =>
  single(spec, "scorer", (scorer) => ({ scorer }));
export const pickerPlugin = <P>(spec: Spec<P, Picker>) =>
  single(spec, "picker", (picker) => ({ picker }));
export const profileHandlerPlugin = <P>(spec: Spec<P, ProfileHandler>) =>
  single(spec, "profile-handler", (handler) => ({ handler }));
export const deciderPlugin = <P>(spec: Spec<P, Decider>) =>
  single(spec, "decider", (decider) => ({ decider }));
export const admitterPlugin = <P>(spec: Spec<P, Admitter>) =>
  single(spec, "admitter", (admitter) => ({ admitter }));

function single<P, Instance>(
  spec: Spec<P, Instance>,
  kind: PluginKind,
  wrap: (instance: Instance) => Capabilities,
): Spec<P, Instance> & DataPlanePlugin {
  const plugin = dataPlanePlugin({
    ...spec,
    kinds: [kind],
    create: (params: P, deps: PluginDeps) => wrap(spec.create(params, deps)),
  });
  return { ...plugin, create: (params, deps) => spec.create(params, deps) };
}

/** Any plugin that the data plane builds. */
export type DataPlanePlugin = Plugin<Capabilities, PluginDeps>;
