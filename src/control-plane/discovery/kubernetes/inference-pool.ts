import { z } from "zod";
import type { KubeObject } from "../../kubernetes/kube-api.ts";

/** The pods of the pool, and their ports that are endpoints. */
export interface PoolSelection {
  /** In the syntax of label selectors: `app=vllm,role=decode`. */
  readonly labelSelector: string;
  /** 1 to 8 different ports. */
  readonly targetPorts: readonly number[];
}

/** A version of InferencePool and its place in the API. */
export interface PoolVersion {
  readonly group: string;
  readonly version: string;
}

const standardGroup = "inference.networking.k8s.io";
const legacyGroup = "inference.networking.x-k8s.io";

/**
 * Versions of the pool to look for, in order of precedence. As in llm-d-router, the legacy group
 * counts only if the standard one has no pool of the name, whichever of the two was configured.
 */
export function poolVersionsOf(group: string): readonly PoolVersion[] {
  const usual = [
    { group: standardGroup, version: "v1" },
    { group: legacyGroup, version: "v1alpha2" },
  ];
  const isUsual = usual.some((each) => each.group === group);
  return isUsual ? usual : [{ group, version: "v1" }, ...usual];
}

const port = z.int().min(1).max(65_535);

const poolSchema = z.object({
  spec: z.union([
    z.object({
      selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
      targetPorts: z.array(z.object({ number: port })).min(1),
    }),
    // v1alpha2
    z
      .object({ selector: z.record(z.string(), z.string()), targetPortNumber: port })
      .transform(({ selector, targetPortNumber }) => ({
        selector: { matchLabels: selector },
        targetPorts: [{ number: targetPortNumber }],
      })),
  ]),
});

/** Selection of a pool of any version; undefined if its selector is not supported. */
export function poolSelectionOf(object: KubeObject): PoolSelection | undefined {
  const parsed = poolSchema.safeParse(object);
  if (!parsed.success) return undefined;
  const { selector, targetPorts } = parsed.data.spec;
  return {
    labelSelector: labelSelectorOf(selector.matchLabels),
    targetPorts: [...new Set(targetPorts.map(({ number }) => number))],
  };
}

/** Labels in the syntax of label selectors. */
export function labelSelectorOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(",");
}
