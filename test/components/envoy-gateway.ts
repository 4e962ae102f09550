import { readdirSync } from "node:fs";
import path from "node:path";
import { findGoBinary, moduleFolder } from "./go.ts";

const module = "github.com/envoyproxy/gateway";
const version = "v1.9.1";

/** The controller of Envoy Gateway: the one ENVOY_GATEWAY names, or one built from the Go module proxy. */
export function findEnvoyGateway(progress: (line: string) => void): Promise<string> {
  return findGoBinary(
    {
      name: "envoy-gateway",
      version,
      variable: "ENVOY_GATEWAY",
      otherwise: `or set ENVOY_GATEWAY to an envoy-gateway ${version} binary`,
      takes: "some ten minutes on two cores",
      command: (folder) => ({
        argv: [
          "install",
          "-v",
          "-trimpath",
          "-ldflags=-s -w",
          `${module}/cmd/envoy-gateway@${version}`,
        ],
        env: { GOBIN: folder },
      }),
    },
    progress,
  );
}

/** The CRDs of Envoy Gateway's own kinds. */
export async function envoyGatewayCrdFiles(
  progress: (line: string) => void,
): Promise<readonly string[]> {
  const crds = "charts/gateway-helm/charts/crds/crds/generated";
  const folder = path.join(await moduleFolder(`${module}@${version}`, progress), crds);
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  if (files.length === 0) throw new Error(`${module} ${version} has no CRDs in ${crds}`);
  return files.map((file) => path.join(folder, file));
}
