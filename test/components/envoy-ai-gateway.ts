import { readdirSync } from "node:fs";
import path from "node:path";
import { buildFlags, findGoBinary, moduleFolder } from "./go.ts";

const module = "github.com/envoyproxy/ai-gateway";
const version = "v1.0.0";
const name = "envoy-ai-gateway-controller";

/** What a test needs of Envoy AI Gateway. */
export interface EnvoyAiGateway {
  /** Its controller, which is Envoy Gateway's extension server as well. */
  readonly controller: string;
  readonly crdFiles: readonly string[];
  /** A folder with its Helm chart. */
  readonly chart: string;
  /** Values for Envoy Gateway's chart, in their order. */
  readonly envoyGatewayValues: readonly string[];
}

/** The controller is the one ENVOY_AI_GATEWAY names, or one built from the Go module proxy. */
export async function findEnvoyAiGateway(
  progress: (line: string) => void,
): Promise<EnvoyAiGateway> {
  const folder = await moduleFolder(`${module}@${version}`, progress);
  const inModule = (file: string) => path.join(folder, file);
  const crds = inModule("manifests/charts/ai-gateway-crds-helm/templates");
  return {
    controller: await findController(folder, progress),
    crdFiles: readdirSync(crds).map((file) => path.join(crds, file)),
    chart: inModule("manifests/charts/ai-gateway-helm"),
    envoyGatewayValues: [
      inModule("manifests/envoy-gateway-values.yaml"),
      inModule("examples/inference-pool/envoy-gateway-values-addon.yaml"),
    ],
  };
}

function findController(folder: string, progress: (line: string) => void): Promise<string> {
  return findGoBinary(
    {
      name,
      version,
      variable: "ENVOY_AI_GATEWAY",
      otherwise: `or set ENVOY_AI_GATEWAY to a controller ${version} binary`,
      takes: "some five minutes on two cores",
      command: (target) => ({
        // `go install` would ask the proxy for all versions, which it does not have of this module.
        argv: ["build", ...buildFlags, "-o", path.join(target, name), "./cmd/controller"],
        cwd: folder,
      }),
    },
    progress,
  );
}
