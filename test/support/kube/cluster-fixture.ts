import { afterEach } from "vitest";
import { eventually } from "../wait.ts";
import type { ControlPlane } from "./control-plane.ts";
import { aNamespace, aRole, aRoleBinding, aServiceAccount } from "./objects.ts";
import { ClusterPicker, type PickerOptions } from "./picker.ts";

type RoleRules = Parameters<typeof aRole>[0]["rules"];

const read = ["get", "list", "watch"];
const policies = ["inferenceobjectives", "inferencemodelrewrites"];
const legacy = "inference.networking.x-k8s.io";

/** What a picker of an InferencePool reads, and nothing more. */
export const poolRules: RoleRules = [
  { apiGroups: [""], resources: ["pods"], verbs: read },
  {
    apiGroups: ["inference.networking.k8s.io", legacy],
    resources: ["inferencepools"],
    verbs: read,
  },
  { apiGroups: ["llm-d.ai", legacy], resources: policies, verbs: read },
];

/** Namespaces and pickers of one test after another; the pickers end with their test. */
export function clusterPickers(plane: () => ControlPlane) {
  let pickers: ClusterPicker[] = [];
  let count = 0;
  afterEach(async () => {
    await Promise.all(pickers.map((picker) => picker.close()));
    pickers = [];
  });
  return {
    /** A new namespace, and a kubeconfig of a ServiceAccount in it that may do what `rules` say. */
    async namespace(rules: RoleRules = poolRules): Promise<TestNamespace> {
      count += 1;
      const namespace = `test-${count}`;
      const { client } = plane();
      await client.apply(aNamespace(namespace));
      const account = aServiceAccount({ name: "picker", namespace });
      await client.apply(account);
      await client.apply(aRole({ name: "picker", namespace, rules }));
      await client.apply(
        aRoleBinding({ name: "picker", namespace, role: "picker", serviceAccount: "picker" }),
      );
      const token = await client.tokenOf(account);
      return { name: namespace, token, kubeconfig: await plane().kubeconfigFor(token) };
    },
    async picker(options: PickerOptions): Promise<ClusterPicker> {
      const picker = await ClusterPicker.start(options);
      pickers.push(picker);
      return picker;
    },
  };
}

export interface TestNamespace {
  readonly name: string;
  readonly token: string;
  readonly kubeconfig: string;
}

/** Resolves once `look` gives what is wanted; fails with what it gave last. */
export async function becomes<T>(
  look: () => Promise<T>,
  wanted: T,
  timeoutMs?: number,
): Promise<void> {
  let last: T | undefined;
  const text = JSON.stringify(wanted);
  await eventually(
    `it becomes ${text}`,
    async () => {
      last = await look();
      return JSON.stringify(last) === text ? true : undefined;
    },
    timeoutMs,
  ).catch((cause: unknown) => {
    throw new Error(`wanted ${text}, and it was ${JSON.stringify(last)}`, { cause });
  });
}
