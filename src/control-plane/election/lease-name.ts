/** The Lease that the replicas for a pool contend for; the peer's name, so that it contends too. */
export function leaseNameOf(namespace: string, pool: string): string {
  return `epp-${namespace}-${pool}.llm-d.ai`;
}
