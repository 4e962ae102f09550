import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { findKustomize } from "#test/components/kustomize.ts";
import { becomes, clusterPickers } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { anEndpointSlice, aPod, aService } from "#test/support/kube/objects.ts";
import { containersOf, type Manifest, overlaysFolder } from "#test/support/manifests.ts";
import { renderOverlay } from "#test/support/render.ts";

const namespace = "default";
const labels = { app: "model-server" };

describe("a picker with what an overlay gives it", () => {
  const plane = controlPlaneOfFile();
  const cluster = clusterPickers(plane);
  let kustomize: string;
  let folder: string;

  beforeAll(async () => {
    kustomize = await findKustomize((line) => void process.stdout.write(`${line}\n`));
    const { gatewayApi, inferencePool, llmD } = await crdFiles(() => undefined);
    const { client } = plane();
    await client.applyCrds([...gatewayApi, ...inferencePool, ...llmD]);
    folder = await mkdtemp(path.join(tmpdir(), "pointsman-manifests-"));
    await client.apply(aPod({ name: "a", namespace, labels, ip: "127.3.5.1" }));
    await client.apply(
      aService({ name: "model-servers", namespace, port: 8000, selector: labels }),
    );
    // Its endpoints may have no address of the test's machine, so it has none.
    const slice = { name: "model-servers-1", namespace, service: "model-servers", port: 8000 };
    await client.apply(anEndpointSlice({ ...slice, endpoints: [] }));
  }, 1_800_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([
    { overlay: "inference-pool", takers: ["a-rank-0:8000"] },
    { overlay: "service", takers: [] },
    { overlay: "watched-config", takers: ["a-rank-0:8000"] },
  ])("finds its endpoints and lacks no right: $overlay", async ({ overlay, takers }) => {
    const objects = renderOverlay(kustomize, path.join(overlaysFolder, overlay));
    const { client } = plane();
    for (const object of objects.filter(({ kind }) => kind !== "Deployment")) {
      await client.apply(object);
    }
    const account = objects.find(({ kind }) => kind === "ServiceAccount");
    if (account === undefined) throw new Error(`${overlay} has no account`);
    const picker = await cluster.picker({
      kubeconfig: await plane().kubeconfigFor(await client.tokenOf(account)),
      flags: await flagsOf(objects),
      env: { NAMESPACE: namespace, POD_NAME: "pointsman-5d8f7c-x2x4z" },
    });
    await becomes(() => picker.takers(), takers);
    await becomes(() => picker.health("readiness"), "SERVING");
    expect(picker.child.output()).not.toContain("forbidden");
    await picker.close();
    for (const object of objects.filter(({ apiVersion }) => apiVersion.startsWith("rbac."))) {
      await client.delete(object);
    }
  });

  /** The arguments of the Deployment, with its variables and files where the test has them. */
  async function flagsOf(objects: readonly Manifest[]): Promise<string[]> {
    const document = path.join(folder, "picker.yaml");
    const config = objects.find(({ kind }) => kind === "ConfigMap");
    await writeFile(document, config?.data?.["picker.yaml"] ?? "");
    const [epp] = objects.flatMap(containersOf);
    return (epp?.args ?? []).map((arg) =>
      arg.replace("/config/picker.yaml", document).replace("$(NAMESPACE)", namespace),
    );
  }
});
