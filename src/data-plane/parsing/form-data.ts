import { isUtf8 } from "node:buffer";
import { parametersOf } from "./header-parameters.ts";

/** A field of a form that is not a file; offsets are in bytes, ends exclusive. */
interface FormField {
  readonly name: string;
  readonly value: string;
  readonly valueStart: number;
  readonly valueEnd: number;
}

export interface Form {
  /** The requested fields, in the order of the body. */
  readonly fields: readonly FormField[];
  /** Offset of the first delimiter, where another part can be inserted. */
  readonly start: number;
}

interface Delimiter {
  readonly start: number;
  /** Offset after the line of the delimiter. */
  readonly end: number;
  readonly isLast: boolean;
}

interface Part {
  readonly headers: string;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly next: Delimiter;
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const dashByte = 0x2d;
const lineEndBytes = Buffer.from("\r\n");
const headersEnd = Buffer.from("\r\n\r\n");

/** Maximum parts of one form; Python servers stop at 1,000 fields and 1,000 files. */
const partsMax = 2_000;
/** Maximum bytes of the headers of one part. */
const headerBytesMax = 16 * 1_024;
/** Maximum bytes of a value; a longer one is not the name of a model. */
const valueBytesMax = 64 * 1_024;

/**
 * Finds the fields with one of `names` in a `multipart/form-data` body (RFC 7578). Undefined if the body is not such a
 * form, or has no closing delimiter. Does not read files.
 */
export function formFieldsIn(
  body: Uint8Array,
  boundary: string,
  names: readonly string[],
): Form | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const mark = Buffer.from(`--${boundary}`);
  const first = delimiterFrom(text, mark, 0);
  if (first === undefined) return undefined;
  const fields: FormField[] = [];
  let delimiter = first;
  for (let parts = 0; parts <= partsMax; parts += 1) {
    if (delimiter.isLast) return { fields, start: first.start };
    const part = partAfter(text, mark, delimiter);
    if (part === undefined) return undefined;
    const name = fieldNameIn(part.headers);
    if (name !== undefined && names.includes(name)) {
      const value = text.subarray(part.valueStart, part.valueEnd);
      if (value.byteLength > valueBytesMax || !isUtf8(value)) return undefined;
      const { valueStart, valueEnd } = part;
      fields.push({ name, value: value.toString(), valueStart, valueEnd });
    }
    delimiter = part.next;
  }
  return undefined;
}

/** The part of a form for a field, to be inserted before a delimiter. */
export function formPart(boundary: string, name: string, value: string): Buffer {
  return Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
}

function partAfter(text: Buffer, mark: Buffer, { end }: Delimiter): Part | undefined {
  const valueStart = afterHeaders(text, end);
  if (valueStart === undefined) return undefined;
  // The line end after the headers may also be the one before the delimiter.
  const next = delimiterFrom(text, mark, valueStart - lineEndBytes.byteLength);
  if (next === undefined) return undefined;
  const valueEnd = Math.max(valueStart, next.start - lineEndBytes.byteLength);
  return { headers: text.toString("utf8", end, valueStart), valueStart, valueEnd, next };
}

/** The first delimiter from `from` on: a separate line with only white space after the boundary. */
function delimiterFrom(text: Buffer, mark: Buffer, from: number): Delimiter | undefined {
  for (let at = text.indexOf(mark, from); at !== -1; at = text.indexOf(mark, at + 1)) {
    const isAtLineStart =
      at === 0 || (text[at - 1] === lineFeed && text[at - 2] === carriageReturn);
    if (!isAtLineStart) continue;
    const end = at + mark.byteLength;
    if (text[end] === dashByte && text[end + 1] === dashByte)
      return { start: at, end, isLast: true };
    const lineEnd = afterBlanks(text, end);
    if (text[lineEnd] === carriageReturn && text[lineEnd + 1] === lineFeed) {
      return { start: at, end: lineEnd + lineEndBytes.byteLength, isLast: false };
    }
  }
  return undefined;
}

function afterBlanks(text: Buffer, from: number): number {
  let at = from;
  while (text[at] === 0x20 || text[at] === 0x09) at += 1;
  return at;
}

/** Offset after the empty line that ends the headers of a part. */
function afterHeaders(text: Buffer, start: number): number | undefined {
  if (text[start] === carriageReturn && text[start + 1] === lineFeed)
    return start + lineEndBytes.byteLength;
  const end = text.subarray(start, start + headerBytesMax).indexOf(headersEnd);
  return end === -1 ? undefined : start + end + headersEnd.byteLength;
}

/** The name of the field with these headers; undefined for a file or an encoded value. */
function fieldNameIn(headers: string): string | undefined {
  let name: string | undefined;
  // A line that begins with white space continues the previous line.
  for (const line of headers.replaceAll(/\r\n[ \t]+/gu, " ").split("\r\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1);
    switch (line.slice(0, colon).trim().toLowerCase()) {
      case "content-disposition": {
        if (!/^\s*form-data\s*(?:;|$)/iu.test(value)) return undefined;
        const parameters = parametersOf(value);
        if (parameters.has("filename") || parameters.has("filename*")) return undefined;
        name = parameters.get("name");
        break;
      }
      case "content-transfer-encoding":
        if (!/^\s*(?:7bit|8bit|binary)\s*$/iu.test(value)) return undefined;
        break;
      default:
    }
  }
  return name;
}
