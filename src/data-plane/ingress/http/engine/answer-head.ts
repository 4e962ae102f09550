/** The head of an answer of HTTP/1.1 as its bytes say it, and how the bytes after it are framed. */
export interface ParsedHead {
  readonly httpStatus: number;
  readonly reason: string;
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
  readonly isChunked: boolean;
  /** Undefined if no header tells the length. */
  readonly bodyBytes: number | undefined;
  /** True if the engine takes another request on the connection. */
  readonly keepsAlive: boolean;
  /** Milliseconds for which the engine says that it keeps an unused connection; undefined if it does not say. */
  readonly keptMs: number | undefined;
}

const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/u;

/** A field line of RFC 9112, section 5, as strictly as llhttp takes it: no folding, no space before the colon. */
const fieldLine = /^([!#$%&'*+\-.^_`|~\dA-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/u;

const lengthValue = /^\d{1,15}$/u;
const keptSeconds = /(?:^|[,\s])timeout=(\d{1,6})/iu;

/** Reads the head without its last empty line; undefined if it is not HTTP/1.1 or says two things of its framing. */
export function headIn(text: string): ParsedHead | undefined {
  const end = text.indexOf("\r\n");
  const status = statusLine.exec(end === -1 ? text : text.slice(0, end));
  const rawHeaders = end === -1 ? [] : linesIn(text, end + 2);
  if (status === null || rawHeaders === undefined) return undefined;
  const framing = framingOf(rawHeaders, status[1] === "1");
  if (framing === undefined) return undefined;
  return { httpStatus: Number(status[2]), reason: status[3] ?? "", rawHeaders, ...framing };
}

/** Names and values in turn of lines that are parted by CR LF; undefined if one is not a field line. */
export function linesIn(text: string, from: number): string[] | undefined {
  const lines: string[] = [];
  for (let start = from; start < text.length;) {
    const found = text.indexOf("\r\n", start);
    const end = found === -1 ? text.length : found;
    const line = fieldLine.exec(text.slice(start, end));
    if (line === null) return undefined;
    lines.push(line[1] ?? "", withoutEndSpace(line[2] ?? ""));
    start = end + 2;
  }
  return lines;
}

function withoutEndSpace(value: string): string {
  let end = value.length;
  while (end > 0 && (value.charCodeAt(end - 1) === 0x20 || value.charCodeAt(end - 1) === 0x09)) {
    end -= 1;
  }
  return value.slice(0, end);
}

type Framing = Pick<ParsedHead, "isChunked" | "bodyBytes" | "keepsAlive" | "keptMs">;

function framingOf(rawHeaders: readonly string[], isLatest: boolean): Framing | undefined {
  let isChunked = false;
  let bodyBytes: number | undefined;
  let keepsAlive = isLatest;
  let keptMs: number | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const value = rawHeaders[index + 1] ?? "";
    switch (framingNameOf(rawHeaders[index] ?? "")) {
      case "content-length":
        if (bodyBytes !== undefined || !lengthValue.test(value)) return undefined;
        bodyBytes = Number(value);
        break;
      case "transfer-encoding":
        // Other codings are not undone, so their bytes would pass for the content.
        if (isChunked || value.toLowerCase() !== "chunked") return undefined;
        isChunked = true;
        break;
      case "connection":
        if (/(?:^|[,\s])close(?:$|[,\s])/iu.test(value)) keepsAlive = false;
        else if (/(?:^|[,\s])keep-alive(?:$|[,\s])/iu.test(value) && !isLatest) keepsAlive = true;
        break;
      case "keep-alive":
        keptMs = 1_000 * Number(keptSeconds.exec(value)?.[1] ?? Number.NaN);
        break;
      default:
    }
  }
  // A receiver that believes the other one finds the end elsewhere (RFC 9112, section 6.3).
  if (isChunked && bodyBytes !== undefined) return undefined;
  // Section 6.1: the framing of HTTP/1.0 cannot be trusted further.
  if (isChunked && !isLatest) keepsAlive = false;
  return { isChunked, bodyBytes, keepsAlive, keptMs: Number.isNaN(keptMs) ? undefined : keptMs };
}

/** Lengths of the names that frame a message: any other name is not worth a copy in lower case. */
const framingLengths = new Set([10, 14, 17]);

function framingNameOf(name: string): string {
  return framingLengths.has(name.length) ? name.toLowerCase() : "";
}
