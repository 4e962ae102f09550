import type { Endpoint } from "../../../core/endpoint.ts";

/**
 * The endpoints a gateway's subset hint allows, in their order. An entry `ip:port` (IPv6 in
 * brackets) allows that endpoint alone, an entry `ip` every port of the address.
 */
export function endpointsInSubset(
  endpoints: readonly Endpoint[],
  subset: readonly string[],
): readonly Endpoint[] {
  const allowed = new Set(subset.map(withoutBareBrackets));
  return endpoints.filter(({ address, hostPort }) => allowed.has(hostPort) || allowed.has(address));
}

/** `[::1]` names the same address as `::1`. */
function withoutBareBrackets(entry: string): string {
  return entry.startsWith("[") && entry.endsWith("]") ? entry.slice(1, -1) : entry;
}
