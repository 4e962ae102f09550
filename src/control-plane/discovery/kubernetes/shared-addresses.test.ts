import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aClusterPod, aClusterPool, collections, FakeCluster } from "#test/support/fake-cluster.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { refusalDetail } from "../../../state/address-claims.ts";
import { EndpointStore } from "../../../state/endpoint-store.ts";
import { PoolSlots } from "../../../state/pool-slots.ts";
import { seededRandom } from "../../../std/random.ts";
import type { KubeObject } from "../../kubernetes/kube-api.ts";
import type { ClusterSource, ClusterSourceDeps } from "./cluster-source.ts";
import { PoolSource } from "./pool-source.ts";
import { SelectorSource } from "./selector-source.ts";
import { ServiceSource } from "./service-source.ts";

type Pod = Parameters<typeof aClusterPod>[0];

/** One change of a pod, as an event of the API server. */
type Event = { readonly put: Pod } | { readonly gone: string };

interface Source {
  readonly of: (deps: ClusterSourceDeps) => ClusterSource;
  /** Objects of the cluster other than pods. */
  readonly begin: (cluster: FakeCluster) => void;
  readonly put: (cluster: FakeCluster, pod: Pod) => void;
  readonly remove: (cluster: FakeCluster, name: string) => void;
}

const pods = {
  put: (cluster: FakeCluster, pod: Pod) => cluster.put(collections.pods, aClusterPod(pod)),
  remove: (cluster: FakeCluster, name: string) => cluster.remove(collections.pods, name),
};

const group = "inference.networking.k8s.io";

const sources: Readonly<Record<string, Source>> = {
  "an InferencePool": {
    ...pods,
    of: (deps) => new PoolSource({ group, namespace: "n", name: "llama" }, deps),
    begin: (cluster) => cluster.put(collections.pools, aClusterPool(8_000, 8_001)),
  },
  "a label selector": {
    ...pods,
    of: (deps) =>
      new SelectorSource(
        { namespace: "n", labelSelector: "app=a", targetPorts: [8_000, 8_001] },
        deps,
      ),
    begin: () => undefined,
  },
  // Each pod is in a slice of its own, so that the order of slices is not that of pods.
  "a Service": {
    of: (deps) => new ServiceSource({ namespace: "n", name: "s", port: "http" }, deps),
    begin: (cluster) => cluster.put(collections.services, aService()),
    put: (cluster, pod) => {
      cluster.put(collections.slices, aSliceOf(pod));
      pods.put(cluster, pod);
    },
    remove: (cluster, name) => {
      cluster.remove(collections.slices, name);
      pods.remove(cluster, name);
    },
  },
};

function aService(): KubeObject {
  return { metadata: { namespace: "n", name: "s" }, spec: { selector: { app: "a" } } };
}

function aSliceOf({ name, uid = `uid-${name}`, ip = "10.0.0.1", isReady, isDeleted }: Pod) {
  const terminating = isDeleted === true;
  const ready = isReady !== false && !terminating;
  return {
    metadata: { namespace: "n", name },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8_000 }],
    endpoints: [
      {
        addresses: [ip],
        conditions: { ready, terminating },
        targetRef: { kind: "Pod", name, uid },
      },
    ],
  };
}

/** A store that follows a cluster in which `events` happen, one after the other. */
async function followed(source: Source, events: readonly Event[], isSlow = false) {
  const cluster = new FakeCluster();
  const clock = new FakeClock();
  const store = new EndpointStore(new PoolSlots(64));
  const log = { info: () => undefined, warn: () => undefined };
  const follower = source.of({
    ...{ api: cluster, clock, random: seededRandom(1), log, store },
    onSynced: () => undefined,
  });
  const stop = new AbortController();
  source.begin(cluster);
  const running = follower.run(stop.signal);
  await clock.advance(100);
  const changes: string[] = [];
  store.refused.onChange(({ added }) =>
    changes.push(...added.map((each) => `${each.spec.name}: ${each.reason}`)),
  );
  for (const event of events) {
    if ("put" in event) source.put(cluster, event.put);
    else source.remove(cluster, event.gone);
    // A burst is one change of the store; slow events are one each.
    if (isSlow) await clock.advance(50);
  }
  await clock.advance(100);
  stop.abort();
  await running;
  return { store, changes };
}

const takers = (store: EndpointStore) =>
  store
    .takers()
    .map(({ name, hostPort }) => `${name} ${hostPort}`)
    .toSorted();
const leftOut = (store: EndpointStore) =>
  store.refused.all.map((each) => `${each.spec.name}: ${refusalDetail(each)}`).toSorted();

describe.each(Object.entries(sources))("pods of %s that claim one address", (kind, source) => {
  const suffix = kind === "a Service" ? "" : "-rank-0";

  it.each<[string, readonly Event[], readonly string[]]>([
    [
      "of which one is being deleted",
      [
        { put: { name: "a", createdAt: 1 } },
        { put: { name: "a", createdAt: 1, isDeleted: true } },
        { put: { name: "b", createdAt: 9 } },
      ],
      ["b"],
    ],
    [
      "of which one has never been ready",
      [{ put: { name: "a", createdAt: 9, isReady: false } }, { put: { name: "b", createdAt: 1 } }],
      ["b"],
    ],
    [
      "of which the older one was first",
      [{ put: { name: "a", createdAt: 1 } }, { put: { name: "b", createdAt: 9 } }],
      ["b"],
    ],
    [
      "of which the younger one was first",
      [{ put: { name: "a", createdAt: 9 } }, { put: { name: "b", createdAt: 1 } }],
      ["a"],
    ],
    [
      "of which the winner was deleted",
      [{ put: { name: "a", createdAt: 9 } }, { put: { name: "b", createdAt: 1 } }, { gone: "a" }],
      ["b"],
    ],
    [
      "of which the winner is no longer ready",
      [
        { put: { name: "a", createdAt: 9 } },
        { put: { name: "b", createdAt: 1 } },
        { put: { name: "a", createdAt: 9, isReady: false } },
      ],
      ["b"],
    ],
    [
      "that was created again under its name",
      [
        { put: { name: "a", createdAt: 1, uid: "1", isDeleted: true } },
        { put: { name: "a", createdAt: 9, uid: "2" } },
      ],
      ["a"],
    ],
  ])("leave it to the one that takes requests: %s", async (_, events, winners) => {
    for (const isSlow of [false, true]) {
      const { store } = await followed(source, events, isSlow);
      expect(takers(store).filter((name) => name.includes(":8000"))).toEqual(
        winners.map((name) => `${name}${suffix} 10.0.0.1:8000`),
      );
    }
  });

  it("are reported once, however many events there are", async () => {
    const events: Event[] = [
      { put: { name: "a", createdAt: 1 } },
      { put: { name: "b", createdAt: 9 } },
      { put: { name: "a", createdAt: 1, labels: { seen: "1" } } },
      { put: { name: "b", createdAt: 9, labels: { seen: "2" } } },
      { put: { name: "a", createdAt: 1, isReady: false } },
    ];
    const { changes } = await followed(source, events, true);
    expect(changes.filter((line) => line.startsWith(`a${suffix}:`))).toEqual([
      `a${suffix}: duplicate-address`,
    ]);
  });

  it("end up the same whatever the order of events", async () => {
    const anyPod = fc.record({
      name: fc.constantFrom("a", "b", "c"),
      ip: fc.constantFrom("10.0.0.1", "10.0.0.2"),
      isReady: fc.boolean(),
      isDeleted: fc.boolean(),
      createdAt: fc.constantFrom(1, 2),
    });
    const anyEvent = fc.oneof(
      { arbitrary: anyPod.map((put) => ({ put })), weight: 3 },
      { arbitrary: fc.constantFrom("a", "b", "c").map((gone) => ({ gone })), weight: 1 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyEvent, { maxLength: 8 }),
        fc.uniqueArray(anyPod, { selector: ({ name }) => name, maxLength: 3 }),
        fc.boolean(),
        async (events, last, isSlow) => {
          const names = new Set<string>(last.map(({ name }) => name));
          const others = ["a", "b", "c"].filter((name) => !names.has(name));
          const removals = others.map((gone) => ({ gone }));
          const ends = last.map((put) => ({ put }));
          const experienced = await followed(source, [...events, ...removals, ...ends], isSlow);
          const fresh = await followed(source, ends.toReversed());
          expect(takers(experienced.store)).toEqual(takers(fresh.store));
          expect(leftOut(experienced.store)).toEqual(leftOut(fresh.store));
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** Result for two pods. */
interface Shared {
  readonly endpoints: readonly string[];
  readonly refused: readonly string[];
}

describe("pods that share the network of a node", () => {
  const pool = sources["an InferencePool"];
  if (pool === undefined) throw new Error("it is in the table");
  const a = { name: "a", createdAt: 1 };
  const b = { name: "b", createdAt: 9 };

  it.each<[string, readonly [Pod, Pod], Shared]>([
    [
      "declare different ports of the pool",
      [
        { ...a, nodePorts: [8_000] },
        { ...b, nodePorts: [8_001, 9_090] },
      ],
      { endpoints: ["a-rank-0 10.0.0.1:8000", "b-rank-1 10.0.0.1:8001"], refused: [] },
    ],
    [
      "name different ports by annotation",
      [
        { ...a, annotations: { "llm-d.ai/active-ports": "8000" } },
        { ...b, annotations: { "llm-d.ai/active-ports": "8001" } },
      ],
      { endpoints: ["a-rank-0 10.0.0.1:8000", "b-rank-1 10.0.0.1:8001"], refused: [] },
    ],
    [
      "declare different ports, and the owner of one is not ready",
      [
        { ...a, nodePorts: [8_000], isReady: false },
        { ...b, nodePorts: [8_001] },
      ],
      { endpoints: ["b-rank-1 10.0.0.1:8001"], refused: [] },
    ],
    [
      "declare the same port",
      [
        { ...a, nodePorts: [8_000] },
        { ...b, nodePorts: [8_000] },
      ],
      {
        endpoints: ["b-rank-0 10.0.0.1:8000", "b-rank-1 10.0.0.1:8001"],
        refused: ["a-rank-0: duplicate-address", "a-rank-1: duplicate-address"],
      },
    ],
    [
      "declare no port of the pool",
      [
        { ...a, nodePorts: [9_090] },
        { ...b, nodePorts: [9_091] },
      ],
      {
        endpoints: ["b-rank-0 10.0.0.1:8000", "b-rank-1 10.0.0.1:8001"],
        refused: ["a-rank-0: duplicate-address", "a-rank-1: duplicate-address"],
      },
    ],
  ])("divide it among them if they %s", async (_, both, { endpoints, refused }) => {
    for (const events of [both, both.toReversed()]) {
      const { store } = await followed(
        pool,
        events.map((put) => ({ put })),
      );
      expect(takers(store)).toEqual(endpoints);
      expect(store.refused.all.map(({ spec, reason }) => `${spec.name}: ${reason}`)).toEqual(
        refused,
      );
    }
  });
});
