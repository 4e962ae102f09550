import path from "node:path";
import { buildFlags, findGoBinary } from "./go.ts";
import { modules, requiredVersion } from "./kubernetes-binary.ts";

const folder = "inference-extension-conformance";
const suitePackage = "sigs.k8s.io/gateway-api-inference-extension/conformance";
const gatewayApi = "sigs.k8s.io/gateway-api/conformance";

export interface ConformanceBinaries {
  /** The suite, as `go test -c` makes it of its package. */
  readonly suite: string;
  /** What its manifests have as the model servers: the program of the image `echo-basic`. */
  readonly echo: string;
}

/** The release of the Gateway API Inference Extension whose suite it is. */
export const conformanceVersion = requiredVersion(folder, suitePackage);

/**
 * The official conformance suite of the Gateway API Inference Extension, unmodified, and its echo
 * server: those that INFERENCE_EXTENSION_CONFORMANCE and ECHO_BASIC name, or built ones.
 */
export async function findConformanceSuite(
  progress: (line: string) => void,
): Promise<ConformanceBinaries> {
  return { suite: await findSuite(progress), echo: await findEcho(progress) };
}

function findSuite(progress: (line: string) => void): Promise<string> {
  const name = folder;
  return findGoBinary(
    {
      name,
      version: conformanceVersion,
      variable: "INFERENCE_EXTENSION_CONFORMANCE",
      otherwise: `or set INFERENCE_EXTENSION_CONFORMANCE to the test binary of ${suitePackage} ${conformanceVersion}`,
      takes: "some two minutes",
      command: (target) => ({
        argv: ["test", "-c", ...buildFlags, "-o", path.join(target, name), suitePackage],
        cwd: path.join(modules, folder),
      }),
    },
    progress,
  );
}

function findEcho(progress: (line: string) => void): Promise<string> {
  const name = "echo-basic";
  const version = requiredVersion(folder, gatewayApi);
  return findGoBinary(
    {
      name,
      version,
      variable: "ECHO_BASIC",
      otherwise: `or set ECHO_BASIC to a binary of ${gatewayApi}/${name} ${version}`,
      takes: "a few seconds after the suite",
      command: (target) => ({
        argv: ["build", ...buildFlags, "-o", path.join(target, name), `${gatewayApi}/${name}`],
        cwd: path.join(modules, folder),
      }),
    },
    progress,
  );
}
