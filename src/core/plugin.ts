/** One thing wrong with a plugin's parameters, and where. */
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

/** What a plugin can be in a document; one type may be several. */
export type PluginKind =
  | "filter"
  | "scorer"
  | "picker"
  | "profile-handler"
  | "decider"
  | "data-producer"
  | "admitter"
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

/** What one plugin may find out about a request for others to read. */
export type DataKind =
  | "prefix-match"
  | "in-flight-load"
  | "prompt-tokens"
  | "session-id"
  | "topology"
  | "latency-prediction";

/** Another plugin that a plugin works with. */
export type PluginNeed =
  /** Data of a producer: the one named, else the default one, which is made where there is none. */
  | {
      readonly kind: "data";
      readonly data: DataKind;
      readonly producer: string | undefined;
      /** Where in the parameters the name stands. */
      readonly path: readonly PropertyKey[];
      /** Reads nothing, rather than having a producer made, where there is none. */
      readonly isOptional?: boolean;
    }
  /** A plugin that the parameters name. */
  | {
      readonly kind: "plugin";
      readonly name: string;
      readonly as: PluginKind;
      readonly path: readonly PropertyKey[];
    };

/** A plugin as its own file writes it. */
export interface PluginSpec<P, Instance, Deps> {
  readonly kinds: readonly [PluginKind, ...PluginKind[]];
  /** The name configuration files use. */
  readonly type: string;
  /** Older names of the same plugin, which documents in use carry. */
  readonly aliases?: readonly string[];
  /** llm-d-router does not have the type, so only a document of our own `apiVersion` may name it. */
  readonly isOwn?: boolean;
  /** What it does and by which formula, in Markdown; `docs/plugins.md` is made of these. */
  readonly summary: string;
  /** Validates and defaults the plugin's `parameters`. */
  readonly params: ParameterSchema<P>;
  /** The data it produces. */
  readonly produces?: DataKind;
  /** It goes by the request's model, so that a form is read for it. */
  readonly readsModel?: boolean;
  needs?(params: P): readonly PluginNeed[];
  /** Signals of engines that it reads: labels of `loadSignalLabels`, `adapters`, `producer/attribute`. */
  signals?(params: P): readonly string[];
  create(params: P, deps: Deps): Instance;
}

/** Parameters that were accepted, and what can be made of them. */
export interface LoadedPlugin<Instance = unknown, Deps = never> {
  readonly kind: "loaded";
  /** The parameters with every default filled in, for people to see. */
  readonly parameters: unknown;
  readonly needs: readonly PluginNeed[];
  /** Signals of engines that it reads. */
  readonly signals?: readonly string[];
  readonly build: (deps: Deps) => Instance;
}

/**
 * A plugin type as a registry holds it. Only the plugin itself knows the type of its parameters; `Instance` and `Deps`
 * are known where it is built.
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
  /** Checks raw `parameters`; the instance is built once the whole document is right. */
  load(
    parameters: unknown,
  ):
    | LoadedPlugin<Instance, Deps>
    | { readonly kind: "invalid"; readonly mistakes: readonly ParameterMistake[] };
}

/** Adds `load` to a plugin, the one place that knows both its schema and its factory. */
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
