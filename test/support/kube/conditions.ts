import type { KubeClient, KubeRef } from "./client.ts";

/**
 * What controllers say of an object, a line for each condition, `Accepted True`: of the object itself,
 * and of its listeners, parents and ancestors where it has some. A condition that is not as wished
 * for has its reason and message behind.
 */
export async function conditionsOf(client: KubeClient, ref: KubeRef): Promise<readonly string[]> {
  const conditions = conditionsIn((await client.get(ref)).status);
  const lines = conditions.filter((condition) => !isGoodNews(condition)).map(lineOf);
  return [...new Set(lines)].toSorted();
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

function conditionsIn(value: unknown): readonly Condition[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([field, inner]: [string, unknown]) =>
    // By the conventions of the Kubernetes API a field of this name is a list of conditions.
    field === "conditions" ? (inner as readonly Condition[]) : conditionsIn(inner),
  );
}

/** Of a condition that one wishes not to have, `False` is nothing to speak of. */
function isGoodNews({ type, status }: Condition): boolean {
  return type === "Conflicted" && status === "False";
}

function lineOf({ type, status, reason, message }: Condition): string {
  return `${type} ${status}${status === "True" ? "" : `: ${reason}, ${message}`}`;
}
