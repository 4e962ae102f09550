import { isIP, SocketAddress } from "node:net";

/** Engines as an operator names them: one host and port, or a name of SRV records, which have both. */
export type EndpointAddress =
  | {
      readonly kind: "host";
      readonly host: string;
      readonly port: number;
      readonly isSecure: boolean;
    }
  | { readonly kind: "srv"; readonly name: string; readonly isSecure: boolean };

export type ReadAddress = EndpointAddress | { readonly kind: "invalid"; readonly mistake: string };

const srvSchemes = new Set(["srv:", "http+srv:", "https+srv:", "dnssrv:"]);

/** Reads `http://host:port`, `https://host:port`, `host:port`, or `srv://_service._tcp.domain`. */
export function readEndpointAddress(text: string): ReadAddress {
  const shown = JSON.stringify(text);
  const invalid = (reason: string) =>
    ({ kind: "invalid", mistake: `${shown}: ${reason}` }) as const;
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//iu.test(text) ? text : `http://${text}`;
  const scheme = withScheme.slice(0, withScheme.indexOf(":") + 1).toLowerCase();
  // Only for `http` does a URL have its standard form, such as an address in one spelling.
  const url = URL.parse(`http:${withScheme.slice(scheme.length)}`);
  if (url === null || url.hostname === "")
    return invalid("want a URL such as http://10.0.0.1:8000");
  if (url.username !== "" || url.password !== "") return invalid("want no user or password");
  if (url.search !== "" || url.hash !== "") return invalid("want no query");
  if (url.pathname !== "/") {
    return invalid("want no path: clients give the path, such as /v1/chat/completions");
  }
  const isSecure = scheme.startsWith("https");
  if (srvSchemes.has(scheme)) {
    return url.port === ""
      ? { kind: "srv", name: url.hostname, isSecure }
      : invalid("SRV records have the port");
  }
  if (scheme !== "http:" && scheme !== "https:") {
    return invalid("want http://, https://, or srv:// for SRV records");
  }
  const hasScheme = withScheme === text;
  const given = portIn(url, withScheme);
  if (given === undefined && !hasScheme) return invalid("want a port, such as :8000");
  const port = given ?? (isSecure ? 443 : 80);
  if (port === 0) return invalid("want a port of 1..65535");
  return { kind: "host", host: canonicalHost(url.hostname), port, isSecure };
}

/** The port that the text gives. A URL of `http` leaves out port 80, which is not the usual one of https. */
function portIn({ port }: URL, text: string): number | undefined {
  if (port !== "") return Number(port);
  return /:0*80\/?$/u.test(text) ? 80 : undefined;
}

/** One spelling for each address: IPv6 without brackets. */
export function canonicalHost(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/u, "$1");
  return isIP(bare) === 6 ? new SocketAddress({ address: bare, family: "ipv6" }).address : bare;
}
