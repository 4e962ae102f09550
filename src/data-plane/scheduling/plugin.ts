import type { Endpoint } from "../../core/endpoint.ts";
import type { LoadSnapshot } from "../../core/load.ts";
import { declared, type DeclaredPlugin, type PluginSpec } from "../../core/plugin.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { Random } from "../../std/random.ts";

/** All that a decision may depend on, beside the candidates themselves. */
export interface SchedulingContext {
  readonly request: InferenceRequest;
  readonly load: LoadSnapshot;
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
}

/** What a plugin may be built with, beside its parameters. */
export interface PluginDeps {
  readonly random: Random;
}

type Spec<P, Instance> = Omit<PluginSpec<string, P, Instance, PluginDeps>, "kind">;

// Each infers `P` once, so that `params` and `create` cannot disagree.
export const filterPlugin = <P>(spec: Spec<P, Filter>) => declared({ kind: "filter", ...spec });
export const scorerPlugin = <P>(spec: Spec<P, Scorer>) => declared({ kind: "scorer", ...spec });
export const pickerPlugin = <P>(spec: Spec<P, Picker>) => declared({ kind: "picker", ...spec });
export const profileHandlerPlugin = <P>(spec: Spec<P, ProfileHandler>) =>
  declared({ kind: "profile-handler", ...spec });

/** Any plugin that scheduling knows. */
export type SchedulingPlugin =
  | DeclaredPlugin<"filter", Filter, PluginDeps>
  | DeclaredPlugin<"scorer", Scorer, PluginDeps>
  | DeclaredPlugin<"picker", Picker, PluginDeps>
  | DeclaredPlugin<"profile-handler", ProfileHandler, PluginDeps>;
