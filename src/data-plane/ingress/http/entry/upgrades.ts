import type { IncomingHttpHeaders } from "node:http";

/** Protocols in which a client could send further requests to an engine that the gateway does not see. */
const protocolsOfRequests = new Set(["h2c", "h2", "h3", "http", "https", "tls"]);

/** True if the gateway connects the client with an engine for this upgrade; it may ignore others (RFC 9110, section 7.8). */
export function isTunnelled(headers: IncomingHttpHeaders): boolean {
  if (hasBody(headers)) return false;
  const protocols = (headers.upgrade ?? "").toLowerCase().split(",");
  return protocols.every((protocol) => {
    const name = protocol.split("/", 1)[0]?.trim() ?? "";
    return !protocolsOfRequests.has(name);
  });
}

/** True if bytes of a body follow the head. */
export function hasBody(headers: IncomingHttpHeaders): boolean {
  const length = headers["content-length"];
  return (length !== undefined && Number(length) !== 0) || "transfer-encoding" in headers;
}

const answerOfConnection = "_httpMessage";

/**
 * True while an earlier answer on the connection is not complete. Node.js throws if another one takes the connection then;
 * it keeps the answer in this property, which has no public form.
 */
export function isAnswering(connection: object): boolean {
  return Reflect.get(connection, answerOfConnection) != null;
}
