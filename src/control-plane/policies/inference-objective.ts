import { z } from "zod";
import type { KubeObject } from "../kubernetes/kube-api.ts";
import { isFor, type PolicyTarget, poolRefSchema } from "./pool-ref.ts";

/** Fields of an InferenceObjective that are read. */
export interface InferenceObjective {
  readonly name: string;
  /** Higher priorities are served first; below 0 may be shed. */
  readonly priority: number;
}

const objectiveSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ poolRef: poolRefSchema, priority: z.int().nullish() }),
});

/** An objective for the pool; undefined for one of another pool and for other objects. */
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
