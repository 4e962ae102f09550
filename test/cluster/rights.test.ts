import { beforeAll, describe, expect, it } from "vitest";
import { type CrdFiles, crdFiles } from "#test/components/crds.ts";
import { startPointsman } from "#test/support/child.ts";
import { jsonLines } from "#test/support/json-lines.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import {
  aLegacyInferencePool,
  anInferenceObjective,
  anInferencePool,
  aPod,
} from "#test/support/kube/objects.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

const selector = { app: "vllm" };
const read = ["get", "list", "watch"];
const standard = "inference.networking.k8s.io";
const legacy = "inference.networking.x-k8s.io";

/** What KServe grants its pickers since 0.18. */
const kserveRules = [
  { apiGroups: [""], resources: ["pods"], verbs: read },
  {
    apiGroups: [standard, legacy],
    resources: ["inferencepools", "inferenceobjectives", "inferencemodels"],
    verbs: read,
  },
  {
    apiGroups: [legacy],
    resources: ["inferencemodelrewrites", "inferencepoolimports"],
    verbs: read,
  },
  {
    apiGroups: ["llm-d.ai"],
    resources: ["inferenceobjectives", "inferencemodelrewrites"],
    verbs: read,
  },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
  {
    apiGroups: ["coordination.k8s.io"],
    resources: ["leases"],
    verbs: [...read, "create", "update", "patch", "delete"],
  },
];

/** What KServe 0.16 granted: no leases, no rewrites. */
const kserve16Rules = [
  { apiGroups: [""], resources: ["pods"], verbs: read },
  {
    apiGroups: [standard, legacy],
    resources: ["inferencepools", "inferenceobjectives", "inferencemodels"],
    verbs: read,
  },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
];

/** What Kaito's production-stack grants: nothing of llm-d.ai. */
const kaitoRules = [
  { apiGroups: [""], resources: ["pods"], verbs: read },
  { apiGroups: [standard], resources: ["inferencepools"], verbs: read },
  {
    apiGroups: [legacy],
    resources: ["inferenceobjectives", "inferencemodelrewrites"],
    verbs: read,
  },
];

const kserveDocument = JSON.stringify({
  apiVersion: "llm-d.ai/v1alpha1",
  kind: "EndpointPickerConfig",
  plugins: [
    { type: "single-profile-handler" },
    { type: "queue-scorer" },
    { type: "kv-cache-utilization-scorer" },
    { type: "prefix-cache-scorer" },
    { type: "no-hit-lru-scorer" },
    { type: "max-score-picker" },
  ],
  schedulingProfiles: [
    {
      name: "default",
      plugins: [
        { pluginRef: "queue-scorer", weight: 2 },
        { pluginRef: "kv-cache-utilization-scorer", weight: 2 },
        { pluginRef: "prefix-cache-scorer", weight: 3 },
        { pluginRef: "no-hit-lru-scorer", weight: 2 },
        { pluginRef: "max-score-picker" },
      ],
    },
  ],
});

/** The ports of a deployment may be in use here: what stands last wins. */
const freePorts = ["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"];

let crds: CrdFiles;
beforeAll(async () => {
  crds = await crdFiles(() => undefined);
});

async function withPod({ name: namespace }: TestNamespace): Promise<void> {
  await plane().client.apply(aPod({ name: "a", namespace, labels: selector, ip: "127.3.4.1" }));
}

async function poolIn(namespace: TestNamespace): Promise<void> {
  await plane().client.apply(
    anInferencePool({ name: "llama", namespace: namespace.name, selector }),
  );
  await withPod(namespace);
}

/** What `pointsman doctor` prints about a picker. */
async function doctorOf({ ports }: { readonly ports: { readonly metrics: number } }) {
  const child = startPointsman(["doctor", "--url", `http://127.0.0.1:${ports.metrics}`]);
  await child.ended;
  return child.output();
}

/** Kinds that a picker said it may not read, once for each time it said so. */
function complaints(output: string): readonly string[] {
  return jsonLines<{ msg: string; kind: string; reason: string }>(output)
    .filter(({ msg, reason }) => msg === "watch not started" && reason.includes("is forbidden"))
    .map(({ kind }) => kind)
    .toSorted();
}

describe("where the pool is of the old kind alone", () => {
  it("KServe 0.16's arguments and Role are enough", async () => {
    await plane().client.applyCrds(crds.legacy);
    const namespace = await cluster.namespace(kserve16Rules);
    const pool = { name: "llama", namespace: namespace.name, selector };
    await plane().client.apply(aLegacyInferencePool(pool));
    await withPod(namespace);
    const picker = await cluster.picker({
      kubeconfig: namespace.kubeconfig,
      flags: [
        ...["--poolName", "llama", "--poolNamespace", namespace.name, "--zap-encoder", "json"],
        ...["--grpcPort", "9002", "--grpcHealthPort", "9003", "--configText"],
        kserveDocument.replace("llm-d.ai/v1alpha1", "inference.networking.x-k8s.io/v1alpha1"),
        ...freePorts,
      ],
    });
    await becomes(() => picker.takers(), ["a-rank-0:8000"]);
    expect(await picker.health("envoy.service.ext_proc.v3.ExternalProcessor")).toBe("SERVING");
    // Once for each kind, however often it is tried again.
    await new Promise((resolve) => {
      setTimeout(resolve, 3_000);
    });
    const said = complaints(picker.child.output());
    expect(new Set(said).size).toBe(said.length);
    expect(said).toContain(`InferenceModelRewrites of ${legacy}`);
  });
});

describe("with the Roles that others ship", () => {
  beforeAll(async () => {
    const { client } = plane();
    await client.applyCrds([...crds.inferencePool, ...crds.llmD, ...crds.legacy]);
  });

  it("KServe's arguments and Role are enough, also with four empty words", async () => {
    const namespace = await cluster.namespace(kserveRules);
    await poolIn(namespace);
    const picker = await cluster.picker({
      kubeconfig: namespace.kubeconfig,
      flags: [
        ...["--pool-name", "llama", "--pool-namespace", namespace.name, "--zap-encoder", "json"],
        ...["--grpc-port", "9002", "--grpc-health-port", "9003", "", "", "", ""],
        ...["--config-text", kserveDocument, ...freePorts],
      ],
    });
    await becomes(() => picker.takers(), ["a-rank-0:8000"]);
    expect(await picker.health("readiness")).toBe("SERVING");
    expect(complaints(picker.child.output())).toEqual([]);
  });

  it("Kaito's Role is enough, and objectives of the legacy group count under it", async () => {
    const namespace = await cluster.namespace(kaitoRules);
    await poolIn(namespace);
    const picker = await cluster.picker({
      kubeconfig: namespace.kubeconfig,
      flags: [
        ...["--pool-name", "llama", "--pool-namespace", namespace.name, "--zap-encoder", "json"],
        ...["--tracing=false", "--metrics-endpoint-auth=false", "--v=1"],
        // The test waits for a line that is not logged at 1.
        "--v=2",
      ],
    });
    await becomes(() => picker.takers(), ["a-rank-0:8000"]);
    const urgent = { name: "urgent", namespace: namespace.name, pool: "llama", group: legacy };
    await plane().client.apply(anInferenceObjective({ ...urgent, group: legacy, priority: 9 }));
    await becomes(async () => {
      await picker.pick({ "x-gateway-inference-objective": "urgent" });
      const page = await fetch(`http://127.0.0.1:${picker.ports.metrics}/debug/decisions?last=1`);
      // The page is the picker's own.
      const { decisions } = (await page.json()) as { decisions: { priority: number }[] };
      return decisions[0]?.priority;
    }, 9);
    expect(complaints(picker.child.output())).toEqual([
      "InferenceModelRewrites of llm-d.ai",
      "InferenceObjectives of llm-d.ai",
      `InferencePool ${namespace.name}/llama of ${legacy}/v1alpha2`,
    ]);
  });

  it("a picker without the right to pods says so, alive and not ready, until it has it", async () => {
    const [, ...withoutPods] = kserveRules;
    const namespace = await cluster.namespace(withoutPods);
    await poolIn(namespace);
    const picker = await cluster.picker({
      kubeconfig: namespace.kubeconfig,
      flags: ["--pool-name", "llama", "--pool-namespace", namespace.name],
    });
    await becomes(
      async () => (await picker.page()).problem?.includes('cannot list resource "pods"'),
      true,
    );
    expect(await picker.health("liveness")).toBe("SERVING");
    expect(await picker.health("readiness")).toBe("NOT_SERVING");
    const said = await doctorOf(picker);
    const rule = '{apiGroups: [""], resources: [pods], verbs: [get, list, watch]}';
    expect(said).toMatch(/^error .*cannot list resource "pods".*\[not-followed\]\n/u);
    expect(said).toContain(
      `add to a Role of service account ${namespace.name}/picker in namespace ${namespace.name}: ${rule}`,
    );
    await plane().client.apply({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "picker", namespace: namespace.name },
      rules: kserveRules,
    });
    await becomes(() => picker.health("readiness"), "SERVING", 20_000);
  });
});
