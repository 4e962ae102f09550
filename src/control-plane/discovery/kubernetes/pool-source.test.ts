import { expect, it } from "vitest";
import { aClusterPod, aClusterPool, collections, FakeCluster } from "#test/support/fake-cluster.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { EndpointStore } from "../../../state/endpoint-store.ts";
import { seededRandom } from "../../../std/random.ts";
import { type KubeApi, KubeError } from "../../kubernetes/kube-api.ts";
import { PoolSource } from "./pool-source.ts";

/** A cluster that lists pods more slowly than the source notices a change of the pool. */
function slowly(cluster: FakeCluster, clock: FakeClock): KubeApi {
  return {
    get: async (path) => {
      if (path === collections.pods) await clock.sleep(50);
      return cluster.get(path);
    },
    watch: (path, query, signal) => cluster.watch(path, query, signal),
    create: () => cluster.create(),
    replace: () => cluster.replace(),
  };
}

/** A source that follows `cluster` for a while, with the warnings that it logged. */
async function followed(cluster: FakeCluster, change?: () => void) {
  const clock = new FakeClock();
  const warnings: string[] = [];
  const synced: boolean[] = [];
  const log = {
    info: () => undefined,
    warn: (fields: { readonly source?: string; readonly problem?: string }, message: string) => {
      if (fields.source !== undefined) warnings.push(`${message}: ${fields.problem}`);
    },
  };
  const source = new PoolSource(
    { group: "inference.networking.k8s.io", namespace: "n", name: "llama" },
    {
      ...{
        api: slowly(cluster, clock),
        clock,
        random: seededRandom(1),
        log,
        store: new EndpointStore(),
      },
      onSynced: (isSynced) => synced.push(isSynced),
    },
  );
  const stop = new AbortController();
  const running = source.run(stop.signal);
  await clock.advance(100);
  change?.();
  await clock.advance(60_000);
  const { problem } = source.status;
  stop.abort();
  await running;
  return { warnings, synced, problem };
}

it("logs no warning while it reads a pool for the first time", async () => {
  const cluster = new FakeCluster();
  cluster.put(collections.pools, aClusterPool(8_000));
  cluster.put(collections.pods, aClusterPod({ name: "a" }));
  expect(await followed(cluster)).toEqual({ warnings: [], synced: [true], problem: undefined });
});

it("warns once of a pool that does not exist, and not when it is created", async () => {
  const cluster = new FakeCluster();
  const create = () => cluster.put(collections.pools, aClusterPool(8_000));
  expect(await followed(cluster, create)).toEqual({
    warnings: ["pool not found: it does not exist"],
    synced: [true],
    problem: undefined,
  });
});

it("warns once of pods that it must not read", async () => {
  const cluster = new FakeCluster();
  cluster.put(collections.pools, aClusterPool(8_000));
  cluster.refusals.set(collections.pods, new KubeError(403, "Forbidden", "no right to pods"));
  expect(await followed(cluster)).toEqual({
    warnings: ["pool not read: its pods: no right to pods"],
    synced: [],
    problem: "its pods: no right to pods",
  });
});
