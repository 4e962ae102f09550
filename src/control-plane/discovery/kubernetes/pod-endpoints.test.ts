import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../kubernetes/kube-api.ts";
import { EndpointStore } from "../../../state/endpoint-store.ts";
import { PoolSlots } from "../../../state/pool-slots.ts";
import { endpointsOfPods } from "./pod-endpoints.ts";
import { podOf } from "./pod.ts";
import { doomedGroupsOf } from "./worker-groups.ts";

interface PodParts {
  readonly name?: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly status?: object;
  readonly conditions?: readonly object[];
}

const ready = { type: "Ready", status: "True" };

/** A pod as the API server sends it: ready at 10.0.0.1 unless told otherwise. */
function aPod(parts: PodParts = {}): KubeObject {
  const { name = "a", uid = `uid-${name}`, labels = {}, conditions = [ready] } = parts;
  const { annotations, deletionTimestamp, status = {} } = parts;
  return {
    metadata: { namespace: "n", name, uid, labels, annotations, deletionTimestamp },
    status: { phase: "Running", podIP: "10.0.0.1", hostIP: "192.168.0.1", conditions, ...status },
  };
}

function membershipOf(objects: readonly KubeObject[], targetPorts: readonly number[] = [8000]) {
  const pods = objects.flatMap((object) => podOf(object) ?? []);
  return endpointsOfPods({ pods, targetPorts, doomedGroups: doomedGroupsOf(pods) });
}

/** Labels of a member of a LeaderWorkerSet's group. */
function inGroup(index: string) {
  return {
    "leaderworkerset.sigs.k8s.io/name": "set",
    "leaderworkerset.sigs.k8s.io/group-index": index,
  };
}

/** Metrics addresses of the endpoints of a pod with these annotations. */
const metricsAt = (annotations: Readonly<Record<string, string>>, ports?: readonly number[]) =>
  membershipOf([aPod({ annotations })], ports).specs.map(({ metrics }) => metrics);

describe("the metrics address of a pod", () => {
  it.each([
    [{}, undefined],
    [{ scrape: "true" }, undefined],
    [
      { path: "/stats", port: "9400", scheme: "https" },
      { path: "/stats", port: 9_400, scheme: "https" },
    ],
    [
      { path: " /stats ", port: " 9400", scheme: "HTTPS" },
      { path: "/stats", port: 9_400, scheme: "https" },
    ],
    [{ path: "stats" }, { path: "/stats" }],
    [{ path: "/a b", port: "metrics", scheme: "gopher" }, undefined],
    [{ port: "70000" }, undefined],
    [{ path: "/stats", scrape: "false" }, undefined],
  ])("is %j: %j", (parts, metrics) => {
    const annotations = Object.fromEntries(
      Object.entries(parts).map(([name, value]) => [`prometheus.io/${name}`, value]),
    );
    expect(metricsAt(annotations)).toEqual([metrics]);
  });

  it("has no port if the pod has several endpoints, each with its own metrics", () => {
    const annotations = { "prometheus.io/port": "9400", "prometheus.io/path": "/stats" };
    expect(metricsAt(annotations, [8000, 8001])).toEqual([{ path: "/stats" }, { path: "/stats" }]);
  });

  it("may change while the endpoint stays the same", () => {
    const store = new EndpointStore(new PoolSlots(4));
    const apply = (path: string) =>
      store.apply(membershipOf([aPod({ annotations: { "prometheus.io/path": path } })]).specs);
    const [before] = apply("/a").added;
    const change = apply("/b");
    expect([change.added, change.removed]).toEqual([[], []]);
    expect(change.updated).toEqual([
      expect.objectContaining({ slot: before?.slot, metrics: { path: "/b" } }),
    ]);
    expect(apply("/b").updated).toEqual([]);
  });
});

describe("endpoints of pods", () => {
  it("are one per port of each ready pod, with the names that llm-d-router gives them", () => {
    const { specs, excluded } = membershipOf([aPod({ labels: { app: "a" } })], [8000, 8001]);
    expect(specs).toEqual([
      {
        id: "n/a-rank-0",
        namespace: "n",
        name: "a-rank-0",
        address: "10.0.0.1",
        port: 8000,
        labels: { app: "a" },
        incarnation: "uid-a",
        podName: "a",
        nodeAddress: "192.168.0.1",
      },
      expect.objectContaining({ id: "n/a-rank-1", port: 8001 }),
    ]);
    expect(excluded).toEqual([]);
  });

  it.each([
    ["no-address", { status: { podIP: undefined, phase: "Pending" }, conditions: [] }],
    [
      "gated",
      {
        status: { podIP: undefined, phase: "Pending" },
        conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }],
      },
    ],
    ["finished", { status: { phase: "Succeeded" } }],
    ["finished", { status: { phase: "Failed" } }],
    ["no-active-port", { annotations: { "llm-d.ai/active-ports": "9000" } }],
    ["no-active-port", { annotations: { "llm-d.ai/active-ports": "" } }],
  ])("do not include a pod that is excluded as %s", (reason, parts: PodParts) => {
    const { specs, excluded } = membershipOf([aPod(parts)]);
    expect(specs).toEqual([]);
    expect(excluded).toEqual([expect.objectContaining({ namespace: "n", name: "a", reason })]);
  });

  it.each([
    ["not-ready", { conditions: [{ type: "Ready", status: "False" }] }],
    ["not-ready", { conditions: [] }],
    // A status that does not exist yet.
    ["not-ready", { conditions: [{ type: "Ready", status: "Perhaps" }] }],
    ["terminating", { deletionTimestamp: "2026-01-01T00:00:00Z" }],
    ["preempted", { conditions: [ready, { type: "TerminationTarget", status: "True" }] }],
    ["disrupted", { conditions: [ready, { type: "DisruptionTarget", status: "True" }] }],
  ])("drain if the pod is %s", (drain, parts: PodParts) => {
    const { specs, excluded } = membershipOf([aPod(parts)]);
    expect(specs).toEqual([expect.objectContaining({ id: "n/a-rank-0", drain })]);
    expect(excluded).toEqual([{ namespace: "n", name: "a", reason: drain }]);
  });

  it("do not drain if a disruption has been cancelled", () => {
    const conditions = [ready, { type: "DisruptionTarget", status: "False" }];
    expect(membershipOf([aPod({ conditions })]).specs[0]?.drain).toBeUndefined();
  });

  it.each(["llm-d.ai/active-ports", "inference.networking.k8s.io/active-ports"])(
    "are only the ports that %s names, each with its own rank",
    (annotation) => {
      const pod = aPod({ annotations: { [annotation]: " 8002, 8000,9999,x" } });
      const { specs } = membershipOf([pod], [8000, 8001, 8002]);
      expect(specs.map(({ id, port }) => `${id} ${port}`)).toEqual([
        "n/a-rank-0 8000",
        "n/a-rank-2 8002",
      ]);
    },
  );

  it("drain with a worker of their group that is about to end, and only with those", () => {
    const conditions = [ready, { type: "TerminationTarget", status: "True" }];
    const { specs } = membershipOf([
      aPod({ name: "leader-0", labels: inGroup("0") }),
      aPod({ name: "leader-1", labels: inGroup("1") }),
      aPod({ name: "worker-0-1", labels: inGroup("0"), conditions }),
      aPod({ name: "alone" }),
    ]);
    const drains = Object.fromEntries(specs.map(({ name, drain }) => [name, drain]));
    expect(drains).toEqual({
      "leader-0-rank-0": "preempted",
      "leader-1-rank-0": undefined,
      "worker-0-1-rank-0": "preempted",
      "alone-rank-0": undefined,
    });
  });
});

describe("a pod", () => {
  it.each([{}, { metadata: {} }, { metadata: { name: "a", namespace: "n", uid: 7 } }])(
    "is ignored if it lacks a name or UID: %j",
    (object) => {
      expect(podOf(object)).toBeUndefined();
    },
  );

  it("is read even if it has no status", () => {
    const pod = podOf({ metadata: { name: "a", namespace: "n", uid: "u" } });
    expect(pod).toMatchObject({ address: "", isReady: false, labels: {}, doom: undefined });
  });
});
