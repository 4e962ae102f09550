import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { crdFiles } from "../components/crds.ts";
import { start } from "#test/support/child.ts";
import type { KubeObject, KubeRef, WatchEvent } from "#test/support/kube/client.ts";
import { becomes } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { type ControlPlane, startControlPlane } from "#test/support/kube/control-plane.ts";
import {
  createNetworkNamespace,
  type NetworkNamespace,
} from "#test/support/kube/network-namespace.ts";
import {
  aConfigMap,
  aLease,
  aLegacyInferencePool,
  aNamespace,
  anEndpointSlice,
  anInferenceModelRewrite,
  anInferenceObjective,
  anInferencePool,
  aPod,
  aRole,
  aRoleBinding,
  aService,
  aServiceAccount,
} from "#test/support/kube/objects.ts";
import { say } from "#test/support/say.ts";

function podsIn(namespace: string): KubeRef {
  return { apiVersion: "v1", kind: "Pod", metadata: { namespace } };
}

async function firstEvent(events: AsyncIterable<WatchEvent>): Promise<WatchEvent | undefined> {
  for await (const event of events) return event;
  return undefined;
}

function isAlive(pid: number): boolean {
  // One that has ended and was not waited for has no program any more.
  return existsSync(`/proc/${pid}/exe`);
}

describe("a control plane of a test file", () => {
  const plane = controlPlaneOfFile();

  beforeAll(async () => {
    const { inferencePool, llmD, legacy, gatewayApi } = await crdFiles(say);
    await plane().client.applyCrds([...inferencePool, ...llmD, ...legacy, ...gatewayApi]);
  });

  it("keeps what the builders describe", async () => {
    const namespace = "built";
    const policy = { name: "policy", namespace, pool: "pool" };
    const rules = [{ model: "base", targets: [{ modelRewrite: "tuned", weight: 1 }] }];
    const group = "inference.networking.x-k8s.io";
    const { client } = plane();
    await client.apply(aNamespace(namespace));
    const objects: KubeObject[] = [
      aPod({ name: "engine", namespace, ip: "127.0.0.1", labels: { app: "llm" } }),
      anInferencePool({ name: "pool", namespace, selector: { app: "llm" }, ports: [8000, 8001] }),
      aLegacyInferencePool({ name: "pool", namespace, selector: { app: "llm" } }),
      anInferenceObjective({ ...policy, priority: -1 }),
      anInferenceObjective({ ...policy, group }),
      anInferenceModelRewrite({ ...policy, rules }),
      anInferenceModelRewrite({ ...policy, rules, group }),
      aService({ name: "engines", namespace, port: 8000 }),
      anEndpointSlice({
        ...{ name: "engines-1", namespace, service: "engines", port: 8000 },
        endpoints: [{ address: "10.1.0.1", pod: "engine" }],
      }),
      aConfigMap({ name: "config", namespace, data: { key: "value" } }),
      aLease({ name: "leader", namespace, holder: "picker-1" }),
    ];
    for (const object of objects) {
      await client.apply(object);
      expect(await client.get(object)).toMatchObject(object);
    }
  });

  it("checks a dry run and keeps nothing of it", async () => {
    const { client } = plane();
    const namespace = "default";
    const pool = anInferencePool({ name: "dry", namespace, selector: { app: "llm" } });
    await expect(client.apply(pool, { dryRun: true })).resolves.toMatchObject(pool);
    await expect(client.get(pool)).rejects.toMatchObject({ status: 404 });
    const ports = Array.from({ length: 9 }, (_, index) => 8000 + index);
    const tooMany = anInferencePool({ name: "dry", namespace, selector: { app: "llm" }, ports });
    await expect(client.apply(tooMany, { dryRun: true })).rejects.toMatchObject({ status: 422 });
  });

  it("tells a watch that a pod became Ready", async () => {
    const { client } = plane();
    const pod = aPod({ name: "slow", namespace: "default", ip: "127.0.0.1", ready: false });
    await client.apply(pod);
    const { metadata } = await client.list(podsIn("default"));
    const events = client.watch(
      podsIn("default"),
      metadata.resourceVersion,
      AbortSignal.timeout(20_000),
    );
    const { status } = aPod({ name: "slow", namespace: "default", ip: "127.0.0.1" });
    await client.patch(pod, { status }, "status");
    expect(await firstEvent(events)).toMatchObject({ type: "MODIFIED", object: { status } });
  });

  it("keeps a deleted pod in Terminating when it is on a node", async () => {
    const { client } = plane();
    const pod = aPod({ name: "leaving", namespace: "default", nodeName: "node" });
    await client.create(pod);
    await client.delete(pod);
    expect((await client.get(pod)).metadata.deletionTimestamp).toBeDefined();
    await client.delete(pod, 0);
    await expect(client.get(pod)).rejects.toMatchObject({ status: 404 });
  });

  it("refuses a ServiceAccount what no Role gives it", async () => {
    const { client } = plane();
    const namespace = "default";
    const account = aServiceAccount({ name: "picker", namespace });
    await client.apply(account);
    const asPicker = plane().clientFor(await client.tokenOf(account));
    await expect(asPicker.list(podsIn(namespace))).rejects.toMatchObject({ status: 403 });

    const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }];
    await client.apply(aRole({ name: "picker", namespace, rules }));
    await client.apply(
      aRoleBinding({ name: "picker", namespace, role: "picker", serviceAccount: "picker" }),
    );
    await expect
      .poll(() => asPicker.list(podsIn(namespace)), { timeout: 10_000 })
      .toHaveProperty("items");
    await expect(asPicker.list(podsIn("kube-system"))).rejects.toMatchObject({ status: 403 });
  });

  it("refuses a token that it did not issue", async () => {
    const stranger = plane().clientFor("stranger");
    await expect(stranger.list(podsIn("default"))).rejects.toMatchObject({ status: 401 });
  });

  it("writes a kubeconfig with the authority and the token", async () => {
    const { url, caFile } = plane();
    expect(parse(await readFile(await plane().kubeconfigFor("secret"), "utf8"))).toMatchObject({
      clusters: [{ cluster: { server: url, "certificate-authority": caFile } }],
      users: [{ user: { token: "secret" } }],
    });
  });

  it("has all data after the API server was killed, and tells that old versions are gone", async () => {
    const { client } = plane();
    const kept = aConfigMap({ name: "kept", namespace: "default", data: { key: "value" } });
    const { metadata } = await client.list(podsIn("default"));
    await client.apply(aPod({ name: "later", namespace: "default" }));
    await client.apply(kept);
    await plane().killApiServer();
    await expect(client.get(kept)).rejects.toThrow("ECONNREFUSED");
    await plane().startApiServer();
    expect(await client.get(kept)).toMatchObject(kept);
    const events = client.watch(podsIn("default"), metadata.resourceVersion);
    expect(await firstEvent(events)).toMatchObject({ type: "ERROR", object: { code: 410 } });
  });
});

describe("a control plane of a test", () => {
  let plane: ControlPlane | undefined;
  let namespace: NetworkNamespace | undefined;
  afterEach(async () => {
    await plane?.close();
    namespace?.close();
  });

  it("answers 410 at once after a compaction where there is no watch cache", async () => {
    plane = await startControlPlane({ flags: ["--watch-cache=false"] });
    const { client } = plane;
    const { metadata } = await client.list(podsIn("default"));
    await client.apply(aPod({ name: "engine", namespace: "default" }));
    await plane.compactEtcd();
    const events = client.watch(podsIn("default"), metadata.resourceVersion);
    expect(await firstEvent(events)).toMatchObject({ type: "ERROR", object: { code: 410 } });
  });

  it("leaves no process and no file behind", async () => {
    plane = await startControlPlane();
    const { pids, caFile } = plane;
    expect(pids().map(isAlive)).toEqual([true, true]);
    await plane.close();
    expect(pids().map(isAlive)).toEqual([false, false]);
    expect(existsSync(path.dirname(caFile))).toBe(false);
  });

  it("takes with its network namespace what still runs inside", async () => {
    namespace = createNetworkNamespace();
    const script = "sleep 600 > /dev/null 2>&1 & echo pid $!; wait";
    const [program = "", ...argv] = namespace.command(["sh", "-c", script]);
    const child = start(program, argv);
    const pid = Number((await child.line(/^pid \d+$/)).slice(4));
    child.signal("SIGKILL");
    await child.ended;
    expect(isAlive(pid)).toBe(true);
    namespace.close();
    await becomes(() => Promise.resolve(isAlive(pid)), false);
  });

  it("runs in a network namespace with addresses of its own", async () => {
    namespace = createNetworkNamespace(["10.1.0.1/32", "10.1.0.2/32"]);
    plane = await startControlPlane({ namespace });
    expect(await plane.client.isReady()).toBe(true);
    const script = `fetch("${plane.url}/readyz").then((answer) => console.log(answer.status), console.log)`;
    const [program = "", ...argv] = namespace.command([process.execPath, "-e", script]);
    const child = start(program, argv, { NODE_EXTRA_CA_CERTS: plane.caFile });
    await child.line(/^200$/);
    await child.close();
    const { pids } = plane;
    await plane.close();
    namespace.close();
    expect(pids().map(isAlive)).toEqual([false, false]);
    expect(existsSync(`/run/netns/${namespace.name}`)).toBe(false);
  });
});
