import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { type Child, startPointsman } from "#test/support/child.ts";
import { freePort } from "#test/support/free-port.ts";
import { type Envoy, startEnvoy } from "#test/support/envoy.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { anInferencePool, aPod } from "#test/support/kube/objects.ts";
import { ClusterPicker } from "#test/support/kube/picker.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

const selector = { app: "vllm" };
const names = ["a", "b", "c"];
const addressOf = (name: string) => `127.3.3.${names.indexOf(name) + 1}`;

let namespace: TestNamespace;
let enginePort: number;
let picker: ClusterPicker;
let envoy: Envoy;
let folder: string;
const children: Child[] = [];

/** Simulated engines as pods of a real API server, behind a picker and a real Envoy. */
beforeAll(async () => {
  const { inferencePool } = await crdFiles(() => undefined);
  const { client } = plane();
  await client.applyCrds(inferencePool);
  namespace = await cluster.namespace();
  enginePort = await freePort();
  await Promise.all(
    names.map(async (name) => {
      const engine = startPointsman([
        ...["sim", "--engines", "1", "--host", addressOf(name), "--port", String(enginePort)],
        ...["--admin-port", "0", "--output-tokens", "8"],
      ]);
      children.push(engine);
      await engine.line(/engine-0/);
      await client.apply(
        aPod({ name, namespace: namespace.name, labels: selector, ip: addressOf(name) }),
      );
    }),
  );
  const pool = { name: "llama", namespace: namespace.name, selector, ports: [enginePort] };
  await client.apply(anInferencePool(pool));
  picker = await ClusterPicker.start({
    kubeconfig: namespace.kubeconfig,
    flags: ["--pool-name", "llama", "--pool-namespace", namespace.name, "--health-checking"],
  });
  await becomes(async () => (await picker.takers()).length, names.length);
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-traffic-"));
  envoy = await startEnvoy(folder, {
    pickers: [{ address: "127.0.0.1", port: picker.ports.grpc }],
    pickerTls: false,
    routing: { kind: "original-dst" },
  });
});

afterAll(async () => {
  await envoy?.child.close();
  await picker?.close();
  await Promise.all(children.map((child) => child.close()));
  await rm(folder, { recursive: true, force: true });
});

/** One chat request through Envoy; which pod answered, and how. */
async function chat(): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${envoy.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "sim-model",
      max_tokens: 8,
      messages: [{ role: "user", content: `hello ${Math.random()}` }],
    }),
  });
  return { status: response.status, text: await response.text() };
}

/** Which pods answer this many requests, eight at a time; all of them have to succeed. */
async function podsThatAnswer(count: number): Promise<readonly string[]> {
  const before = (await envoy.accessLog()).length;
  for (let done = 0; done < count; done += 8) {
    const answers = await Promise.all(Array.from({ length: 8 }, chat));
    for (const { status, text } of answers) {
      expect(`${status} ${text.slice(0, 100)}`).toMatch(/^200 .*"object":"chat.completion"/);
    }
  }
  await becomes(async () => (await envoy.accessLog()).length >= before + count, true);
  const entries = (await envoy.accessLog()).slice(before);
  const upstreams = new Set(entries.map(({ upstream }) => upstream));
  return names.filter((name) => upstreams.has(`${addressOf(name)}:${enginePort}`));
}

function setReady(name: string, status: "True" | "False") {
  const conditions = [{ type: "Ready", status }];
  const pod = aPod({ name, namespace: namespace.name });
  return plane().client.patch(pod, { status: { conditions } }, "status");
}

describe("traffic through Envoy", () => {
  it("reaches all pods of the pool", async () => {
    expect(await podsThatAnswer(48)).toEqual(names);
  });

  it("leaves a pod that turns NotReady, with no failure, and returns to it", async () => {
    await setReady("b", "False");
    await becomes(() => picker.excluded(), ["b not-ready"]);
    expect(await podsThatAnswer(48)).toEqual(["a", "c"]);
    await setReady("b", "True");
    await becomes(() => picker.excluded(), []);
    // Its slow start lets it have a little at first.
    await becomes(async () => (await podsThatAnswer(24)).includes("b"), true, 15_000);
  });

  it("lists the models of a pod for a GET without a body", async () => {
    const response = await fetch(`${envoy.url}/v1/models`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ data: [{ id: "sim-model" }] });
  });

  it("is refused with 503 where no pod is left, and flows again with the first one", async () => {
    await Promise.all(names.map((name) => setReady(name, "False")));
    await becomes(async () => (await picker.excluded()).length, names.length);
    expect(await chat()).toMatchObject({ status: 503 });
    await setReady("c", "True");
    await becomes(() => picker.excluded(), ["a not-ready", "b not-ready"]);
    expect(await podsThatAnswer(8)).toEqual(["c"]);
  });
});
