import path from "node:path";
import { findGoBinary } from "./go.ts";
import { findKubernetesBinary, modules, requiredVersion } from "./kubernetes-binary.ts";

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
