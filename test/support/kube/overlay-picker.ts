import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { atExit } from "../at-exit.ts";
import { containersOf, type Manifest } from "../manifests.ts";
import type { ControlPlane } from "./control-plane.ts";
import { aPod } from "./objects.ts";
import type { PickerOptions } from "./picker.ts";

/** The namespace that overlays name. */
export const overlayNamespace = "default";

const podName = "pointsman-5d8f7c-x2x4z";

/**
 * Applies an overlay but for its Deployment; in the place of that comes its pod with this address, if
 * any. Returns how a picker starts with the account, the arguments and the document that the
 * Deployment would give it.
 */
export async function applyOverlay(
  plane: ControlPlane,
  objects: readonly Manifest[],
  ip?: string,
): Promise<PickerOptions> {
  const { client } = plane;
  for (const object of objects.filter(({ kind }) => kind !== "Deployment")) {
    await client.apply(object);
  }
  if (ip !== undefined) {
    const pod = { name: podName, namespace: overlayNamespace, ip, labels: labelsOf(objects) };
    await client.apply(aPod(pod));
  }
  const account = objects.find(({ kind }) => kind === "ServiceAccount");
  if (account === undefined) throw new Error("the overlay has no account");
  return {
    kubeconfig: await plane.kubeconfigFor(await client.tokenOf(account)),
    flags: flagsOf(objects),
    env: { NAMESPACE: overlayNamespace, POD_NAME: podName },
  };
}

/** The labels that the Deployment gives its pods. */
function labelsOf(objects: readonly Manifest[]): Readonly<Record<string, string>> {
  const deployment = objects.find(({ kind }) => kind === "Deployment");
  return deploymentSchema.parse(deployment).spec.template.metadata.labels;
}

const deploymentSchema = z.object({
  spec: z.object({
    template: z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()) }) }),
  }),
});

/** The arguments of the Deployment, with its variables and files where the test has them. */
function flagsOf(objects: readonly Manifest[]): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), "pointsman-overlay-"));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const document = path.join(folder, "picker.yaml");
  const config = objects.find(({ kind }) => kind === "ConfigMap");
  writeFileSync(document, config?.data?.["picker.yaml"] ?? "");
  const [epp] = objects.flatMap(containersOf);
  return (epp?.args ?? []).map((arg) =>
    arg.replace("/config/picker.yaml", document).replace("$(NAMESPACE)", overlayNamespace),
  );
}
