import type { Decision, Target } from "./decision.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Refusal } from "./errors.ts";
import type { FairnessPolicy, OrderingPolicy, UsageLimitPolicy } from "./flow-control.ts";
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
import type { BodyFields } from "./parse-result.ts";
import type { MemoryKind } from "./plugin-states.ts";
import type { PrefixMatch } from "./prefix-match.ts";
import type { Recalls } from "./recalls.ts";
import type { RequestFollower } from "./request-follower.ts";
import type { InferenceRequest, RequestHead } from "./request.ts";
import type { SessionHome } from "./session-home.ts";
import type { TopologyLabels } from "./topology.ts";
import type { Random } from "../std/random.ts";

/** The type of each kind of data that producers compute. */
export interface DataTypes extends Record<DataKind, unknown> {
  readonly "prefix-match": PrefixMatch;
  readonly "in-flight-load": InFlightLoad;
  /** Tokens of the request's prompts. */
  readonly "prompt-tokens": number;
  readonly "session-id": string;
  readonly "session-home": SessionHome;
  /** Labels of endpoints that say where they run. */
  readonly topology: TopologyLabels;
  readonly "latency-prediction": LatencyPrediction;
}

/** Data of producers about one request, by the producer's name. */
type RequestData = ReadonlyMap<string, unknown>;

/** Inputs of a decision other than the candidates themselves. */
export interface SchedulingContext {
  readonly request: InferenceRequest;
  /** All endpoints that take requests, including those that the subset hint or a filter leaves out. */
  readonly endpoints: readonly Endpoint[];
  readonly load: LoadSnapshot;
  /** Monotonic milliseconds of this decision. */
  readonly nowMs: number;
  readonly data: RequestData;
  /** True if the same request will be scheduled again, because it waits. */
  readonly mayRepeat?: boolean | undefined;
  /** Picks of the profiles that ran so far, in the order in which they ran. */
  readonly chosen: ReadonlyMap<string, readonly [Endpoint, ...Endpoint[]]>;
  /** True if the request will not be sent, so that nothing may be learned from it; default false. */
  readonly isTried?: boolean | undefined;
  /** For `recalled`; undefined if no record of the decision has to be complete. */
  readonly recalls?: Recalls | undefined;
}

/** Narrows the candidates. */
export interface Filter {
  /** The candidates to keep, in their order; may be empty. Never changes `candidates`. */
  filter(context: SchedulingContext, candidates: readonly Endpoint[]): readonly Endpoint[];
}

/** Scores the candidates. */
export interface Scorer {
  /**
   * Writes one score per candidate, in candidate order, to `scores[0 .. candidates.length)`: each in [0, 1], 1 is best.
   * The previous contents of `scores` are undefined.
   *
   * It runs for each candidate of each request. A loop over `slotsOf(candidates)` that reads columns, such as those of
   * `context.load`, takes about a nanosecond for each; one over the endpoints themselves works too, and takes several.
   */
  score(context: SchedulingContext, candidates: readonly Endpoint[], scores: Float64Array): void;
}

/** Chooses among the scored candidates. */
export interface Picker {
  /** Indexes into `totals`, best first; empty only if `totals` is. */
  pick(totals: Float64Array): readonly number[];
}

/** Decides which profiles run, and which profile's choice receives the request. */
export interface ProfileHandler {
  /** The profile to run next; undefined if no other has to run. */
  next(
    context: SchedulingContext,
    profileNames: readonly string[],
    profilesRun: readonly string[],
  ): string | undefined;
  /** The profile whose choice receives the request; undefined if that profile did not run. */
  primary(profilesRun: readonly string[]): string | undefined;
  /** The reason that these profiles do not suit this handler; undefined if they do. */
  mistakeIn(profileNames: readonly string[]): string | undefined;
  /** Profiles whose first choice also works on the prompt, and so caches it. */
  readonly helpers?: readonly string[];
  /** Address and additional headers for a request to `endpoint`; default: its own address. */
  dispatch?(context: SchedulingContext, endpoint: Endpoint): Dispatch;
}

/** Address and headers for a request to the endpoint that was picked. */
export type Dispatch = Pick<Target, "hostPort" | "requestHeaders">;

/** Decides whether a request gets a separate stage, such as a separate prefill. */
export interface Decider {
  /** `endpoint`: the one that would do the work without the stage; undefined if none was chosen. */
  decide(context: SchedulingContext, endpoint: Endpoint | undefined): boolean;
}

/** Computes data about a request once, before it is scheduled. */
export interface DataProducer<K extends DataKind = DataKind> {
  /** Returns undefined if it has no data about this request. */
  produce(context: SchedulingContext, candidates: readonly Endpoint[]): DataTypes[K] | undefined;
}

/** Decides before scheduling whether the request may run. */
export interface Admitter {
  /** Returns the refusal; undefined to admit the request. */
  admit(context: SchedulingContext, candidates: readonly Endpoint[]): Refusal | undefined;
}

/** Adds fields to the body of a request that leaves for its endpoint. */
export interface RequestWriter {
  /** `arrivedAtMs`: Unix time, on which all pickers agree. Undefined to add nothing. */
  fields(sent: SentRequest, arrivedAtMs: number): BodyFields | undefined;
}

/** Computes the saturation of the pool. */
export interface SaturationDetector {
  /** 0 for an idle pool, 1 or more for a full one. An empty pool counts as full. */
  saturation(endpoints: readonly Endpoint[], load: LoadSnapshot, nowMs: number): number;
  /** Counts endpoints whose signals are overdue or missing; undefined if it reads no signals. */
  readonly stale?: StaleSignals;
  /** Holds each request by the endpoint that it would get; undefined if only the pool as a whole counts. */
  readonly hold?: HoldRule;
}

/** Endpoints whose signals a detector cannot use. */
interface StaleSignals {
  /** Name of the detector in the document. */
  readonly detector: string;
  count(endpoints: readonly Endpoint[], load: LoadSnapshot, nowMs: number): number;
}

/** Decides under flow control whether a request waits in the picker, because it would wait in the engine. */
export interface HoldRule {
  /** The candidates that the request may go to now, at least one; the others are kept for higher priorities. */
  open?(candidates: readonly Endpoint[], priority: number, nowMs: number): readonly Endpoint[];
  /** Expected time of the request's own work where it is least, in milliseconds; NaN if it is unknown. */
  ownMs(context: SchedulingContext, candidates: readonly Endpoint[]): number;
  /** The wait in the engines that would compute the prompt, as a share of its limit: the request is held from 1 on. */
  fullness(context: SchedulingContext, computing: readonly Endpoint[]): number;
  /** Counts a request that waits as work of these engines; the function that it returns takes it back. */
  suppose(context: SchedulingContext, computing: readonly Endpoint[]): () => void;
}

/** The work of engines as one producer expects it, independent of a request. */
export interface PrefillWork {
  /** Milliseconds until the engine would begin with a prompt that is sent now. */
  waitMs(slot: number, nowMs: number): number;
  /** Milliseconds of further prompts that engines need to find one that they can compute; 0 if they can compute any. */
  readonly slackMs: number;
  /** Counts a prompt that takes this long; the function that it returns takes it back. */
  suppose(slot: number, ms: number, nowMs: number): () => void;
  /** False if first tokens are not visible, so that it cannot be seen when an engine has finished a prompt. */
  readonly seesFirstTokens: boolean;
}

/** A request that has its endpoint and leaves now. */
export interface SentRequest {
  /**
   * The context of the decision. Columns of `load` are live: until `RequestHooks.sent` returns they hold the decision's
   * numbers, later they count this request too. A plugin that needs the decision's numbers later has to copy them.
   */
  readonly context: SchedulingContext;
  readonly decision: Decision;
  /** True for an attempt after the first one of the request; default false. */
  readonly isAgain?: boolean;
}

/** Hooks into a request's life after the decision. */
export interface RequestHooks {
  /** Runs before the request leaves; must not throw. Returns undefined if the plugin does not follow the request. */
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
  readonly writer?: RequestWriter;
  readonly detector?: SaturationDetector;
  readonly ordering?: OrderingPolicy;
  readonly fairness?: FairnessPolicy;
  readonly usageLimit?: UsageLimitPolicy;
  /** Counts of a producer that can be read without a request. Detectors read them. */
  readonly tokenCounts?: TokenCounts;
  readonly prefillWork?: PrefillWork;
  readonly hooks?: RequestHooks;
  /** Reads the identity of the agent that sent a request; undefined if there is none. */
  readonly agentIdOf?: (head: RequestHead) => string | undefined;
}

/** Reads a producer's data about the request; undefined if it has none. */
export type DataReader<K extends DataKind> = (
  context: SchedulingContext,
) => DataTypes[K] | undefined;

/** Dependencies for building a plugin, besides its parameters. */
export interface PluginDeps {
  /** The name of this plugin in the document. */
  readonly name: string;
  readonly random: Random;
  /**
   * The plugin's own memory of a kind; to be called in `create`. Every call with the same kind returns the same memory,
   * and a plugin of the same type and name in the next document gets it too.
   */
  memory<Memory>(kind: MemoryKind<Memory>): Memory;
  memory<Memory, Settings>(kind: MemoryKind<Memory, Settings>, settings: Settings): Memory;
  /** The name of the producer of `data`: `producer` if it is given, else the default producer. */
  producerOf(data: DataKind, producer: string | undefined): string;
  /** A reader of data that the plugin's `needs` declare with the same producer name. */
  reader<K extends DataKind>(data: K, producer: string | undefined): DataReader<K>;
  /** The instance of a plugin that `needs` declares, as a producer or by name; it is built before this one. */
  plugin(name: string): Capabilities;
}

type Spec<P, Instance> = Omit<PluginSpec<P, Instance, PluginDeps>, "kinds">;

/** Declares a data-plane plugin of one or more kinds. */
export const dataPlanePlugin = <P>(spec: PluginSpec<P, Capabilities, PluginDeps>) => declared(spec);

// Each infers `P` once, so that `params` and `create` cannot disagree. `create` returns the one capability of the
// plugin, and `load` wraps it.
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
export const orderingPolicyPlugin = <P>(spec: Spec<P, OrderingPolicy>) =>
  single(spec, "ordering-policy", (ordering) => ({ ordering }));
export const fairnessPolicyPlugin = <P>(spec: Spec<P, FairnessPolicy>) =>
  single(spec, "fairness-policy", (fairness) => ({ fairness }));
export const usageLimitPolicyPlugin = <P>(spec: Spec<P, UsageLimitPolicy>) =>
  single(spec, "usage-limit-policy", (usageLimit) => ({ usageLimit }));
export const requestWriterPlugin = <P>(spec: Spec<P, RequestWriter>) =>
  single(spec, "request-writer", (writer) => ({ writer }));

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
