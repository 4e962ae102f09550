import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import {
  becomes,
  clusterPickers,
  poolRules,
  type TestNamespace,
} from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { aLease, anInferencePool, aPod, aRole } from "#test/support/kube/objects.ts";
import { metricsMistakes } from "#test/support/metrics-lint.ts";
import type { ClusterPicker } from "#test/support/kube/picker.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

beforeAll(async () => {
  const { inferencePool, llmD } = await crdFiles(() => undefined);
  await plane().client.applyCrds([...inferencePool, ...llmD]);
});

const leases = { apiGroups: ["coordination.k8s.io"], resources: ["leases"] };
/** What a replica needs to take part. */
const electionRules = [...poolRules, { ...leases, verbs: ["get", "create", "update"] }];
/** With these it sees a release at once. */
const watchingRules = [...electionRules, { ...leases, verbs: ["list", "watch"] }];

const selector = { app: "vllm" };
let namespace: TestNamespace;

async function prepare(rules: typeof poolRules): Promise<void> {
  namespace = await cluster.namespace(rules);
  const { client } = plane();
  await client.apply(anInferencePool({ name: "llama", namespace: namespace.name, selector }));
  await client.apply(
    aPod({ name: "a", namespace: namespace.name, labels: selector, ip: "127.3.5.1" }),
  );
}

function replica(): Promise<ClusterPicker> {
  return cluster.picker({
    kubeconfig: namespace.kubeconfig,
    flags: [
      ...["--pool-name", "llama", "--pool-namespace", namespace.name],
      "--ha-enable-leader-election",
    ],
  });
}

/** A leader and a standby that knows the pool as well. */
async function leaderAndStandby(): Promise<readonly [ClusterPicker, ClusterPicker]> {
  const leader = await replica();
  await becomes(() => leader.health("readiness"), "SERVING");
  const standby = await replica();
  await becomes(() => standby.takers(), ["a-rank-0:8000"]);
  return [leader, standby];
}

function readinessOf(pickers: readonly ClusterPicker[]): Promise<string[]> {
  return Promise.all(pickers.map((picker) => picker.health("readiness")));
}

/** Milliseconds until the picker is ready. */
async function msUntilReady(picker: ClusterPicker, timeoutMs?: number): Promise<number> {
  const sinceMs = performance.now();
  await becomes(() => picker.health("readiness"), "SERVING", timeoutMs);
  return Math.round(performance.now() - sinceMs);
}

interface LeaseSpec {
  readonly holderIdentity: string;
  readonly leaseDurationSeconds: number;
  readonly leaseTransitions: number;
}

function leaseName(): string {
  return `epp-${namespace.name}-llama.llm-d.ai`;
}

async function lease(): Promise<LeaseSpec> {
  const metadata = { name: leaseName(), namespace: namespace.name };
  const ref = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata };
  // The API server keeps nothing else under this name.
  return (await plane().client.get(ref))["spec"] as LeaseSpec;
}

async function readyzOf({ ports }: ClusterPicker): Promise<string> {
  return (await fetch(`http://127.0.0.1:${ports.metrics}/readyz`)).text();
}

describe("two replicas with an election", () => {
  beforeEach(() => prepare(watchingRules));

  it("are one that is ready and one that only is alive, and both know the pool", async () => {
    const both = await leaderAndStandby();
    expect(await readinessOf(both)).toEqual(["SERVING", "NOT_SERVING"]);
    expect(await Promise.all(both.map((picker) => picker.health("liveness")))).toEqual([
      "SERVING",
      "SERVING",
    ]);
    expect(await readyzOf(both[1])).toBe("not ready: this replica is not the leader\n");
    expect(await lease()).toMatchObject({ leaseDurationSeconds: 10, leaseTransitions: 0 });
    const pages = await Promise.all(both.map((picker) => picker.metrics()));
    const status = `leader_election_master_status{name="${leaseName()}"}`;
    expect(pages[0]).toContain(`${status} 1\n`);
    expect(pages[1]).toContain(`${status} 0\n`);
    expect(await metricsMistakes(pages[0] ?? "")).toBe("");
  });

  it("hand over within two seconds of SIGTERM, while the old leader still serves", async () => {
    const [leader, standby] = await leaderAndStandby();
    leader.child.signal("SIGTERM");
    const tookMs = await msUntilReady(standby);
    console.log(`ready ${tookMs} ms after SIGTERM to the leader`);
    expect(tookMs).toBeLessThanOrEqual(2_000);
    expect(await leader.health("readiness")).toBe("NOT_SERVING");
    expect(await leader.pick()).toMatchObject({ endpoint: "127.3.5.1:8000" });
    expect(await leader.child.ended).toBe(0);
    expect(leader.child.output()).toContain('"msg":"lease released"');
    expect(await lease()).toMatchObject({ leaseTransitions: 1 });
  });

  it("have a leader again when the old one is killed, once its lease is over", async () => {
    const [leader, standby] = await leaderAndStandby();
    leader.child.signal("SIGKILL");
    await leader.child.ended;
    const tookMs = await msUntilReady(standby, 20_000);
    console.log(`ready ${tookMs} ms after SIGKILL to the leader`);
    expect(tookMs).toBeGreaterThan(7_000);
    expect(tookMs).toBeLessThan(13_000);
  });

  it("keep their leader through thirty seconds without an API server, and after it", async () => {
    const both = await leaderAndStandby();
    const { holderIdentity } = await lease();
    const seen = new Set<string>();
    const lookFor = async (durationMs: number) => {
      const end = performance.now() + durationMs;
      while (performance.now() < end) {
        seen.add((await readinessOf(both)).join(" "));
        await new Promise((resolve) => {
          setTimeout(resolve, 100);
        });
      }
    };
    await plane().killApiServer();
    await lookFor(30_000);
    await plane().startApiServer();
    await lookFor(20_000);
    expect([...seen]).toEqual(["SERVING NOT_SERVING"]);
    expect(await lease()).toMatchObject({ holderIdentity, leaseTransitions: 0 });
  });

  it("wait for a peer that holds the Lease, as long as its record says", async () => {
    const held = { name: leaseName(), namespace: namespace.name, holder: "peer_1" };
    await plane().client.apply(aLease({ ...held, durationSeconds: 6 }));
    const picker = await replica();
    await becomes(() => picker.takers(), ["a-rank-0:8000"]);
    expect(await picker.health("readiness")).toBe("NOT_SERVING");
    await msUntilReady(picker);
    expect(picker.child.output()).toContain('"holder":"peer_1"');
    expect(await lease()).toMatchObject({ leaseDurationSeconds: 10, leaseTransitions: 1 });
  });
});

describe("an election with few rights", () => {
  it("finds a release without the right to watch, a moment later", async () => {
    await prepare(electionRules);
    const [leader, standby] = await leaderAndStandby();
    leader.child.signal("SIGTERM");
    expect(await msUntilReady(standby)).toBeLessThanOrEqual(3_500);
  });

  it("leaves replicas alive and not ready without any, and says which", async () => {
    await prepare(poolRules);
    const picker = await replica();
    await becomes(() => picker.takers(), ["a-rank-0:8000"]);
    expect(await picker.health("liveness")).toBe("SERVING");
    expect(await readyzOf(picker)).toMatch(/^not ready: .*; election: leases.* is forbidden/);
    await plane().client.apply(
      aRole({ name: "picker", namespace: namespace.name, rules: electionRules }),
    );
    await becomes(() => picker.health("readiness"), "SERVING");
  });
});
