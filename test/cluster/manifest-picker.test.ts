import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { crdFiles } from "#test/components/crds.ts";
import { findKustomize } from "#test/components/kustomize.ts";
import { becomes, clusterPickers } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { anEndpointSlice, aPod, aService } from "#test/support/kube/objects.ts";
import { applyOverlay, overlayNamespace } from "#test/support/kube/overlay-picker.ts";
import { overlaysFolder } from "#test/support/manifests.ts";
import { renderOverlay } from "#test/support/render.ts";
import { say } from "#test/support/say.ts";

const namespace = overlayNamespace;
const labels = { app: "model-server" };

describe("a picker with what an overlay gives it", () => {
  const plane = controlPlaneOfFile();
  const cluster = clusterPickers(plane);
  let kustomize: string;

  beforeAll(async () => {
    kustomize = await findKustomize(say);
    const { gatewayApi, inferencePool, llmD } = await crdFiles(() => undefined);
    const { client } = plane();
    await client.applyCrds([...gatewayApi, ...inferencePool, ...llmD]);
    await client.apply(aPod({ name: "a", namespace, labels, ip: "127.3.5.1" }));
    await client.apply(
      aService({ name: "model-servers", namespace, port: 8000, selector: labels }),
    );
    // Its endpoints may have no address of the test's machine, so it has none.
    const slice = { name: "model-servers-1", namespace, service: "model-servers", port: 8000 };
    await client.apply(anEndpointSlice({ ...slice, endpoints: [] }));
  }, 1_800_000);

  it.each([
    { overlay: "inference-pool", takers: ["a-rank-0:8000"] },
    { overlay: "service", takers: [] },
    { overlay: "watched-config", takers: ["a-rank-0:8000"] },
  ])("finds its endpoints and lacks no right: $overlay", async ({ overlay, takers }) => {
    const objects = renderOverlay(kustomize, path.join(overlaysFolder, overlay));
    const picker = await cluster.picker(await applyOverlay(plane(), objects));
    await becomes(() => picker.takers(), takers);
    await becomes(() => picker.health("readiness"), "SERVING");
    expect(picker.child.output()).not.toContain("forbidden");
    await picker.close();
    for (const object of objects.filter(({ apiVersion }) => apiVersion.startsWith("rbac."))) {
      await plane().client.delete(object);
    }
  });
});
