import path from "node:path";
import { buildFlags, findGoBinary } from "./go.ts";
import { findKubernetesBinary, modules, requiredVersion } from "./kubernetes-binary.ts";

export interface ControlPlaneBinaries {
  readonly apiserver: string;
  readonly etcd: string;
}

/** The Kubernetes API server and its etcd: those that KUBE_APISERVER and ETCD name, or built ones. */
export async function findControlPlane(
  progress: (line: string) => void,
): Promise<ControlPlaneBinaries> {
  const etcd = await findEtcd(progress);
  return { apiserver: await findApiServer(progress), etcd };
}

function findEtcd(progress: (line: string) => void): Promise<string> {
  return findGoBinary(
    {
      name: "etcd",
      version: requiredVersion("etcd", "go.etcd.io/etcd/server/v3"),
      variable: "ETCD",
      otherwise: "or set ETCD to an etcd binary of 3.6 or later",
      takes: "some two minutes",
      command: (folder) => ({
        argv: ["build", ...buildFlags, "-o", folder, "."],
        cwd: path.join(modules, "etcd"),
      }),
    },
    progress,
  );
}

function findApiServer(progress: (line: string) => void): Promise<string> {
  return findKubernetesBinary(
    { name: "kube-apiserver", variable: "KUBE_APISERVER", takes: "some ten minutes on two cores" },
    progress,
  );
}
