import { headerTable, valueOf } from "../core/headers.ts";
import type { RewriteRule, RewriteTarget } from "../core/policies.ts";
import type { RequestHead } from "../core/request.ts";
import type { Random } from "../std/random.ts";

/** The model to ask the engine for. */
export type ModelRewrite = (head: RequestHead, model: string) => string;

/** The model that a header of the request names; undefined if none does. */
export function targetHeaderOf({ headers: values }: RequestHead): string | undefined {
  return valueOf(values, headerTable.modelRewrite);
}

/**
 * A header decides; else the first rule that names the model, else the first for all models. Of
 * several targets one is drawn by weight, or evenly where no target has one. `rulesNow` may give
 * another array from one request to the next.
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
  // Rounding may leave a rest of nothing: the last one that has a share.
  const last = targets.findLast((target) => shareOf(target) > 0);
  if (last === undefined) throw new Error("a rewrite rule has a target");
  return last;
}
