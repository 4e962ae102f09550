import { headerTable, valueOf } from "../core/headers.ts";
import type { RewriteRule, RewriteTarget } from "../core/policies.ts";
import type { RequestHead } from "../core/request.ts";
import type { Random } from "../std/random.ts";

/** Returns the name of the model to ask the engine for. */
export type ModelRewrite = (head: RequestHead, model: string) => string;

/** The model that the rewrite header of the request names; undefined without the header. */
export function targetHeaderOf({ headers: values }: RequestHead): string | undefined {
  return valueOf(values, headerTable.modelRewrite);
}

/**
 * A header of the request takes precedence, then the first rule that names the model, then the first rule for all
 * models. One of several targets is drawn by weight, or evenly if no target has a weight. `rulesNow` may return another
 * array for each request.
 */
export function createModelRewrite(
  rulesNow: () => readonly RewriteRule[],
  random: Random,
): ModelRewrite {
  let rules: readonly RewriteRule[] | undefined;
  let table = tableOf([]);
  return (head, model) => {
    const named = targetHeaderOf(head);
    if (named !== undefined) return named;
    const current = rulesNow();
    if (current !== rules) {
      rules = current;
      table = tableOf(current);
    }
    const rule = table.exact.get(model) ?? table.generic;
    return rule === undefined ? model : drawn(rule.targets, random).modelRewrite;
  };
}

function tableOf(rules: readonly RewriteRule[]) {
  const exact = new Map<string, RewriteRule>();
  let generic: RewriteRule | undefined;
  for (const rule of rules) {
    const matches = rule.matches ?? [];
    if (matches.length === 0) generic ??= rule;
    for (const { model } of matches) if (!exact.has(model.value)) exact.set(model.value, rule);
  }
  return { exact, generic };
}

function drawn(targets: readonly RewriteTarget[], random: Random): RewriteTarget {
  const isWeighted = targets.some(({ weight }) => weight !== undefined);
  const shareOf = ({ weight }: RewriteTarget) => (isWeighted ? (weight ?? 0) : 1);
  const sum = targets.reduce((shares, target) => shares + shareOf(target), 0);
  let left = random() * sum;
  for (const target of targets) {
    left -= shareOf(target);
    if (left < 0) return target;
  }
  // Rounding can leave `left` at 0 after the last target: take the last one that has a share.
  const last = targets.findLast((target) => shareOf(target) > 0);
  if (last === undefined) throw new Error("a rewrite rule has a target");
  return last;
}
