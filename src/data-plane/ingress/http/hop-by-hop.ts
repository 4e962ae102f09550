/** Headers of one connection, which no proxy passes on (RFC 9110, section 7.6.1). */
const ofConnection = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

const noNames: ReadonlySet<string> = new Set();

/** Names that must pass even if `Connection` names them: they tell where a message ends, and who may send it. */
const neverNamed = new Set(["content-length", "host", "authorization", "cookie"]);

export function isHopByHop(lowerName: string): boolean {
  return ofConnection.has(lowerName);
}

/** The headers that values of `Connection` name, in lower case. */
export function namedByConnection(value: string | undefined): ReadonlySet<string> {
  if (value === undefined || usualValues.has(value)) return noNames;
  const names = value.toLowerCase().split(",");
  return new Set(names.map((name) => name.trim()).filter((name) => !neverNamed.has(name)));
}

/** Values that name no header: nearly all. */
const usualValues = new Set(["keep-alive", "close", "Keep-Alive", "Close", "upgrade", "Upgrade"]);
