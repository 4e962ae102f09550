import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { aPod, anInferencePool } from "#test/support/kube/objects.ts";
import type { ClusterPicker } from "#test/support/kube/picker.ts";
import { eventually } from "#test/support/wait.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

beforeAll(async () => {
  const { inferencePool } = await crdFiles(() => undefined);
  await plane().client.applyCrds(inferencePool);
});

let namespace: TestNamespace;
let picker: ClusterPicker;

/** A picker of a pool that does not exist yet. */
beforeEach(async () => {
  namespace = await cluster.namespace();
  picker = await cluster.picker({
    kubeconfig: namespace.kubeconfig,
    flags: ["--pool-name", "llama", "--pool-namespace", namespace.name],
  });
});

const selector = { app: "vllm" };

function pool(parts: Partial<Parameters<typeof anInferencePool>[0]> = {}) {
  return plane().client.apply(
    anInferencePool({ name: "llama", namespace: namespace.name, selector, ...parts }),
  );
}

function pod(name: string, parts: Partial<Parameters<typeof aPod>[0]> = {}) {
  const ip = `127.3.0.${name.charCodeAt(0) - 96}`;
  return plane().client.apply(
    aPod({ name, namespace: namespace.name, labels: selector, ip, ...parts }),
  );
}

function ref(kind: string, name: string) {
  return { apiVersion: "v1", kind, metadata: { name, namespace: namespace.name } };
}

function setConditions(name: string, conditions: Readonly<Record<string, string>>) {
  const list = Object.entries(conditions).map(([type, status]) => ({ type, status }));
  return plane().client.patch(ref("Pod", name), { status: { conditions: list } }, "status");
}

const takers = () => picker.takers();
const excluded = () => picker.excluded();

describe("a picker of an InferencePool", () => {
  it("waits for the pool without failing its liveness, and is ready with one of no pods", async () => {
    expect(await picker.health("liveness")).toBe("SERVING");
    for (const name of ["readiness", "inference-extension", ""]) {
      expect(await picker.health(name)).toBe("NOT_SERVING");
    }
    await becomes(async () => (await picker.page()).problem, "it does not exist");
    await pool();
    await becomes(() => picker.health("readiness"), "SERVING");
    expect(await picker.pick()).toBe(503);
  });

  it("follows pods that come, lose their readiness, end and go", async () => {
    await pool();
    await pod("a");
    await pod("b", { nodeName: "node" });
    await pod("c", { ready: false });
    await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000"]);
    await becomes(excluded, ["c not-ready"]);

    await setConditions("c", { Ready: "True" });
    await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000", "c-rank-0:8000"]);
    await setConditions("a", { Ready: "False" });
    await becomes(takers, ["b-rank-0:8000", "c-rank-0:8000"]);
    await plane().client.delete(ref("Pod", "b"));
    await becomes(takers, ["c-rank-0:8000"]);
    expect(await excluded()).toEqual(["a not-ready", "b terminating"]);
    await plane().client.delete(ref("Pod", "b"), 0);
    await plane().client.delete(ref("Pod", "a"), 0);
    await becomes(excluded, []);
    await setConditions("c", { Ready: "Unknown" });
    await becomes(() => picker.pick(), 503);
  });

  it("follows labels, ports and the selector of the pool", async () => {
    await pool();
    await pod("a");
    await pod("b", { labels: { app: "other" } });
    await becomes(takers, ["a-rank-0:8000"]);
    await pod("b", { labels: selector });
    await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000"]);
    await pod("a", { labels: { app: "other" } });
    await becomes(takers, ["b-rank-0:8000"]);
    await pool({ ports: [8000, 8001] });
    await becomes(takers, ["b-rank-0:8000", "b-rank-1:8001"]);
    await pool({ ports: [8002] });
    await becomes(takers, ["b-rank-0:8002"]);
    // Server-side apply of another selector adds to the labels: the old one has to go first.
    await plane().client.patch(
      {
        apiVersion: "inference.networking.k8s.io/v1",
        kind: "InferencePool",
        metadata: { name: "llama", namespace: namespace.name },
      },
      { spec: { selector: { matchLabels: { app: "other" } } } },
    );
    await becomes(takers, ["a-rank-0:8002"]);
  });

  it("never answers nobody while the selector changes to one of the same pods", async () => {
    await pool();
    await pod("a", { labels: { ...selector, tier: "gold" } });
    await becomes(takers, ["a-rank-0:8000"]);
    const answers: unknown[] = [];
    const asking = (async () => {
      const end = performance.now() + 1_000;
      // A machine that is busy with others gives fewer of them a second.
      while (performance.now() < end || answers.length <= 50) {
        answers.push(await picker.pick());
      }
    })();
    await pool({ selector: { ...selector, tier: "gold" } });
    await asking;
    expect(answers.length).toBeGreaterThan(50);
    expect(answers.filter((answer) => typeof answer === "number")).toEqual([]);
  });

  it("empties with the pool, is not ready without it, and comes back with it", async () => {
    await pool();
    await pod("a");
    await becomes(takers, ["a-rank-0:8000"]);
    const poolRef = {
      apiVersion: "inference.networking.k8s.io/v1",
      kind: "InferencePool",
      metadata: { name: "llama", namespace: namespace.name },
    };
    await plane().client.delete(poolRef);
    await becomes(takers, []);
    await becomes(() => picker.health("readiness"), "NOT_SERVING");
    expect(await picker.health("liveness")).toBe("SERVING");
    await pool({ ports: [9000] });
    await becomes(takers, ["a-rank-0:9000"]);
    await becomes(() => picker.health("readiness"), "SERVING");
  });

  it("leaves an address to the pod that takes requests, of two of these to the younger", async () => {
    await pool();
    const ip = "127.3.0.9";
    const held = aPod({ name: "a", namespace: namespace.name, labels: selector, ip });
    await plane().client.apply({
      ...held,
      metadata: { ...held.metadata, finalizers: ["example.com/held"] },
    } as typeof held);
    await becomes(takers, ["a-rank-0:8000"]);
    await plane().client.delete(ref("Pod", "a"), 0);
    await becomes(takers, []);
    await pod("b", { ip });
    await becomes(takers, ["b-rank-0:8000"]);
    expect(await excluded()).toEqual(["a terminating", "a-rank-0 duplicate-address"]);
    expect(await picker.pick()).toMatchObject({ endpoint: `${ip}:8000` });

    // The API server counts in seconds: another pod is younger from the next one on.
    const nextSecondMs = Date.now() - (Date.now() % 1_000) + 1_000;
    await eventually("another second", () => (Date.now() >= nextSecondMs ? true : undefined));
    await pod("c", { ip });
    await becomes(takers, ["c-rank-0:8000"]);
    await setConditions("c", { Ready: "False" });
    await becomes(takers, ["b-rank-0:8000"]);
    expect(picker.child.output()).not.toContain('"msg":"pool not read"');
  });

  it.each(["llm-d.ai/active-ports", "inference.networking.k8s.io/active-ports"])(
    "keeps a pod to the ports of its annotation %s",
    async (annotation) => {
      await pool({ ports: [8000, 8001, 8002] });
      await pod("a", { annotations: { [annotation]: "8002,8000" } });
      await becomes(takers, ["a-rank-0:8000", "a-rank-2:8002"]);
      await pod("a", { annotations: { [annotation]: "7000" } });
      await becomes(excluded, ["a no-active-port"]);
    },
  );
});

/** Labels of a member of a LeaderWorkerSet's group. */
function group(index: string) {
  return {
    "leaderworkerset.sigs.k8s.io/name": "set",
    "leaderworkerset.sigs.k8s.io/group-index": index,
  };
}

describe("under a queueing system such as Kueue", () => {
  it("gives a pod behind a gate no requests, no scrapes and no count among the ready ones", async () => {
    await pool();
    await pod("a");
    const gated = aPod({ name: "g", namespace: namespace.name, labels: selector, ready: false });
    await plane().client.apply({
      ...gated,
      spec: {
        ...(gated["spec"] as object),
        schedulingGates: [{ name: "kueue.x-k8s.io/admission" }],
      },
      status: {
        phase: "Pending",
        conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }],
      },
    });
    await becomes(excluded, ["g gated"]);
    expect(await takers()).toEqual(["a-rank-0:8000"]);
    const page = await picker.metrics();
    expect(page).toMatch(/^llm_d_epp_ready_endpoints\{name="llama"\} 1$/m);
    expect(page).not.toContain("g-rank-0");
  });

  it.each(["TerminationTarget", "DisruptionTarget"])(
    "sends nothing new to a pod with %s within a second, and uses it again when that is called off",
    async (condition) => {
      await pool();
      await pod("a");
      await pod("b");
      await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000"]);
      const open = await picker.pick();
      expect(typeof open).toBe("object");
      await setConditions("a", { Ready: "True", [condition]: "True" });
      await becomes(takers, ["b-rank-0:8000"], 1_000);
      for (let count = 0; count < 10; count += 1) {
        expect(await picker.pick()).toMatchObject({ endpoint: "127.3.0.2:8000" });
      }
      await setConditions("a", { Ready: "True", [condition]: "False" });
      await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000"]);
    },
  );

  it("leaves out a pod that a finalizer holds back, although it says that it is ready", async () => {
    await pool();
    await pod("a");
    const held = aPod({ name: "b", namespace: namespace.name, labels: selector, ip: "127.3.0.2" });
    await plane().client.apply({
      ...held,
      metadata: { ...held.metadata, finalizers: ["kueue.x-k8s.io/managed"] },
    } as typeof held);
    await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000"]);
    await plane().client.delete(ref("Pod", "b"), 0);
    await becomes(takers, ["a-rank-0:8000"]);
    expect(await excluded()).toEqual(["b terminating"]);
    await plane().client.patch(ref("Pod", "b"), { metadata: { finalizers: null } });
    await becomes(excluded, []);
  });

  it("uses a doomed pod that still answers rather than nobody, and one being deleted never", async () => {
    await pool();
    await pod("a");
    await pod("b", { nodeName: "node" });
    await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000"]);
    await setConditions("a", { Ready: "True", TerminationTarget: "True" });
    await plane().client.delete(ref("Pod", "b"));
    await becomes(takers, []);
    expect(await picker.pick()).toMatchObject({ endpoint: "127.3.0.1:8000" });
    await setConditions("a", { Ready: "False", TerminationTarget: "True" });
    await becomes(() => picker.pick(), 503);
  });

  it("drains the leader of a group whose worker is doomed, with the right to pods alone", async () => {
    await pool();
    await pod("a", { labels: { ...selector, ...group("0") } });
    await pod("b", { labels: { ...selector, ...group("1") } });
    // A worker is not selected by the pool.
    await pod("w", { labels: { role: "worker", ...group("0") } });
    await becomes(takers, ["a-rank-0:8000", "b-rank-0:8000"]);
    await setConditions("w", { Ready: "True", TerminationTarget: "True" });
    await becomes(takers, ["b-rank-0:8000"]);
    expect(await excluded()).toEqual(["a preempted"]);
  });

  it("knows a pod of the same name and address for another one by its UID", async () => {
    await pool();
    await pod("a");
    await becomes(takers, ["a-rank-0:8000"]);
    const prompt = JSON.stringify({ model: "m", prompt: "once upon a time ".repeat(200) });
    await picker.pick({}, prompt);
    await picker.pick({}, prompt);
    const hits = async () =>
      (await picker.metrics()).match(/prefix_indexer_hit_ratio_sum\S* (\S+)/)?.[1];
    const before = await eventually("a hit", async () => {
      const sum = Number(await hits());
      return sum > 0 ? sum : undefined;
    });
    await plane().client.delete(ref("Pod", "a"), 0);
    await pod("a");
    await eventually("the pod of the same name", () =>
      /"removed":\["[^"]*a-rank-0"\]/.test(picker.child.output()) ? true : undefined,
    );
    await becomes(takers, ["a-rank-0:8000"]);
    await picker.pick({}, prompt);
    expect(Number(await hits())).toBe(before);
  });
});
