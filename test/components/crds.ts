import { readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { cachedFolder } from "./cached-folder.ts";
import { moduleFolder } from "./go.ts";

const gatewayApi = "sigs.k8s.io/gateway-api@v1.6.1";
const inferenceExtension = "sigs.k8s.io/gateway-api-inference-extension";
const poolVersion = "v1.6.0";
/** The last release with all kinds of the older API group. */
const legacyVersion = "v1.4.0";

/** Paths of manifests that define kinds. */
export interface CrdFiles {
  /** Gateway, HTTPRoute and others, of the standard channel. */
  readonly gatewayApi: readonly string[];
  /** InferencePool v1 of inference.networking.k8s.io. */
  readonly inferencePool: readonly string[];
  /** InferenceObjective and InferenceModelRewrite of llm-d.ai. */
  readonly llmD: readonly string[];
  /** InferencePool, InferenceObjective and InferenceModelRewrite of inference.networking.x-k8s.io. */
  readonly legacy: readonly string[];
}

/** The CRDs that a gateway of this kind lives with, from the Go modules that carry them. */
export async function crdFiles(progress: (line: string) => void): Promise<CrdFiles> {
  const standard = path.join(await moduleFolder(gatewayApi, progress), "config/crd/standard");
  const pools = await moduleFolder(`${inferenceExtension}@${poolVersion}`, progress);
  const legacy = await moduleFolder(`${inferenceExtension}@${legacyVersion}`, progress);
  const legacyBases = path.join(legacy, "config/crd/bases");
  const legacyFile = (plural: string) =>
    path.join(legacyBases, `inference.networking.x-k8s.io_${plural}.yaml`);
  const moved = [legacyFile("inferenceobjectives"), legacyFile("inferencemodelrewrites")];
  return {
    gatewayApi: (await readdir(standard))
      .map((file) => path.join(standard, file))
      // One file is an admission policy for upgrades.
      .filter((file) => readFileSync(file, "utf8").includes("kind: CustomResourceDefinition")),
    inferencePool: [
      path.join(pools, "config/crd/bases/inference.networking.k8s.io_inferencepools.yaml"),
    ],
    llmD: await inGroup("llm-d.ai", moved),
    legacy: [legacyFile("inferencepools"), ...moved],
  };
}

/**
 * Copies of manifests, in the cache, that define the same kinds in another group. The group llm-d.ai
 * took these kinds over with their schemas, and no Go module carries them.
 */
async function inGroup(group: string, files: readonly string[]): Promise<readonly string[]> {
  const folder = await cachedFolder(`crds-${group}-${legacyVersion}`, async (partial) => {
    for (const file of files) {
      const text = readFileSync(file, "utf8").replaceAll("inference.networking.x-k8s.io", group);
      await writeFile(path.join(partial, path.basename(file)), text);
    }
  });
  return files.map((file) => path.join(folder, path.basename(file)));
}
