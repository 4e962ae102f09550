/** A request of HTTP/1.1 as its bytes are, without interpretation. */
export interface StrictRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** `end`: the place after the request. */
type StrictResult =
  | { readonly kind: "request"; readonly request: StrictRequest; readonly end: number }
  | { readonly kind: "incomplete" }
  | { readonly kind: "invalid"; readonly reason: string };

type Head = Omit<StrictRequest, "body">;

const incomplete = { kind: "incomplete" } as const;
/** Node.js takes the versions of two relatives of HTTP, which frame requests alike, for its own. */
const requestLine = /^([!#$%&'*+.^_`|~\w-]+) ([!-~]+) ((?:HTTP|RTSP|ICE)\/1\.[01])$/u;
const headerLine =
  /^([!#$%&'*+.^_`|~\w-]+):[\t ]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[\t ]*$/u;
const chunkLine =
  /^([\da-f]{1,8})(?:[\t ]*;[\t ]*[!#$%&'*+.^_`|~\w-]+(?:[\t ]*=[\t ]*(?:[!#$%&'*+.^_`|~\w-]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*$/iu;
const lineBytesMax = 1_000_000;

/** The request that begins at `start` of these bytes (as Latin-1), read by the letter of RFC 9112. */
export function strictRequestIn(bytes: string, start: number): StrictResult {
  let at = start;
  // Empty lines before a request mean nothing.
  while (bytes[at] === "\r" || bytes[at] === "\n") at += 1;
  const head = headIn(bytes, at);
  if (head.kind !== "head") return head;
  const framing = framingOf(head.head);
  if (framing.kind === "invalid") return framing;
  if (framing.kind === "chunks") return chunkedIn(bytes, head.end, head.head);
  const end = head.end + framing.bytes;
  if (end > bytes.length) return incomplete;
  return { kind: "request", request: { ...head.head, body: bytes.slice(head.end, end) }, end };
}

/** All requests of a connection, up to the first that is invalid, incomplete or the last by its own words. */
export function strictRequestsIn(bytes: string): readonly StrictRequest[] {
  const requests: StrictRequest[] = [];
  let at = 0;
  for (;;) {
    const result = strictRequestIn(bytes, at);
    if (result.kind !== "request") return requests;
    requests.push(result.request);
    at = result.end;
    if (isLast(result.request)) return requests;
  }
}

function valuesOf({ headers }: Pick<StrictRequest, "headers">, wanted: string): string[] {
  return headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
}

function isLast(request: StrictRequest): boolean {
  const options = valuesOf(request, "connection").join(",").toLowerCase().split(",");
  if (options.some((option) => option.trim() === "close")) return true;
  return request.version.endsWith("1.0") && !options.some((each) => each.trim() === "keep-alive");
}

function headIn(bytes: string, start: number) {
  const end = bytes.indexOf("\r\n\r\n", start);
  if (end === -1) {
    const isLong = bytes.length - start > lineBytesMax;
    return isLong ? invalid("the head does not end") : incomplete;
  }
  const [first = "", ...lines] = bytes.slice(start, end).split("\r\n");
  const [, method, target, version] = requestLine.exec(first) ?? [];
  if (method === undefined || target === undefined || version === undefined) {
    return invalid(`request line ${JSON.stringify(first.slice(0, 80))}`);
  }
  const headers = headersIn(lines);
  if (typeof headers === "string") return invalid(headers);
  return { kind: "head", head: { method, target, version, headers }, end: end + 4 } as const;
}

function headersIn(lines: readonly string[]): [string, string][] | string {
  const headers: [string, string][] = [];
  for (const line of lines) {
    const [, name, value] = headerLine.exec(line) ?? [];
    if (name === undefined || value === undefined)
      return `header ${JSON.stringify(line.slice(0, 80))}`;
    headers.push([name, value]);
  }
  return headers;
}

function framingOf(head: Head) {
  const hosts = valuesOf(head, "host").length;
  if (hosts > 1 || (hosts === 0 && head.version.endsWith("1.1"))) return invalid(`${hosts} hosts`);
  const codings = valuesOf(head, "transfer-encoding");
  const lengths = valuesOf(head, "content-length");
  if (codings.length > 0) {
    const isChunked = codings.length === 1 && codings[0]?.toLowerCase() === "chunked";
    const isClear = isChunked && lengths.length === 0 && head.version.endsWith("1.1");
    return isClear ? ({ kind: "chunks" } as const) : invalid(`codings ${codings.join()}`);
  }
  const [length = "0", ...others] = lengths;
  if (others.length > 0 || !/^\d{1,15}$/u.test(length)) return invalid(`lengths ${lengths.join()}`);
  return { kind: "length", bytes: Number(length) } as const;
}

function chunkedIn(bytes: string, start: number, head: Head): StrictResult {
  let at = start;
  let body = "";
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return incomplete;
    const [, hex] = chunkLine.exec(bytes.slice(at, lineEnd)) ?? [];
    if (hex === undefined) return invalid("chunk size");
    const size = Number.parseInt(hex, 16);
    at = lineEnd + 2;
    if (size === 0) return trailersIn(bytes, at, { ...head, body });
    if (bytes.length < at + size + 2) return incomplete;
    if (bytes.slice(at + size, at + size + 2) !== "\r\n") return invalid("chunk end");
    body += bytes.slice(at, at + size);
    at += size + 2;
  }
}

function trailersIn(bytes: string, start: number, request: StrictRequest): StrictResult {
  if (bytes.startsWith("\r\n", start)) return { kind: "request", request, end: start + 2 };
  const end = bytes.indexOf("\r\n\r\n", start);
  if (end === -1) return incomplete;
  const trailers = headersIn(bytes.slice(start, end).split("\r\n"));
  if (typeof trailers === "string") return invalid(trailers);
  return { kind: "request", request, end: end + 4 };
}

function invalid(reason: string) {
  return { kind: "invalid", reason } as const;
}
