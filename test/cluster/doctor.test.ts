import { beforeAll, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { startPointsman } from "#test/support/child.ts";
import { clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import type { KubeObject } from "#test/support/kube/client.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { anInferencePool, aPod, aService } from "#test/support/kube/objects.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

const read = ["get", "list", "watch"];
const podRule = { apiGroups: [""], resources: ["pods"], verbs: read };
const allRules = [
  podRule,
  { apiGroups: ["inference.networking.k8s.io"], resources: ["inferencepools"], verbs: read },
  {
    apiGroups: ["llm-d.ai"],
    resources: ["inferenceobjectives", "inferencemodelrewrites"],
    verbs: read,
  },
];
const selector = { app: "vllm" };
const pickerLabels = { app: "picker" };

let kubeconfig = "";
beforeAll(async () => {
  const { inferencePool, llmD } = await crdFiles(() => undefined);
  await plane().client.applyCrds([...inferencePool, ...llmD]);
  kubeconfig = await plane().kubeconfigFor(plane().adminToken);
});

interface Printed {
  readonly code: number | string;
  readonly found: readonly string[];
  readonly changes: readonly string[];
  readonly notChecked: readonly string[];
}

async function doctor(namespace: string, ...flags: readonly string[]): Promise<Printed> {
  const child = startPointsman([
    ...["doctor", "--kubeconfig", kubeconfig, "--pool-name", "llama"],
    ...["--pool-namespace", namespace, "--json", ...flags],
  ]);
  const code = await child.ended;
  const { findings, notChecked } = JSON.parse(child.output()) as {
    readonly findings: readonly Readonly<Record<string, string>>[];
    readonly notChecked: readonly string[];
  };
  return {
    code,
    found: findings.map(({ severity, code: kind }) => `${severity} ${kind}`),
    changes: findings.map(({ what, change }) => `${what}: ${change}`),
    notChecked,
  };
}

const aPool = (namespace: string): KubeObject =>
  anInferencePool({ name: "llama", namespace, selector });

function pickerPod(namespace: string, ready: boolean, ...flags: readonly string[]): KubeObject {
  const pod = aPod({ name: "picker-0", namespace, labels: pickerLabels, ip: "127.3.4.9", ready });
  const containers = [{ name: "epp", image: "picker", args: ["--pool-name=llama", ...flags] }];
  return { ...pod, spec: { ...Object(pod["spec"]), serviceAccountName: "picker", containers } };
}

const noAuth = "--metrics-endpoint-auth=false";

function aCondition(type: string, isTrue: boolean): object {
  return {
    type,
    status: isTrue ? "True" : "False",
    reason: isTrue ? type : "NotSupportedByParent",
    message: isTrue ? "" : "this gateway has no extension for pools",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  };
}

/** A gateway's word about the pool. */
function statusOf(isAccepted: boolean): object {
  const conditions = [aCondition("Accepted", isAccepted), aCondition("ResolvedRefs", true)];
  const parentRef = { group: "gateway.networking.k8s.io", kind: "Gateway", name: "inference" };
  return { status: { parents: [{ parentRef, conditions }] } };
}

async function wholePool(
  { name: namespace }: TestNamespace,
  ...flags: readonly string[]
): Promise<void> {
  const { client } = plane();
  await client.apply(aPool(namespace));
  await client.patch(aPool(namespace), statusOf(true), "status");
  await client.apply(aPod({ name: "a", namespace, labels: selector, ip: "127.3.4.1" }));
  await client.apply(aService({ name: "picker", namespace, port: 9002, selector: pickerLabels }));
  await client.apply(pickerPod(namespace, true, noAuth, ...flags));
}

describe("doctor and the pool of a cluster", () => {
  it("has no finding if all is well", async () => {
    const namespace = await cluster.namespace(allRules);
    await wholePool(namespace);
    expect(await doctor(namespace.name, "--strict")).toEqual({
      code: 0,
      found: [],
      changes: [],
      notChecked: [],
    });
  });

  it("names what is missing, step by step, as a newcomer installs it", async () => {
    const { name: namespace } = await cluster.namespace([podRule]);
    const { client } = plane();
    expect(await doctor(namespace)).toMatchObject({ code: 1, found: ["error pool-missing"] });

    await client.apply(aPool(namespace));
    const bare = await doctor(namespace);
    expect(bare.found).toEqual([
      "error pool-without-pods",
      "error picker-service-missing",
      "warning pool-not-referenced",
    ]);
    expect(bare.notChecked).toEqual([expect.stringContaining("--service-account")]);

    await client.apply(
      aPod({ name: "a", namespace, labels: selector, ip: "127.3.4.1", ready: false }),
    );
    await client.apply(aService({ name: "picker", namespace, port: 9001, selector: pickerLabels }));
    await client.apply(pickerPod(namespace, false, noAuth));
    await client.patch(aPool(namespace), statusOf(false), "status");
    const begun = await doctor(namespace);
    expect(begun.found).toEqual([
      "error no-pod-ready",
      "error picker-port-missing",
      "error no-picker-ready",
      "error pool-not-accepted",
      "error right-missing",
      "warning right-missing",
      "warning right-missing",
    ]);
    expect(begun.changes.join("\n")).toContain("this gateway has no extension for pools");
    expect(begun.changes.join("\n")).toContain(
      `service account ${namespace}/picker may not get, list, watch inferencepools of inference.networking.k8s.io`,
    );
  });

  it("reviews the rights that the flags of the picker need", async () => {
    const flags = ["--ha-enable-leader-election", "--config-map=$(NAMESPACE)/picker"];
    const lease = { apiGroups: ["coordination.k8s.io"], resources: ["leases"] };
    const without = await cluster.namespace([...allRules, { ...lease, verbs: ["create", "get"] }]);
    await wholePool(without, ...flags);
    const { found, changes } = await doctor(without.name);
    expect(found).toEqual(["error right-missing", "error right-missing", "warning right-missing"]);
    expect(changes.join("\n")).toContain(
      `may not update leases epp-${without.name}-llama.llm-d.ai of coordination.k8s.io`,
    );
    expect(changes.join("\n")).toContain("may not get, list, watch configmaps picker");

    const whole = await cluster.namespace([
      ...allRules,
      { ...lease, verbs: ["create", "get", "update", "list", "watch"] },
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["picker"], verbs: read },
    ]);
    await wholePool(whole, ...flags);
    expect((await doctor(whole.name)).found).toEqual([]);
    await plane().client.delete(pickerPod(whole.name, true), 0);
    await plane().client.apply(pickerPod(whole.name, true));
    // No ClusterRole lets it review readers.
    const reviews = await doctor(whole.name);
    expect(reviews.found).toEqual(["warning right-missing", "warning right-missing"]);
    expect(reviews.changes.join("\n")).toContain("may not create tokenreviews");
    expect(reviews.changes.join("\n")).toContain("add to a ClusterRole of the account");
  });

  it("reviews the rights of an account that is named, and says what it may not do itself", async () => {
    const namespace = await cluster.namespace(allRules);
    await wholePool(namespace);
    const other = await doctor(namespace.name, "--service-account", `${namespace.name}/other`);
    expect(other.found).toEqual([
      "error right-missing",
      "error right-missing",
      "warning right-missing",
      "warning right-missing",
    ]);
    const own = await doctor(namespace.name, "--kubeconfig", namespace.kubeconfig);
    expect(own.found).toEqual([]);
    expect(own.notChecked.join("\n")).toMatch(/cannot (?:get|create) resource/u);
  });
});
