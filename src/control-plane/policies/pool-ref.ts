import { z } from "zod";

/** Reference of a cluster object to its pool. */
export interface PolicyTarget {
  /** `InferencePool`, or `Service` if a Service is the pool. */
  readonly kind: string;
  readonly name: string;
  /** The groups under which the pool may be named; the standard one if an object names none. */
  readonly groups: readonly string[];
}

const standardGroup = "inference.networking.k8s.io";
const legacyGroup = "inference.networking.x-k8s.io";

export const poolRefSchema = z.object({
  group: z.string().nullish(),
  kind: z.string().nullish(),
  name: z.string(),
});

/** The pool of a kind, under its own group and the two groups that the kind has had. */
export function policyTargetOf(kind: string, name: string, group?: string): PolicyTarget {
  const groups = new Set([standardGroup, legacyGroup]);
  if (group !== undefined) groups.add(group);
  return { kind, name, groups: [...groups] };
}

/** True if an object is for the pool. The group of a reference to a Service is ignored. */
export function isFor(ref: z.infer<typeof poolRefSchema>, target: PolicyTarget): boolean {
  const { group, kind, name } = ref;
  if (name !== target.name || (kind ?? "InferencePool") !== target.kind) return false;
  return target.kind !== "InferencePool" || target.groups.includes(group ?? standardGroup);
}
