import type { IncomingMessage } from "node:http";

/** Headers of a request. Node.js drops those beyond its own limit, whatever they say. */
export const headersMax = 200;

/** Host and port of RFC 9110, section 4.2.1, without a user; a name may have any character of RFC 3986. */
const usableAuthority =
  /^(?:\[[\da-f:.]+(?:%25[\w.~-]+)?\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d{0,5})?$/iu;

/**
 * The reason to refuse a request whose end, or whose version, HTTP/1.1 leaves open although Node.js takes it; undefined
 * for any other. A body is sent on as its content, so a coding that the gateway does not undo would get lost.
 */
export function framingMistakeIn({
  httpVersion,
  headers,
  rawHeaders,
}: Pick<IncomingMessage, "httpVersion" | "headers" | "rawHeaders">): string | undefined {
  if (rawHeaders.length > 2 * headersMax) return `the request has more than ${headersMax} headers`;
  if (httpVersion !== "1.1" && httpVersion !== "1.0") {
    return `the request is of HTTP/${httpVersion}, and HTTP/1.0, HTTP/1.1 and HTTP/2 are supported`;
  }
  if (headers.host === undefined && httpVersion === "1.1") return "the request has no Host header";
  const coding = headers["transfer-encoding"];
  if (coding === undefined) return undefined;
  // RFC 9112, section 6.1.
  if (httpVersion === "1.0") return "a request of HTTP/1.0 has no Transfer-Encoding";
  return coding.toLowerCase() === "chunked"
    ? undefined
    : "the only supported Transfer-Encoding is chunked";
}

interface Target {
  readonly path: string;
  readonly authority: string;
  /** Number of `Host` headers. */
  readonly hosts: number;
}

/** The reason to refuse a request for its target or its host (RFC 9112, section 3.2); undefined if both are usable. */
export function targetMistakeIn({ path, authority, hosts }: Target): string | undefined {
  if (hosts > 1) return "the request has two Host headers";
  if (!path.startsWith("/")) return "the request target is not a path";
  // An engine may stop reading where the gateway does not.
  if (path.includes("#")) return "the request target has a fragment";
  return usableAuthority.test(authority) ? undefined : "the host is not valid";
}
