import { z } from "zod";
import type { KubeObject } from "../kubernetes/kube-api.ts";
import { isFor, type PolicyTarget, poolRefSchema } from "./pool-ref.ts";

/** What is read of an InferenceObjective. */
export interface InferenceObjective {
  readonly name: string;
  /** Higher goes first; below 0 may be shed. */
  readonly priority: number;
}

const objectiveSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ poolRef: poolRefSchema, priority: z.int().nullish() }),
});

/** An objective for the pool; undefined for one of another pool, or for what is none. */
export function objectiveOf(
  object: KubeObject,
  target: PolicyTarget,
): InferenceObjective | undefined {
  const parsed = objectiveSchema.safeParse(object);
  if (!parsed.success) return undefined;
  const { metadata, spec } = parsed.data;
  if (!isFor(spec.poolRef, target)) return undefined;
  return { name: metadata.name, priority: spec.priority ?? 0 };
}

export function prioritiesOf(
  objectives: Iterable<InferenceObjective>,
): ReadonlyMap<string, number> {
  return new Map([...objectives].map(({ name, priority }) => [name, priority]));
}
