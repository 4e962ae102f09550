import type { RewriteRule } from "../core/policies.ts";
import type { KnownModels } from "./label-sets.ts";

/** The places that name models. */
interface ModelNames {
  /** The rules in force; the same array until they change. */
  readonly rewriteRules: () => readonly RewriteRule[];
  /** True if an endpoint of the pool says that it serves a model. */
  readonly isServed: (model: string) => boolean;
}

/** The models that rules of the configuration or endpoints of the pool name. */
export function knownModelsOf({ rewriteRules, isServed }: ModelNames): KnownModels {
  let rules: readonly RewriteRule[] | undefined;
  let table = tableOf([]);
  const current = () => {
    const now = rewriteRules();
    if (now !== rules) {
      rules = now;
      table = tableOf(now);
    }
    return table;
  };
  return {
    has: (model) => current().names.has(model) || isServed(model),
    rewrites: (model, target) => {
      const { targetsOf, forAll } = current();
      return targetsOf.get(model)?.has(target) === true || forAll.has(target);
    },
  };
}

function tableOf(rules: readonly RewriteRule[]) {
  const names = new Set<string>();
  const targetsOf = new Map<string, Set<string>>();
  /** Targets of rules for all models. */
  const forAll = new Set<string>();
  for (const { matches, targets } of rules) {
    const models = (matches ?? []).map(({ model }) => model.value);
    for (const { modelRewrite } of targets) {
      names.add(modelRewrite);
      if (models.length === 0) forAll.add(modelRewrite);
      for (const model of models) {
        names.add(model);
        const known = targetsOf.get(model) ?? new Set();
        targetsOf.set(model, known.add(modelRewrite));
      }
    }
  }
  return { names, targetsOf, forAll };
}
