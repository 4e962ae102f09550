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

/** A plugin as its own file writes it. */
export interface PluginSpec<Kind extends string, P, Instance, Deps> {
  readonly kind: Kind;
  /** The name configuration files use. */
  readonly type: string;
  /** Validates and defaults the plugin's `parameters`. */
  readonly params: ParameterSchema<P>;
  create(params: P, deps: Deps): Instance;
}

/** What loading a plugin's parameters gives: something to build later, or every mistake. */
type LoadedPlugin<Instance, Deps> =
  | {
      readonly kind: "loaded";
      /** The parameters with every default filled in, for people to see. */
      readonly parameters: unknown;
      readonly build: (deps: Deps) => Instance;
    }
  | { readonly kind: "invalid"; readonly mistakes: readonly ParameterMistake[] };

/** A plugin as a registry knows it: what its parameters are is nobody else's business. */
export interface DeclaredPlugin<Kind extends string, Instance, Deps> {
  readonly kind: Kind;
  readonly type: string;
  /** Checks raw `parameters`; the instance is built once the whole document is right. */
  load(parameters: unknown): LoadedPlugin<Instance, Deps>;
}

/** Adds `load` to a plugin, the one place that knows both its schema and its factory. */
export function declared<Kind extends string, P, Instance, Deps>(
  spec: PluginSpec<Kind, P, Instance, Deps>,
): PluginSpec<Kind, P, Instance, Deps> & DeclaredPlugin<Kind, Instance, Deps> {
  return {
    ...spec,
    load(parameters) {
      const parsed = spec.params.safeParse(parameters);
      if (!parsed.success) return { kind: "invalid", mistakes: parsed.error.issues };
      const { data } = parsed;
      return { kind: "loaded", parameters: data, build: (deps) => spec.create(data, deps) };
    },
  };
}
