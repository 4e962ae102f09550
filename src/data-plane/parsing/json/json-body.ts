import type { BytePieces } from "../../../std/byte-pieces.ts";
import { markBytesAt, parsedJson } from "../../../std/json-bytes.ts";
import { jsonFaultAt } from "./json-fault.ts";

export type JsonBody =
  | { readonly kind: "json"; readonly value: unknown }
  /** `message` has the mistake and its position, but no part of the body. */
  | { readonly kind: "not-json"; readonly message: string };

const lineFeed = 0x0a;
/** As a character; in UTF-8 it has three bytes. */
const byteOrderMark = 0xfeff;

/**
 * Reads a body as JSON in UTF-8. A byte order mark is skipped, bytes that are not UTF-8 become U+FFFD, and the last of
 * duplicate keys is used. Engines differ in these cases, and decide for themselves.
 */
export function readJsonBody(body: BytePieces): JsonBody {
  const value = jsonIn(body);
  return value === undefined
    ? { kind: "not-json", message: faultMessage(body.whole) }
    : { kind: "json", value };
}

/** Parses without locating the mistake; undefined if the body is not JSON. */
export function jsonIn(body: BytePieces): unknown {
  if (body.json !== undefined) return body.json.value;
  const text = body.text();
  return parsedJson(text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text);
}

function faultMessage(body: Uint8Array): string {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const markBytes = markBytesAt(body, 0);
  if (buffer.byteLength === markBytes) return "request body is empty";
  const sentence = "request body is not valid JSON";
  const fault = jsonFaultAt(buffer.subarray(markBytes));
  if (fault === undefined) return sentence;
  const offset = fault + markBytes;
  const what = offset === buffer.byteLength ? "it ends too early" : "unexpected byte";
  return `${sentence}: ${what} at ${placeOf(buffer, offset)}`;
}

/** The position of an offset: line and column from 1, the offset from 0, column and offset in bytes. */
function placeOf(buffer: Buffer, offset: number): string {
  let line = 1;
  let lineStart = 0;
  for (;;) {
    const lineEnd = buffer.indexOf(lineFeed, lineStart);
    if (lineEnd === -1 || lineEnd >= offset) break;
    line += 1;
    lineStart = lineEnd + 1;
  }
  return `line ${line}, column ${offset - lineStart + 1} (byte offset ${offset})`;
}
