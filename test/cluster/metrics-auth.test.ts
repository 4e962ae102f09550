import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { anInferencePool, aServiceAccount } from "#test/support/kube/objects.ts";
import type { ClusterPicker } from "#test/support/kube/picker.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

const rbac = "rbac.authorization.k8s.io";

/** A ClusterRole, and a ServiceAccount that has it. */
async function grant(name: string, rules: readonly object[], namespace: string): Promise<void> {
  const { client } = plane();
  const apiVersion = `${rbac}/v1`;
  await client.apply({ apiVersion, kind: "ClusterRole", metadata: { name }, rules });
  await client.apply({
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: { name: `${namespace}-${name}` },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
    subjects: [{ kind: "ServiceAccount", name, namespace }],
  });
}

const reviews = [
  { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
  { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
];

let namespace: TestNamespace;

beforeAll(async () => {
  const { inferencePool, llmD } = await crdFiles(() => undefined);
  await plane().client.applyCrds([...inferencePool, ...llmD]);
});

beforeEach(async () => {
  namespace = await cluster.namespace();
  const pool = { name: "llama", namespace: namespace.name, selector: { app: "vllm" } };
  await plane().client.apply(anInferencePool(pool));
});

async function guardedPicker(): Promise<ClusterPicker> {
  const picker = await cluster.picker({
    kubeconfig: namespace.kubeconfig,
    flags: [
      ...["--pool-name", "llama", "--pool-namespace", namespace.name, "--metrics-endpoint-auth"],
    ],
  });
  await becomes(() => picker.health("readiness"), "SERVING");
  return picker;
}

async function tokenOf(name: string): Promise<string> {
  const account = aServiceAccount({ name, namespace: namespace.name });
  await plane().client.apply(account);
  return plane().client.tokenOf(account);
}

function get({ ports }: ClusterPicker, path: string, token?: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${ports.metrics}${path}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
}

async function statusesOf(picker: ClusterPicker, token?: string): Promise<number[]> {
  const paths = ["/metrics", "/debug/pool", "/healthz", "/readyz"];
  return Promise.all(paths.map(async (path) => (await get(picker, path, token)).status));
}

describe("the metrics port with --metrics-endpoint-auth", () => {
  it("answers those whom the cluster lets read", async () => {
    await grant("picker", reviews, namespace.name);
    const picker = await guardedPicker();
    const nobody = await get(picker, "/metrics");
    expect([nobody.status, nobody.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect(await statusesOf(picker)).toEqual([401, 401, 200, 200]);
    expect(await statusesOf(picker, "made-up")).toEqual([401, 401, 200, 200]);

    const stranger = await tokenOf("stranger");
    expect(await statusesOf(picker, stranger)).toEqual([403, 403, 200, 200]);
    expect(await (await get(picker, "/metrics", stranger)).text()).toBe(
      `system:serviceaccount:${namespace.name}:stranger is not allowed to get /metrics\n`,
    );

    const readMetrics = [{ nonResourceURLs: ["/metrics"], verbs: ["get"] }];
    const prometheus = await tokenOf("prometheus");
    await grant("prometheus", readMetrics, namespace.name);
    await becomes(() => statusesOf(picker, prometheus), [200, 403, 200, 200], 15_000);
    expect(await (await get(picker, "/metrics", prometheus)).text()).toContain("llm_d_epp_");
  });

  it("answers the picker's own account", async () => {
    await grant("picker", reviews, namespace.name);
    const picker = await guardedPicker();
    expect(await statusesOf(picker, namespace.token)).toEqual([200, 200, 200, 200]);
  });

  it("lets nobody in, and says why, where the picker may not ask; it stays healthy", async () => {
    const picker = await guardedPicker();
    const token = await tokenOf("prometheus");
    expect(await statusesOf(picker, token)).toEqual([503, 503, 200, 200]);
    const text = await (await get(picker, "/metrics", token)).text();
    expect(text).toContain("ClusterRole");
    expect(text).toContain("--metrics-endpoint-auth=false");
    expect(await picker.health("liveness")).toBe("SERVING");
    await grant("picker", reviews, namespace.name);
    await becomes(async () => (await get(picker, "/metrics", token)).status, 403);
  });

  it("goes on for a while for those it knows when the API server is away", async () => {
    await grant("picker", reviews, namespace.name);
    const picker = await guardedPicker();
    expect((await get(picker, "/metrics", namespace.token)).status).toBe(200);
    await plane().killApiServer();
    try {
      expect((await get(picker, "/metrics", namespace.token)).status).toBe(200);
      expect((await get(picker, "/debug/pool", namespace.token)).status).toBe(503);
      expect(await picker.health("readiness")).toBe("SERVING");
    } finally {
      await plane().startApiServer();
    }
  });
});
