import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { start } from "#test/support/child.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { createNetworkNamespace } from "#test/support/kube/network-namespace.ts";
import { anInferencePool, aPod } from "#test/support/kube/objects.ts";
import { type ClusterPicker, commandOf } from "#test/support/kube/picker.ts";

const network = createNetworkNamespace();
afterAll(() => network.close());
const plane = controlPlaneOfFile({ namespace: network });
const cluster = clusterPickers(plane);

const selector = { app: "vllm" };
const rbac = "rbac.authorization.k8s.io";

beforeAll(async () => {
  const { inferencePool } = await crdFiles(() => undefined);
  const { client } = plane();
  await client.applyCrds(inferencePool);
  await client.apply({
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRole",
    metadata: { name: "reviews" },
    rules: [
      { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
      {
        apiGroups: ["authorization.k8s.io"],
        resources: ["subjectaccessreviews"],
        verbs: ["create"],
      },
    ],
  });
});

let namespace: TestNamespace;

beforeEach(async () => {
  namespace = await cluster.namespace();
  const { client } = plane();
  await client.apply(anInferencePool({ name: "llama", namespace: namespace.name, selector }));
  await client.apply({
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: `reviews-${namespace.name}` },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "reviews" },
    subjects: [{ kind: "ServiceAccount", name: "picker", namespace: namespace.name }],
  });
});

const pod = () => ({ plane: plane(), token: namespace.token });

function startPicker(...flags: readonly string[]): Promise<ClusterPicker> {
  return cluster.picker({
    namespace: network,
    pod: pod(),
    env: { NAMESPACE: namespace.name, POD_NAME: "picker-7d9c5b8f6d-x2x4z" },
    flags: ["--pool-name", "llama", ...flags],
  });
}

/** What a command prints that is run in the picker's pod, and its exit code. */
async function execute(argv: readonly string[]) {
  const options = { namespace: network, pod: pod() };
  const { line, env } = commandOf(options, [process.execPath, "src/main.ts", ...argv]);
  const [program = "", ...rest] = line;
  const child = start(program, rest, env);
  return { code: await child.ended, output: child.output() };
}

describe("a picker in a pod", () => {
  it("finds its cluster, its namespace and its pool by what the kubelet gives it", async () => {
    const ip = "127.3.6.1";
    await plane().client.apply(
      aPod({ name: "a", namespace: namespace.name, labels: selector, ip }),
    );
    const picker = await startPicker("--metrics-endpoint-auth=false");
    await becomes(() => picker.takers(), ["a-rank-0:8000"]);
    expect(await picker.health("readiness")).toBe("SERVING");
  });

  it("shows its metrics to nobody without a token, and its status to who is in the pod", async () => {
    const picker = await startPicker();
    await becomes(() => picker.health("readiness"), "SERVING");
    const url = `http://${network.address}:${picker.ports.metrics}`;
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    expect((await fetch(`${url}/debug/pool`)).status).toBe(401);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const { code, output } = await execute(["status", "--url", url]);
    expect(output).toContain(`pool llama, InferencePool ${namespace.name}/llama: ready`);
    expect(code).toBe(0);
  });

  it("is ready within five seconds with 256 pods, and drains within its time when it is ended", async () => {
    const names = Array.from({ length: 256 }, (_, index) => `p${index}`);
    await Promise.all(
      names.map((name, index) =>
        plane().client.apply(
          aPod({ name, namespace: namespace.name, labels: selector, ip: `127.5.0.${index}` }),
        ),
      ),
    );
    const startMs = performance.now();
    const picker = await startPicker("--metrics-endpoint-auth=false", "--drain-timeout=3s");
    await becomes(() => picker.health("readiness"), "SERVING");
    const readyMs = performance.now() - startMs;
    expect((await picker.takers()).length).toBe(256);
    expect(readyMs).toBeLessThan(5_000);

    const open = picker.open();
    expect((await open.picked).refused).toBeUndefined();
    const endMs = performance.now();
    picker.child.signal("SIGTERM");
    await becomes(() => picker.health("readiness"), "NOT_SERVING", 1_000);
    expect(await picker.health("liveness")).toBe("SERVING");
    // What was under way before goes on, and a proxy that has not noticed yet is still answered.
    expect(await picker.pick()).toMatchObject({ endpoint: expect.any(String) as unknown });
    await open.finish();
    expect(await picker.child.ended).toBe(0);
    expect(performance.now() - endMs).toBeLessThan(5_000);
  });
});
