import { readFileSync } from "node:fs";
import path from "node:path";
import { findGoBinary } from "./go.ts";

/** One Go module for each binary: they require different versions of what both use. */
const sources = path.join(import.meta.dirname, "kubernetes");

export interface ControlPlaneBinaries {
  readonly apiserver: string;
  readonly etcd: string;
}

/** The Kubernetes API server and its etcd: those that KUBE_APISERVER and ETCD name, or built ones. */
export async function findControlPlane(
  progress: (line: string) => void,
): Promise<ControlPlaneBinaries> {
  const etcd = process.env["ETCD"] || (await findEtcd(progress));
  const apiserver = process.env["KUBE_APISERVER"] || (await findApiServer(progress));
  return { apiserver, etcd };
}

function findEtcd(progress: (line: string) => void): Promise<string> {
  return findGoBinary(
    {
      name: "etcd",
      version: requiredVersion("etcd", "go.etcd.io/etcd/server/v3"),
      otherwise: "or set ETCD to an etcd binary of 3.6 or later",
      takes: "some two minutes",
      command: (folder) => ({
        argv: ["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", folder, "."],
        cwd: path.join(sources, "etcd"),
      }),
    },
    progress,
  );
}

function findApiServer(progress: (line: string) => void): Promise<string> {
  const version = requiredVersion("kube-apiserver", "k8s.io/kubernetes");
  return findGoBinary(
    {
      name: "kube-apiserver",
      version,
      otherwise: `or set KUBE_APISERVER to a kube-apiserver ${version} binary`,
      takes: "some ten minutes on two cores",
      command: (folder) => ({
        argv: [
          ...["build", "-v", "-trimpath", "-buildvcs=false", `-ldflags=${stamp(version)}`],
          ...["-o", folder, "."],
        ],
        cwd: path.join(sources, "kube-apiserver"),
      }),
    },
    progress,
  );
}

/** What the linker is told, so that the server names its release: a module carries no version of itself. */
function stamp(version: string): string {
  const [major = "", minor = ""] = version.slice(1).split(".");
  const variables = {
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
  };
  const flags = Object.entries(variables).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  return `-s -w ${flags.join(" ")}`;
}

function requiredVersion(folder: string, module: string): string {
  const words = readFileSync(path.join(sources, folder, "go.mod"), "utf8").split(/\s+/);
  const version = words[words.indexOf(module) + 1];
  if (version?.startsWith("v") !== true) throw new Error(`${folder}/go.mod lacks ${module}`);
  return version;
}
