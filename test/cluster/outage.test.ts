import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { anInferenceObjective, anInferencePool, aPod } from "#test/support/kube/objects.ts";
import type { ClusterPicker } from "#test/support/kube/picker.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

beforeAll(async () => {
  const { inferencePool, llmD } = await crdFiles(() => undefined);
  await plane().client.applyCrds([...inferencePool, ...llmD]);
});

const selector = { app: "vllm" };
let namespace: TestNamespace;
let picker: ClusterPicker;

function pod(name: string) {
  const ip = `127.3.2.${name.charCodeAt(0) - 96}`;
  return aPod({ name, namespace: namespace.name, labels: selector, ip });
}

beforeEach(async () => {
  namespace = await cluster.namespace();
  const { client } = plane();
  await client.apply(anInferencePool({ name: "llama", namespace: namespace.name, selector }));
  await Promise.all(["a", "b", "c"].map((name) => client.apply(pod(name))));
  picker = await cluster.picker({
    kubeconfig: namespace.kubeconfig,
    flags: ["--pool-name", "llama", "--pool-namespace", namespace.name],
  });
  await becomes(() => picker.takers(), ["a-rank-0:8000", "b-rank-0:8000", "c-rank-0:8000"]);
});

/** Asks the picker again and again for this long; resolves to the answers that were no endpoint. */
async function refusalsDuring(durationMs: number): Promise<readonly unknown[]> {
  const end = performance.now() + durationMs;
  const refusals: unknown[] = [];
  let count = 0;
  // A machine that is busy with others gives fewer of them a second.
  while (performance.now() < end || count <= durationMs / 100) {
    const picked = await picker.pick();
    count += 1;
    if (typeof picked === "number") refusals.push(picked);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  expect(count).toBeGreaterThan(durationMs / 100);
  return refusals;
}

/** What the metrics say of how pods are followed. */
async function podMetrics(): Promise<Readonly<Record<string, number>>> {
  const series = /^pointsman_kubernetes_(\w+)\{resource="pods"\} (.+)$/gm;
  const found = (await picker.metrics()).matchAll(series);
  return Object.fromEntries([...found].map(([, name = "", value]) => [name, Number(value)]));
}

const changesOnceBack = async () => {
  const { client } = plane();
  await client.delete(pod("a"), 0);
  await client.apply(pod("d"));
  await becomes(() => picker.takers(), ["b-rank-0:8000", "c-rank-0:8000", "d-rank-0:8000"], 15_000);
};

describe("without an API server", () => {
  it("the last state serves for thirty seconds, and is right again once the server is back", async () => {
    await plane().killApiServer();
    expect(await refusalsDuring(30_000)).toEqual([]);
    expect(await picker.health("readiness")).toBe("SERVING");
    expect(await picker.takers()).toHaveLength(3);
    const told = await podMetrics();
    expect(told["contact_age_seconds"]).toBeGreaterThan(25);
    expect(told["failures_total"]).toBeGreaterThan(3);
    await plane().startApiServer();
    // A server that starts answers 404 for custom kinds for a moment: nothing may be lost by that.
    expect(await refusalsDuring(3_000)).toEqual([]);
    await changesOnceBack();
    await plane().client.apply(
      anInferenceObjective({
        ...{ name: "urgent", namespace: namespace.name, pool: "llama" },
        priority: 2,
      }),
    );
    await becomes(
      async () => {
        await picker.pick({ "x-llm-d-inference-objective": "urgent" });
        const page = await fetch(`http://127.0.0.1:${picker.ports.metrics}/debug/decisions?last=1`);
        // The page is the picker's own.
        const { decisions } = (await page.json()) as { decisions: { priority: number }[] };
        return decisions[0]?.priority;
      },
      2,
      15_000,
    );
  });

  it("what was deleted meanwhile goes, although its history has been compacted away", async () => {
    const { client } = plane();
    // Stopped, so that it sees none of this and asks for what came after the state that it knows.
    picker.child.signal("SIGSTOP");
    await client.delete(pod("a"), 0);
    await client.apply(pod("d"));
    await plane().killApiServer();
    await plane().compactEtcd();
    await plane().startApiServer();
    picker.child.signal("SIGCONT");
    expect(await refusalsDuring(2_000)).toEqual([]);
    await becomes(
      () => picker.takers(),
      ["b-rank-0:8000", "c-rank-0:8000", "d-rank-0:8000"],
      15_000,
    );
    expect(picker.child.output()).toContain('"msg":"watch expired; relist started"');
    expect(await podMetrics()).toMatchObject({ lists_total: 2, synced: 1 });
  });

  it("a picker that starts waits for it, alive and not ready", async () => {
    await plane().killApiServer();
    const late = await cluster.picker({
      kubeconfig: namespace.kubeconfig,
      flags: ["--pool-name", "llama", "--pool-namespace", namespace.name],
    });
    expect(await late.health("liveness")).toBe("SERVING");
    expect(await late.health("readiness")).toBe("NOT_SERVING");
    await plane().startApiServer();
    await becomes(() => late.health("readiness"), "SERVING", 15_000);
    await becomes(async () => (await late.takers()).length, 3);
  });
});
