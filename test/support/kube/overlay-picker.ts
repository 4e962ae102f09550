import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { atExit } from "../at-exit.ts";
import { containersOf, type Manifest } from "../manifests.ts";
import type { ControlPlane } from "./control-plane.ts";
import { aPodOf } from "./objects.ts";
import type { PickerOptions } from "./picker.ts";

/** The namespace that overlays name. */
export const overlayNamespace = "default";

/** Of the picker that the Deployment of an overlay stands for. */
export const pickerPodName = "pointsman-5d8f7c-x2x4z";

/**
 * Applies an overlay but for its Deployment; in the place of that comes its pod `pod`, if any. Returns
 * how a picker starts with the account, the arguments and the document that the Deployment would give it.
 */
export async function applyOverlay(
  plane: ControlPlane,
  objects: readonly Manifest[],
  pod?: { readonly ip: string; readonly nodeName: string },
): Promise<PickerOptions> {
  const { client } = plane;
  for (const object of objects.filter(({ kind }) => kind !== "Deployment")) {
    await client.apply(object);
  }
  if (pod !== undefined) {
    await client.apply(aPodOf(deploymentOf(objects), { name: pickerPodName, ...pod }));
  }
  const account = objects.find(({ kind }) => kind === "ServiceAccount");
  if (account === undefined) throw new Error("the overlay has no account");
  return {
    kubeconfig: await plane.kubeconfigFor(await client.tokenOf(account)),
    flags: flagsOf(objects),
    env: { NAMESPACE: overlayNamespace, POD_NAME: pickerPodName },
  };
}

function deploymentOf(objects: readonly Manifest[]): Manifest {
  const deployment = objects.find(({ kind }) => kind === "Deployment");
  if (deployment === undefined) throw new Error("the overlay has no Deployment");
  return deployment;
}

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
