/** Response headers that say what a body is. */
export interface BodyHeaders {
  /** Response header `content-type`. */
  readonly contentType: string | undefined;
  /** Response header `content-encoding`: a compressed body is not read. */
  readonly contentEncoding: string | undefined;
}

/** A stream of server-sent events, one JSON document, or something that is not read. */
export type BodyKind = "events" | "json" | "unread";

const JSON_TYPE = /^application\/(?:[^\s/]+\+)?json$/u;

/** What the headers announce. */
export function bodyKindOf({ contentType = "", contentEncoding = "" }: BodyHeaders): BodyKind {
  const encoding = contentEncoding.trim().toLowerCase();
  if (encoding !== "" && encoding !== "identity") return "unread";
  const [mediaType = ""] = contentType.split(/[;,]/u, 1);
  const type = mediaType.trim().toLowerCase();
  if (type === "text/event-stream") return "events";
  return JSON_TYPE.test(type) ? "json" : "unread";
}
