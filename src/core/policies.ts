/** A model name for the engine, and its share among the targets of its rule. */
export interface RewriteTarget {
  readonly modelRewrite: string;
  readonly weight?: number | undefined;
}

/** Maps models to the names that engines are asked for; a rule without matches applies to all models. */
export interface RewriteRule {
  readonly matches?: readonly { readonly model: { readonly value: string } }[] | null | undefined;
  readonly targets: readonly RewriteTarget[];
}

/** Policies from objects of the cluster, not from the configuration; they may change at any time. */
export interface PolicyView {
  /** The priority of an objective; undefined if it does not exist. */
  priorityOf(objective: string): number | undefined;
  /** Priorities of all objectives; the same array until they change. */
  readonly objectivePriorities: readonly number[];
  /** In order of precedence; the same array until the rules change. */
  readonly rewriteRules: readonly RewriteRule[];
}
