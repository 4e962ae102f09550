import { readdirSync } from "node:fs";
import path from "node:path";
import { moduleFolder } from "./go.ts";

/** Where the kinds that manifests use are defined, as Go modules that carry the files. */
const sources: readonly { readonly module: string; readonly files: RegExp; readonly at: string }[] =
  [
    {
      module: "sigs.k8s.io/gateway-api@v1.6.1",
      at: "config/crd/standard",
      files: /_(?:gateways|httproutes)\.yaml$/,
    },
    {
      module: "sigs.k8s.io/gateway-api-inference-extension@v1.6.0",
      at: "config/crd/bases",
      files: /k8s\.io_inferencepools\.yaml$/,
    },
    {
      module: "istio.io/api@v1.31.4",
      at: "kubernetes",
      files: /^customresourcedefinitions\.gen\.yaml$/,
    },
    {
      module: "github.com/envoyproxy/gateway@v1.9.1",
      at: "charts/gateway-helm/charts/crds/crds/generated",
      files: /_(?:backends|backendtrafficpolicies|envoyextensionpolicies)\.yaml$/,
    },
    {
      // Later releases of the operator are not in the module proxy.
      module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
      at: "example/prometheus-operator-crd",
      files: /_servicemonitors\.yaml$/,
    },
  ];

/** Files with the CustomResourceDefinitions of gateways and of the Prometheus operator. */
export async function findGatewayCrds(
  progress: (line: string) => void,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { module, at, files } of sources) {
    const folder = path.join(await moduleFolder(module, progress), at);
    const matching = readdirSync(folder).filter((file) => files.test(file));
    if (matching.length === 0) throw new Error(`${module} has no such files in ${at}`);
    found.push(...matching.map((file) => path.join(folder, file)));
  }
  return found;
}
