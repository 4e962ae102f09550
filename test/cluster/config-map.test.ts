import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import {
  becomes,
  clusterPickers,
  poolRules,
  type TestNamespace,
} from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { aConfigMap, anInferencePool } from "#test/support/kube/objects.ts";
import type { ClusterPicker } from "#test/support/kube/picker.ts";
import { eventually } from "#test/support/wait.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

beforeAll(async () => {
  const { inferencePool } = await crdFiles(() => undefined);
  await plane().client.applyCrds(inferencePool);
});

const rules = [
  ...poolRules,
  {
    apiGroups: [""],
    resources: ["configmaps"],
    resourceNames: ["routing"],
    verbs: ["get", "list", "watch"],
  },
  { apiGroups: [""], resources: ["events"], verbs: ["create"] },
];

let namespace: TestNamespace;

beforeEach(async () => {
  namespace = await cluster.namespace(rules);
  await plane().client.apply(
    anInferencePool({ name: "llama", namespace: namespace.name, selector: { app: "vllm" } }),
  );
});

function startPicker(): Promise<ClusterPicker> {
  return cluster.picker({
    kubeconfig: namespace.kubeconfig,
    flags: [
      ...["--pool-name", "llama", "--pool-namespace", namespace.name],
      ...["--config-map", `${namespace.name}/routing`],
    ],
    env: { POD_NAME: "picker-0" },
  });
}

const document = (plugin: string) =>
  `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins: [{type: ${plugin}}]\n`;

function setDocument(text: string) {
  const data = { "config.yaml": text };
  return plane().client.apply(aConfigMap({ name: "routing", namespace: namespace.name, data }));
}

async function configOf(picker: ClusterPicker) {
  const response = await fetch(`http://127.0.0.1:${picker.ports.metrics}/debug/config`);
  // The page is the picker's own.
  return (await response.json()) as {
    document: string;
    refused: { mistakes: readonly string[] } | null;
  };
}

async function events() {
  const { items } = await plane().client.list({
    apiVersion: "v1",
    kind: "Event",
    metadata: { namespace: namespace.name },
  });
  return items;
}

describe("a configuration in a ConfigMap", () => {
  it("is in force before the picker is ready, and follows every good change", async () => {
    await setDocument(document("queue-scorer"));
    const picker = await startPicker();
    await becomes(() => picker.health("readiness"), "SERVING");
    expect((await configOf(picker)).document).toContain("queue-scorer");
    await setDocument(document("kv-cache-utilization-scorer"));
    await becomes(async () => (await configOf(picker)).document.includes("kv-cache"), true, 2_000);
  });

  it("is waited for, not ready, where it does not exist yet", async () => {
    const picker = await startPicker();
    await becomes(async () => (await picker.page()).problem, null);
    expect(await picker.health("readiness")).toBe("NOT_SERVING");
    expect(await picker.health("liveness")).toBe("SERVING");
    await setDocument(document("queue-scorer"));
    await becomes(() => picker.health("readiness"), "SERVING");
  });

  it("stays as it was where a change is bad, and the ConfigMap's events say why", async () => {
    await setDocument(document("queue-scorer"));
    const picker = await startPicker();
    await becomes(() => picker.health("readiness"), "SERVING");
    await setDocument(document("queue-scorre"));
    await eventually("the mistake", async () => (await configOf(picker)).refused ?? undefined);
    expect((await configOf(picker)).document).toContain("queue-scorer");
    expect(await picker.health("readiness")).toBe("SERVING");
    const event = await eventually("the event", async () =>
      (await events()).find(({ reason }) => reason === "ConfigurationRefused"),
    );
    expect(event).toMatchObject({
      type: "Warning",
      message: expect.stringMatching(
        /stays in force: plugins\[0\]\.type: .*queue-scorre.*queue-scorer/,
      ) as unknown,
      involvedObject: { kind: "ConfigMap", name: "routing", namespace: namespace.name },
      reportingInstance: "picker-0",
    });
    await setDocument(document("queue-scorer"));
    await becomes(async () => (await configOf(picker)).refused, null);
  });

  it("stays in force when the ConfigMap is deleted, and is well again when it comes back", async () => {
    await setDocument(document("queue-scorer"));
    const picker = await startPicker();
    await becomes(() => picker.health("readiness"), "SERVING");
    await plane().client.delete(
      aConfigMap({ name: "routing", namespace: namespace.name, data: {} }),
    );
    await becomes(
      async () => (await configOf(picker)).refused?.mistakes,
      ["the ConfigMap does not exist"],
    );
    expect((await configOf(picker)).document).toContain("queue-scorer");
    expect(await picker.health("readiness")).toBe("SERVING");
    await setDocument(document("queue-scorer"));
    await becomes(async () => (await configOf(picker)).refused, null);
  });
});
