import { jsonFaultAt } from "./json-fault.ts";

export type JsonBody =
  | { readonly kind: "json"; readonly value: unknown }
  /** `message` says what is wrong and where, and quotes nothing of the body. */
  | { readonly kind: "not-json"; readonly message: string };

const LINE_FEED = 0x0a;

/**
 * Reads a body as JSON in UTF-8. A byte order mark is passed over, bytes that are not UTF-8 read
 * as U+FFFD, and of duplicate keys the last counts: engines differ there, and judge themselves.
 */
export function readJsonBody(body: Uint8Array): JsonBody {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const markBytes = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  if (buffer.byteLength === markBytes)
    return { kind: "not-json", message: "request body is empty" };
  try {
    return { kind: "json", value: JSON.parse(buffer.toString("utf8", markBytes)) };
  } catch {
    return { kind: "not-json", message: faultMessage(buffer, markBytes) };
  }
}

function faultMessage(buffer: Buffer, markBytes: number): string {
  const sentence = "request body is not valid JSON";
  const fault = jsonFaultAt(buffer.subarray(markBytes));
  if (fault === undefined) return sentence;
  const offset = fault + markBytes;
  const what = offset === buffer.byteLength ? "it ends too early" : "unexpected byte";
  return `${sentence}: ${what} at ${placeOf(buffer, offset)}`;
}

/** Line and column count from 1, the column and the offset in bytes; the offset counts from 0. */
function placeOf(buffer: Buffer, offset: number): string {
  let line = 1;
  let lineStart = 0;
  for (;;) {
    const lineEnd = buffer.indexOf(LINE_FEED, lineStart);
    if (lineEnd === -1 || lineEnd >= offset) break;
    line += 1;
    lineStart = lineEnd + 1;
  }
  return `line ${line}, column ${offset - lineStart + 1} (byte offset ${offset})`;
}
