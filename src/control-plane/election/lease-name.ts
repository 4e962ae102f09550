/**
 * The Lease that the replicas for a pool compete for. It has the same name as in llm-d-router, so
 * that its replicas compete too.
 */
export function leaseNameOf(namespace: string, pool: string): string {
  return `epp-${namespace}-${pool}.llm-d.ai`;
}
