import { expect, it } from "vitest";
import { aClusterPod, collections, FakeCluster } from "#test/support/fake-cluster.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { seededRandom } from "../../../std/random.ts";
import { PodFollower } from "./pod-follower.ts";
import { workerSetLabel } from "./worker-groups.ts";

const inSet = { [workerSetLabel]: "big", "leaderworkerset.sigs.k8s.io/group-index": "0" };

it("follows the workers that pods name when it catches up, not when its membership is read", async () => {
  const cluster = new FakeCluster();
  cluster.put(collections.pods, aClusterPod({ name: "a", labels: inSet }));
  const clock = new FakeClock();
  const log = { info: () => undefined, warn: () => undefined };
  let changes = 0;
  const pods = new PodFollower({
    ...{ api: cluster, clock, random: seededRandom(1), log, namespace: "n" },
    onChange: () => void (changes += 1),
  });
  const names = () => pods.membership?.specs.map(({ name }) => name);
  const follows = () => pods.follows.map(({ what }) => what);

  pods.follow({ labelSelector: "app=a", targetPorts: [8_000] });
  await clock.advance(100);
  expect(changes).toBeGreaterThan(0);
  expect([names(), names(), follows()]).toEqual([undefined, undefined, ["Pods of n with app=a"]]);

  pods.catchUp();
  expect(names()).toEqual(["a-rank-0"]);
  expect(follows()).toEqual(["Pods of n with app=a", `Pods of n with ${workerSetLabel} in (big)`]);
  await pods.stop();
});

it("keeps the endpoints of a selection until it has caught up with the next one", async () => {
  const cluster = new FakeCluster();
  cluster.put(collections.pods, aClusterPod({ name: "a" }));
  const clock = new FakeClock();
  const log = { info: () => undefined, warn: () => undefined };
  const pods = new PodFollower({
    ...{ api: cluster, clock, random: seededRandom(1), log, namespace: "n" },
    onChange: () => undefined,
  });
  const names = () => pods.membership?.specs.map(({ name }) => name);
  pods.follow({ labelSelector: "app=a", targetPorts: [8_000] });
  await clock.advance(100);
  pods.catchUp();
  expect(names()).toEqual(["a-rank-0"]);

  // The fake ignores selectors: the next selection has both.
  pods.follow({ labelSelector: "app=b", targetPorts: [8_000] });
  cluster.put(collections.pods, aClusterPod({ name: "b", ip: "10.0.0.2" }));
  pods.catchUp();
  expect(names()).toEqual(["a-rank-0"]);
  await clock.advance(100);
  expect(names()).toEqual(["a-rank-0"]);
  pods.catchUp();
  expect(names()).toEqual(["a-rank-0", "b-rank-0"]);

  pods.follow(undefined);
  pods.catchUp();
  expect(names()).toBeUndefined();
  await pods.stop();
});
