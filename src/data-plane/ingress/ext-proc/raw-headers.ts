import { isUtf8 } from "node:buffer";
import type { HeaderPair } from "../../../core/request.ts";
import { ProtoReader, type Range } from "../../../std/proto-reader.ts";
import { isListedAgain, type ListedHeaders } from "./messages.ts";

/** Fields of a `HeaderMap` and of its `HeaderValue`s. */
const mapField = { headers: 1 };
const valueField = { key: 1, value: 2, raw: 3 };

/** First byte of a header that begins with its key. */
const keyTag = 0x0a;

/** Largest length that is one byte. */
const shortBytesMax = 127;

/**
 * A set of names in 32 bits: two names of one kind have the same bit. It tells at once that a name is missing, and never
 * that it is there.
 */
type NameKinds = number;

interface Names {
  readonly isUsual: boolean;
  /** Right if `isUsual`. */
  readonly kinds: NameKinds;
}

/** Bytes before a header: its tag, and its length in four. */
const headBytesMax = 5;

/**
 * Headers that are looked up in the bytes of the message that brought them: a request looks up about ten of twenty
 * headers, and no object is made for the others. `get` compares names by ASCII, as those of HTTP/2 are.
 */
export class RawHeaders implements ListedHeaders {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  /** True if each header begins with its only key, as every encoder writes it. */
  readonly #isUsual: boolean;
  /** The kinds of names that there are: most names that are looked up are missing. */
  readonly #kinds: NameKinds;

  private constructor(bytes: Buffer, range: Range, { isUsual, kinds }: Names) {
    this.#bytes = bytes;
    this.#start = range.start;
    this.#end = range.end;
    this.#isUsual = isUsual;
    this.#kinds = kinds;
  }

  /** The headers of a map; undefined if its bytes are broken. */
  static of(bytes: Buffer, range: Range): RawHeaders | undefined {
    const map = new ProtoReader(bytes, range.start, range.end);
    const header = new ProtoReader(bytes, 0, 0);
    let isUsual = true;
    let kinds = 0;
    for (let from = map.at; map.next(); from = map.at) {
      if (!map.isBytes(mapField.headers)) {
        isUsual = false;
        map.skip();
        continue;
      }
      if (map.valueStart - from > headBytesMax || !isUsualHeader(header, map)) isUsual = false;
      const { valueStart } = map;
      const length = bytes[valueStart + 1] ?? 0;
      kinds |= kindOf(length, bytes[valueStart + 1 + length] ?? 0);
    }
    if (map.isBroken || header.isBroken) return undefined;
    return new RawHeaders(bytes, range, { isUsual, kinds });
  }

  get(name: string): string | undefined {
    return this.#isUsual && name.length <= shortBytesMax
      ? this.#getUsual(name, 0)
      : this.#getAny(name);
  }

  isRepeated(name: string): boolean {
    return this.#isUsual && name.length <= shortBytesMax
      ? this.#getUsual(name, 1) !== undefined
      : isListedAgain(this, name);
  }

  *[Symbol.iterator](): Iterator<HeaderPair> {
    const map = new ProtoReader(this.#bytes, this.#start, this.#end);
    while (map.next()) {
      const { valueStart, valueEnd } = map;
      if (map.isBytes(mapField.headers)) {
        yield [
          keyOf(this.#bytes, valueStart, valueEnd),
          valueOf(this.#bytes, valueStart, valueEnd),
        ];
      } else map.skip();
    }
  }

  /** Steps from key to key, past the first `skipped` of this name; `of` has checked that all numbers are whole. */
  #getUsual(name: string, skipped: number): string | undefined {
    const bytes = this.#bytes;
    const nameBytes = name.length;
    if ((this.#kinds & kindOf(nameBytes, name.charCodeAt(nameBytes - 1))) === 0) return undefined;
    let at = this.#start;
    let passed = 0;
    while (at < this.#end) {
      // A tag of one byte, and a length of mostly one or two.
      let length = bytes[(at += 1)] ?? 0;
      at += 1;
      for (let shift = 7; length >= 1 << shift; shift += 7) {
        length = (length & ((1 << shift) - 1)) | ((bytes[at] ?? 0) << shift);
        at += 1;
      }
      if (bytes[at + 1] === nameBytes && isText(bytes, at + 2, name)) {
        if (passed === skipped) return valueOf(bytes, at + 2 + nameBytes, at + length);
        passed += 1;
      }
      at += length;
    }
    return undefined;
  }

  #getAny(name: string): string | undefined {
    const map = new ProtoReader(this.#bytes, this.#start, this.#end);
    while (map.next()) {
      if (!map.isBytes(mapField.headers)) map.skip();
      else if (keyOf(this.#bytes, map.valueStart, map.valueEnd) === name) {
        return valueOf(this.#bytes, map.valueStart, map.valueEnd);
      }
    }
    return undefined;
  }
}

/** True if a header begins with its only key, whose length is one byte if it can be. */
function isUsualHeader(header: ProtoReader, map: ProtoReader): boolean {
  const { valueStart, valueEnd } = map;
  header.within(valueStart, valueEnd);
  let keys = 0;
  let isFirst = false;
  while (header.next()) {
    if (!header.isBytes(valueField.key)) {
      header.skip();
      continue;
    }
    keys += 1;
    const headBytes = header.valueStart - valueStart;
    isFirst = headBytes === 2 || header.valueEnd - header.valueStart > shortBytesMax;
  }
  return keys === 1 && isFirst && header.bytes[valueStart] === keyTag;
}

/** The bit of names of this length and last character. */
function kindOf(nameBytes: number, last: number): NameKinds {
  return 1 << ((nameBytes * 5 + last) & 31);
}

function isText(bytes: Buffer, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

function keyOf(bytes: Buffer, start: number, end: number): string {
  const header = new ProtoReader(bytes, start, end);
  let key = "";
  while (header.next()) {
    if (header.isBytes(valueField.key))
      key = bytes.toString("utf8", header.valueStart, header.valueEnd);
    else header.skip();
  }
  return key;
}

/** The value of a header. Proxies set either of the two fields; of a field that is repeated, the last one counts. */
function valueOf(bytes: Buffer, start: number, end: number): string {
  const header = new ProtoReader(bytes, start, end);
  let value = "";
  let raw: string | undefined;
  while (header.next()) {
    const { valueStart, valueEnd } = header;
    if (header.isBytes(valueField.raw)) {
      raw = valueStart < valueEnd ? textOf(bytes, valueStart, valueEnd) : undefined;
    } else if (header.isBytes(valueField.value))
      value = bytes.toString("utf8", valueStart, valueEnd);
    else header.skip();
  }
  return raw ?? value;
}

/** Decodes UTF-8; other bytes become one character each (Latin-1), so that values stay distinct. */
function textOf(bytes: Buffer, start: number, end: number): string {
  for (let at = start; at < end; at += 1) {
    if ((bytes[at] ?? 0) < 0x80) continue;
    if (isUtf8(bytes.subarray(start, end))) return bytes.toString("utf8", start, end);
    break;
  }
  return bytes.toString("latin1", start, end);
}
