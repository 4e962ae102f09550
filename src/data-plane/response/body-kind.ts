/** Response headers that describe a body. */
export interface BodyHeaders {
  /** Response header `content-type`. */
  readonly contentType: string | undefined;
  /** Response header `content-encoding`. */
  readonly contentEncoding: string | undefined;
}

/**
 * Type of a body: server-sent events, JSON lines, one JSON document, a type that is not read, or no type in the
 * headers.
 */
export type BodyKind = "events" | "lines" | "json" | "unread" | "unsaid";

/** Coding of a body; `unknown` for any other, or several of them. */
export type BodyEncoding = "identity" | "gzip" | "deflate" | "br" | "zstd" | "unknown";

const jsonType = /^application\/(?:[^\s/]+\+)?json$/u;

/** Common names for JSON lines; none is registered. */
const linesType = /^application\/(?:x-ndjson|ndjson|x-jsonlines|jsonlines|jsonl|x-jsonl)$/u;

/** RFC 9110, section 8.4.1, and RFC 8878 for `zstd`. */
const encodings: ReadonlyMap<string, BodyEncoding> = new Map([
  ["", "identity"],
  ["identity", "identity"],
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["br", "br"],
  ["zstd", "zstd"],
]);

/** Type of the decompressed body, according to the headers. */
export function bodyKindOf({ contentType = "" }: BodyHeaders): BodyKind {
  // The usual types, without more.
  if (contentType === "application/json") return "json";
  if (contentType === "text/event-stream") return "events";
  const [mediaType = ""] = contentType.split(/[;,]/u, 1);
  const type = mediaType.trim().toLowerCase();
  if (type === "") return "unsaid";
  if (type === "text/event-stream") return "events";
  if (linesType.test(type)) return "lines";
  return jsonType.test(type) ? "json" : "unread";
}

export function encodingOf({ contentEncoding = "" }: BodyHeaders): BodyEncoding {
  if (contentEncoding === "") return "identity";
  return encodings.get(contentEncoding.trim().toLowerCase()) ?? "unknown";
}
