import { readdirSync } from "node:fs";
import path from "node:path";
import { envoyGatewayCrdFiles } from "./envoy-gateway.ts";
import { moduleFolder } from "./go.ts";

/** Where the kinds are defined, as Go modules that carry the files. */
const sources: readonly { readonly module: string; readonly files: RegExp; readonly at: string }[] =
  [
    {
      module: "istio.io/api@v1.31.4",
      at: "kubernetes",
      files: /^customresourcedefinitions\.gen\.yaml$/,
    },
    {
      // Later releases of the operator are not in the module proxy.
      module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
      at: "example/prometheus-operator-crd",
      files: /_(?:servicemonitors|prometheusrules)\.yaml$/,
    },
  ];

/** The CRDs of the gateways that manifests are for, and of the Prometheus operator. */
export async function gatewayCrdFiles(
  progress: (line: string) => void,
): Promise<readonly string[]> {
  const found = [...(await envoyGatewayCrdFiles(progress))];
  for (const { module, at, files } of sources) {
    const folder = path.join(await moduleFolder(module, progress), at);
    const matching = readdirSync(folder).filter((file) => files.test(file));
    if (matching.length === 0) throw new Error(`${module} has no such files in ${at}`);
    found.push(...matching.map((file) => path.join(folder, file)));
  }
  return found;
}
