import path from "node:path";
import { buildFlags, findGoBinary, moduleFolder } from "./go.ts";

const module = "istio.io/istio";
/** A commit on the way to 1.31, as near to a release as the module proxy has it. */
const version = "v0.0.0-20260827124520-eed52ebb66ad";

/** What a test needs of Istio. */
export interface Istio {
  /** The control plane: `pilot-discovery`. */
  readonly discovery: string;
  /** What runs a proxy in its pod: `pilot-agent`. */
  readonly agent: string;
  /** A folder with the Helm chart of the control plane. */
  readonly chart: string;
  readonly crdFiles: readonly string[];
  /** The template that the agent makes Envoy's bootstrap of. */
  readonly bootstrapTemplate: string;
}

/** The programs are those that ISTIO_DISCOVERY and ISTIO_AGENT name, or built from the Go module proxy. */
export async function findIstio(progress: (line: string) => void): Promise<Istio> {
  const folder = await moduleFolder(`${module}@${version}`, progress);
  const find = (name: string, variable: string, takes: string) =>
    findGoBinary(
      {
        ...{ name, version, variable, takes },
        otherwise: `or set ${variable} to a binary of ${module}/pilot/cmd/${name} ${version}`,
        command: (target) => ({
          argv: ["build", ...buildFlags, "-o", path.join(target, name), `./pilot/cmd/${name}`],
          cwd: folder,
        }),
      },
      progress,
    );
  return {
    discovery: await find("pilot-discovery", "ISTIO_DISCOVERY", "some ten minutes on two cores"),
    agent: await find("pilot-agent", "ISTIO_AGENT", "a minute after the control plane"),
    chart: path.join(folder, "manifests/charts/istio-control/istio-discovery"),
    crdFiles: [path.join(folder, "manifests/charts/base/files/crd-all.gen.yaml")],
    bootstrapTemplate: path.join(folder, "tools/packaging/common/envoy_bootstrap.json"),
  };
}
