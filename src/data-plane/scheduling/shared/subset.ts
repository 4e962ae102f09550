import type { Endpoint } from "../../../core/endpoint.ts";

/**
 * The endpoints that a gateway's subset hint allows, in their order. An entry `ip:port` (IPv6 in brackets) allows only
 * that endpoint, an entry `ip` every port of the address.
 */
export function endpointsInSubset(
  endpoints: readonly Endpoint[],
  subset: readonly string[],
): readonly Endpoint[] {
  const allowed = new Set(subset.map(withoutBareBrackets));
  return endpoints.filter(({ address, hostPort }) => allowed.has(hostPort) || allowed.has(address));
}

/** Removes the brackets of an address without a port: `[::1]` is the same as `::1`. */
function withoutBareBrackets(entry: string): string {
  return entry.startsWith("[") && entry.endsWith("]") ? entry.slice(1, -1) : entry;
}
