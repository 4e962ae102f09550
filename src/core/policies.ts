/** A model to ask for, and its share among the targets of its rule. */
export interface RewriteTarget {
  readonly modelRewrite: string;
  readonly weight?: number | undefined;
}

/** Which models are asked for by which other name; a rule without matches is for all models. */
export interface RewriteRule {
  readonly matches?: readonly { readonly model: { readonly value: string } }[] | null | undefined;
  readonly targets: readonly RewriteTarget[];
}

/** Policies for requests from objects of a cluster, outside of the configuration; they change at any time. */
export interface PolicyView {
  /** The priority of an objective; undefined for one that does not exist. */
  priorityOf(objective: string): number | undefined;
  /** In the order in which they count; the same array until they change. */
  readonly rewriteRules: readonly RewriteRule[];
}
