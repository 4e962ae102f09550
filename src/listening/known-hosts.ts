import { isIP } from "node:net";
import { hostname } from "node:os";

/** Names that only this machine or its network answers to (RFC 6761, RFC 6762, ICANN's `.internal`). */
const localSuffixes = [".localhost", ".local", ".internal"];

/**
 * The hosts by which clients may address a server of this machine. A web page can let its own name point to this machine
 * (DNS rebinding), and the browser then takes the server for a part of the page; but the request still has that name.
 */
export class KnownHosts {
  readonly #names: ReadonlySet<string>;

  /** `names`: further ones; `*` for all. */
  constructor(names: readonly string[], ownName = hostname()) {
    this.#names = new Set([...names, ownName].map((name) => name.toLowerCase()));
  }

  /** `authority`: a host with or without a port, as `Host` has it; "" if the client gave none, as no browser does. */
  knows(authority: string): boolean {
    const host = hostOf(authority);
    if (host === "" || isIP(host) !== 0 || this.#names.has("*") || this.#names.has(host)) {
      return true;
    }
    // No web page is at a name without a dot.
    return !host.includes(".") || localSuffixes.some((suffix) => host.endsWith(suffix));
  }
}

function hostOf(authority: string): string {
  const bare = authority.replace(/:\d*$/u, "").toLowerCase();
  return bare.startsWith("[") ? bare.slice(1, -1) : bare.replace(/\.$/u, "");
}
