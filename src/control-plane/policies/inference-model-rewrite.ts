import { z } from "zod";
import type { RewriteRule } from "../../core/policies.ts";
import type { KubeObject } from "../kubernetes/kube-api.ts";
import { isFor, type PolicyTarget, poolRefSchema } from "./pool-ref.ts";

/** Fields of an InferenceModelRewrite that are read. */
export interface InferenceModelRewrite {
  readonly name: string;
  readonly createdAt: string;
  readonly rules: readonly RewriteRule[];
}

const ruleSchema = z.object({
  matches: z
    .array(z.object({ model: z.object({ type: z.string().nullish(), value: z.string().min(1) }) }))
    .nullish(),
  targets: z
    .array(z.object({ modelRewrite: z.string(), weight: z.int().min(1).nullish() }))
    .nullish(),
});

const rewriteSchema = z.object({
  metadata: z.object({ name: z.string(), creationTimestamp: z.string().nullish() }),
  spec: z.object({ poolRef: poolRefSchema, rules: z.array(ruleSchema) }),
});

/** Rewrites for the pool; undefined for those of another pool and for other objects. */
export function modelRewriteOf(
  object: KubeObject,
  target: PolicyTarget,
): InferenceModelRewrite | undefined {
  const parsed = rewriteSchema.safeParse(object);
  if (!parsed.success) return undefined;
  const { metadata, spec } = parsed.data;
  if (!isFor(spec.poolRef, target)) return undefined;
  return {
    name: metadata.name,
    createdAt: metadata.creationTimestamp ?? "",
    rules: spec.rules.flatMap((rule) => rulesOf(rule)),
  };
}

/** The rule without matches of unknown types, which match nothing. */
function rulesOf({ matches, targets }: z.infer<typeof ruleSchema>): RewriteRule[] {
  const exact = (matches ?? []).filter(({ model }) => (model.type ?? "Exact") === "Exact");
  const isGeneric = (matches ?? []).length === 0;
  if (!isGeneric && exact.length === 0) return [];
  const known = (targets ?? []).map(({ modelRewrite, weight }) => ({
    modelRewrite,
    weight: weight ?? undefined,
  }));
  if (known.length === 0) return [];
  return [
    { matches: exact.map(({ model }) => ({ model: { value: model.value } })), targets: known },
  ];
}

/** The rules of all objects in order of precedence: the oldest object first. */
export function rewriteRulesOf(rewrites: Iterable<InferenceModelRewrite>): readonly RewriteRule[] {
  return [...rewrites]
    .toSorted((a, b) => compared(a.createdAt, b.createdAt) || compared(a.name, b.name))
    .flatMap(({ rules }) => rules);
}

function compared(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
