import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { atExit } from "../at-exit.ts";
import { containersOf, type Manifest } from "../manifests.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { PickerOptions } from "./picker.ts";

/** The namespace that overlays name. */
export const overlayNamespace = "default";

/**
 * Applies an overlay but for its Deployment. Returns how a picker starts with the account, the
 * arguments and the document that the Deployment would give it.
 */
export async function applyOverlay(
  plane: ControlPlane,
  objects: readonly Manifest[],
): Promise<PickerOptions> {
  const { client } = plane;
  for (const object of objects.filter(({ kind }) => kind !== "Deployment")) {
    await client.apply(object);
  }
  const account = objects.find(({ kind }) => kind === "ServiceAccount");
  if (account === undefined) throw new Error("the overlay has no account");
  return {
    kubeconfig: await plane.kubeconfigFor(await client.tokenOf(account)),
    flags: flagsOf(objects),
    env: { NAMESPACE: overlayNamespace, POD_NAME: "pointsman-5d8f7c-x2x4z" },
  };
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
