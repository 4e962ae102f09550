import type { KubeObject } from "../kube/client.ts";

export const nodeName = "node-0";

/** The node of all pods: Kubernetes makes endpoints of a Service only of pods on one that exists. */
export const node: KubeObject = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: nodeName },
};
