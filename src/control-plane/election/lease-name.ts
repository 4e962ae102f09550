/** Pods of a Deployment are named after it, its ReplicaSet and five letters of their own. */
const podOfDeployment = /^(.+)-[a-z0-9]+-[a-z0-9]+$/;

/** The Lease that the replicas for a pool contend for; the peer's name, so that it contends too. */
export function leaseNameOf(namespace: string, pool: string): string {
  return `epp-${namespace}-${pool}.llm-d.ai`;
}

/** The Deployment of a pod, from the pod's name; undefined for a pod of another kind. */
export function deploymentOf(podName: string): string | undefined {
  return podOfDeployment.exec(podName)?.[1];
}
