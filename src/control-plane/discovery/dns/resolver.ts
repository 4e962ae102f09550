import { lookup, resolveSrv } from "node:dns/promises";
import { isIP } from "node:net";
import { canonicalHost } from "./endpoint-address.ts";

interface ServiceTarget {
  readonly host: string;
  readonly port: number;
}

/** Asks for names; rejects with the error of the system. */
export interface Resolver {
  /** IP addresses of a host. */
  addresses(host: string): Promise<readonly string[]>;
  /** Hosts and ports of a name's SRV records. */
  services(name: string): Promise<readonly ServiceTarget[]>;
}

/**
 * The resolver of the system. Addresses are those that other programs see, so `/etc/hosts` and search domains count. Of
 * a host with both families only IPv4 counts: both belong to one engine, which must not be two endpoints.
 */
export const systemResolver: Resolver = {
  async addresses(host) {
    if (isIP(host) !== 0) return [host];
    const found = await lookup(host, { all: true });
    const older = found.filter(({ family }) => family === 4);
    const used = older.length > 0 ? older : found;
    return [...new Set(used.map(({ address }) => canonicalHost(address)))].toSorted();
  },
  async services(name) {
    const records = await resolveSrv(name);
    // Only the targets of the lowest priority number are in use (RFC 2782).
    const first = Math.min(...records.map(({ priority }) => priority));
    return records
      .filter(({ priority }) => priority === first)
      .map(({ name: host, port }) => ({ host, port }));
  },
};
