import type { z } from "zod";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LoadSnapshot } from "../../core/load.ts";
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
  score(
    context: SchedulingContext,
    candidates: readonly Endpoint[],
    scores: Float64Array,
  ): void;
}

/** Chooses among the judged candidates. */
export interface Picker {
  /** Indexes into `totals`, best first; empty only where `totals` is. */
  pick(totals: Float64Array): readonly number[];
}

/** Decides which profiles run, and which one's choice is the answer. */
export interface ProfileHandler {
  /** The profile to run next, or undefined when `primary` can answer. */
  next(context: SchedulingContext, profilesRun: readonly string[]): string | undefined;
  /** The profile whose choice receives the request. */
  primary(profilesRun: readonly string[]): string | undefined;
  /** Why these profiles do not suit this handler; undefined when they do. */
  mistakeIn(profileNames: readonly string[]): string | undefined;
}

/** What a plugin may be built with, beside its parameters. */
export interface PluginDeps {
  readonly random: Random;
}

interface PluginOf<Kind extends string, P, Instance> {
  readonly kind: Kind;
  /** The name configuration files use. */
  readonly type: string;
  /** Validates and defaults the plugin's `parameters`. */
  readonly params: z.ZodType<P>;
  create(params: P, deps: PluginDeps): Instance;
}

export type FilterPlugin<P> = PluginOf<"filter", P, Filter>;
export type ScorerPlugin<P> = PluginOf<"scorer", P, Scorer>;
export type PickerPlugin<P> = PluginOf<"picker", P, Picker>;
export type ProfileHandlerPlugin<P> = PluginOf<"profile-handler", P, ProfileHandler>;

/** Infers `P` once, so that `params` and `create` cannot disagree. */
export const filterPlugin = <P>(plugin: Omit<FilterPlugin<P>, "kind">): FilterPlugin<P> => ({
  kind: "filter",
  ...plugin,
});
export const scorerPlugin = <P>(plugin: Omit<ScorerPlugin<P>, "kind">): ScorerPlugin<P> => ({
  kind: "scorer",
  ...plugin,
});
export const pickerPlugin = <P>(plugin: Omit<PickerPlugin<P>, "kind">): PickerPlugin<P> => ({
  kind: "picker",
  ...plugin,
});
export const profileHandlerPlugin = <P>(
  plugin: Omit<ProfileHandlerPlugin<P>, "kind">,
): ProfileHandlerPlugin<P> => ({ kind: "profile-handler", ...plugin });
