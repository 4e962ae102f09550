/** One mistake in a plugin's parameters, and its place. */
interface ParameterMistake {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The part of a schema that loading needs; a zod schema is one. */
interface ParameterSchema<P> {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: P }
    | { readonly success: false; readonly error: { readonly issues: readonly ParameterMistake[] } };
}

/** Role of a plugin in a document; one type may have several. */
export type PluginKind =
  | "filter"
  | "scorer"
  | "picker"
  | "profile-handler"
  | "decider"
  | "data-producer"
  | "admitter"
  | "request-writer"
  | "saturation-detector"
  | "response-handler"
  | "parser"
  | "discovery"
  | "data-source"
  | "extractor"
  | "fairness-policy"
  | "ordering-policy"
  | "usage-limit-policy"
  | "eviction-policy";

/** Kind of data that one plugin computes about a request for others to read. */
export type DataKind =
  | "prefix-match"
  | "in-flight-load"
  | "prompt-tokens"
  | "session-id"
  | "session-home"
  | "topology"
  | "latency-prediction";

/** Another plugin that a plugin works with. */
export type PluginNeed =
  /** Data of a producer: the named one, else the default one, which is created if there is none. */
  | {
      readonly kind: "data";
      readonly data: DataKind;
      readonly producer: string | undefined;
      /** Place of the name in the parameters. */
      readonly path: readonly PropertyKey[];
      /** If there is no producer, reads nothing and creates none. */
      readonly isOptional?: boolean;
    }
  /** A plugin that the parameters name. */
  | {
      readonly kind: "plugin";
      readonly name: string;
      readonly as: PluginKind;
      readonly path: readonly PropertyKey[];
    };

/** Data of the producer that a parameter names. */
export function dataOfNamed(
  data: DataKind,
  producer: string | undefined,
  parameter: string,
): PluginNeed {
  return { kind: "data", data, producer, path: [parameter] };
}

/** A plugin as its file declares it. */
export interface PluginSpec<P, Instance, Deps> {
  readonly kinds: readonly [PluginKind, ...PluginKind[]];
  /** Its name in configuration files. */
  readonly type: string;
  /** Older names of the same plugin, which existing documents use. */
  readonly aliases?: readonly string[];
  /** True if llm-d-router does not have the type, so that only a document of our own `apiVersion` may name it. */
  readonly isOwn?: boolean;
  /** Its effect and formula, in Markdown; `docs/plugins.md` is generated from these. */
  readonly summary: string;
  /** Validates and defaults the plugin's `parameters`. */
  readonly params: ParameterSchema<P>;
  /** The data it produces. */
  readonly produces?: DataKind;
  /** True if it uses the request's model, so that forms have to be read. */
  readonly readsModel?: boolean;
  needs?(params: P): readonly PluginNeed[];
  /** Signals of engines that it reads: labels of `loadSignalLabels`, `adapters`, `producer/attribute`. */
  signals?(params: P): readonly string[];
  create(params: P, deps: Deps): Instance;
}

/** A plugin whose parameters were accepted, ready to be built. */
export interface LoadedPlugin<Instance = unknown, Deps = never> {
  readonly kind: "loaded";
  /** The parameters with all defaults, for display. */
  readonly parameters: unknown;
  readonly needs: readonly PluginNeed[];
  /** Signals of engines that it reads. */
  readonly signals?: readonly string[];
  readonly build: (deps: Deps) => Instance;
}

/**
 * A plugin type as a registry holds it. Only the plugin itself knows the type of its parameters; its builder knows
 * `Instance` and `Deps`.
 */
export interface Plugin<Instance = unknown, Deps = never> {
  readonly kinds: readonly [PluginKind, ...PluginKind[]];
  readonly type: string;
  readonly aliases?: readonly string[];
  readonly isOwn?: boolean;
  readonly summary: string;
  /** The schema of its parameters, for the generated reference. */
  readonly params: unknown;
  readonly produces?: DataKind;
  readonly readsModel?: boolean;
  /** Checks raw `parameters`; the instance is built once the whole document is valid. */
  load(
    parameters: unknown,
  ):
    | LoadedPlugin<Instance, Deps>
    | { readonly kind: "invalid"; readonly mistakes: readonly ParameterMistake[] };
}

/** Adds `load` to a plugin: the only place that knows both its schema and its factory. */
export function declared<P, Instance, Deps>(
  spec: PluginSpec<P, Instance, Deps>,
): PluginSpec<P, Instance, Deps> & Plugin<Instance, Deps> {
  return {
    ...spec,
    load(parameters) {
      const parsed = spec.params.safeParse(parameters);
      if (!parsed.success) return { kind: "invalid", mistakes: parsed.error.issues };
      const { data } = parsed;
      return {
        kind: "loaded",
        parameters: data,
        needs: spec.needs?.(data) ?? [],
        signals: spec.signals?.(data) ?? [],
        build: (deps) => spec.create(data, deps),
      };
    },
  };
}
