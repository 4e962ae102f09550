import { findKubernetesBinary } from "./kubernetes-binary.ts";

/** Kubernetes' own controllers: the program that KUBE_CONTROLLER_MANAGER names, or a built one. */
export function findControllerManager(progress: (line: string) => void): Promise<string> {
  return findKubernetesBinary(
    {
      name: "kube-controller-manager",
      variable: "KUBE_CONTROLLER_MANAGER",
      takes: "some three minutes on two cores after the API server",
    },
    progress,
  );
}
