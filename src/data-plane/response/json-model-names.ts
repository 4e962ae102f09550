import {
  backslashByte,
  commaByte,
  escapeBytesMax,
  hasBytesAt,
  openArrayByte,
  openObjectByte,
  parsedJson,
  quoteByte,
  runUntil,
} from "../../std/json-bytes.ts";
import { ByteCarry } from "./byte-carry.ts";
import { PassingBytes } from "./passing-bytes.ts";

export interface ModelNames {
  /** Name that the engine was asked for, and has in its response. */
  readonly target: string;
  /** Name that the client asked for, and gets in its response. */
  readonly client: string;
}

/** Meaning of the current string. */
type Token = "key" | "name" | "text";

/** Meaning of a value at the watched depth: a model's name, or an object with one. */
type Role = "name" | "holder";

interface KeyRole {
  readonly key: string;
  readonly json: Buffer;
  readonly role: Role;
}

/** Keys of interest. Events of the Responses API contain the response, Anthropic's first event the message. */
const roles: readonly KeyRole[] = [
  { key: "model", json: Buffer.from('"model"'), role: "name" },
  { key: "response", json: Buffer.from('"response"'), role: "holder" },
  { key: "message", json: Buffer.from('"message"'), role: "holder" },
];

/** The longest key of interest has 8 letters and two quotes. */
const keyBytesMax = 8 * escapeBytesMax + 2;

const noBytes = new Uint8Array(0);

/** Ends of runs of plain bytes: inside a string, at the depth of members, and deeper. */
const endOfStringRun = runUntil('"\\');
const endOfPlainRun = runUntil('"{}[],');
const endOfNestedRun = runUntil('"{}[]');

/**
 * Replaces the model's name in a JSON document as it passes: the strings at `model`, `response.model` and
 * `message.model` that equal the target, with any escapes. It follows keys, strings and nesting, so that text of a
 * model or user is never changed. It holds back only a string at such a place, and only as many bytes as the target
 * could have.
 */
export class JsonModelNames {
  readonly #target: string;
  readonly #targetJson: Buffer;
  readonly #replacement: Buffer;
  readonly #nameBytesMax: number;
  readonly #passing = new PassingBytes();
  #chunk: Buffer = Buffer.alloc(0);

  #isFinished = false;
  #depth = 0;
  /** Depth of the keys of interest: 1, or 2 inside a holder. */
  #watchedDepth = 1;
  /** True at the watched depth if the next string is a key. */
  #isKeyNext = false;
  /** Role of the last key at the watched depth. */
  #role: Role | undefined;

  #token: Token | undefined;
  #isEscaped = false;
  #hasEscapes = false;
  /** Offset in the chunk at which the current string begins or continues. */
  #tokenStart = 0;
  /** Part of a key or name from earlier chunks; a name is held back. */
  readonly #carry: ByteCarry;

  constructor({ target, client }: ModelNames) {
    this.#target = target;
    this.#targetJson = Buffer.from(JSON.stringify(target));
    this.#replacement = Buffer.from(JSON.stringify(client));
    this.#nameBytesMax = target.length * escapeBytesMax + 2;
    // One byte more than allowed is enough to detect a string that is too long.
    this.#carry = new ByteCarry(Math.max(this.#nameBytesMax, keyBytesMax) + 1);
  }

  /** Starts a chunk; the previous one must be finished. */
  start(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#passing.start(chunk);
    this.#tokenStart = 0;
  }

  /** Reads the bytes of the chunk from `from` up to `end` as the next bytes of the document. */
  read(from: number, end: number): void {
    let at = from;
    while (at < end && !this.#isFinished) {
      if (this.#token !== undefined) at = this.#passString(at, end);
      else if (this.#depth > this.#watchedDepth) at = this.#passNested(at, end);
      else at = this.#passPlain(at, end);
    }
  }

  /**
   * Ends the chunk. Returns its bytes, and bytes held back before, as far as they can be sent on; may be the chunk
   * itself.
   */
  finish(): Uint8Array {
    const end = this.#chunk.byteLength;
    if (this.#token === "name") this.#hold(end);
    else if (this.#token === "key") this.#carry.append(this.#chunk, this.#tokenStart, end);
    const passed = this.#passing.finish();
    this.#chunk = Buffer.alloc(0);
    return passed;
  }

  /**
   * Ends a run of bytes that no string may cross. An unterminated string means invalid JSON: the rest of the document
   * passes unchanged.
   */
  cutString(): void {
    if (this.#token === undefined) return;
    this.#letGo();
    this.#token = undefined;
    this.#isEscaped = false;
    this.#isFinished = true;
  }

  /** Starts a new document. */
  reset(): void {
    this.cutString();
    this.#isFinished = false;
    this.#depth = 0;
    this.#watchedDepth = 1;
    this.#isKeyNext = false;
    this.#role = undefined;
  }

  /** Returns the bytes held back, if the body ends inside a name. */
  end(): Uint8Array {
    this.start(Buffer.alloc(0));
    this.cutString();
    return this.#passing.finish();
  }

  #passString(from: number, end: number): number {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      return from + 1;
    }
    const at = endOfStringRun(this.#chunk, from, end);
    if (at === end) return end;
    if (this.#chunk[at] === backslashByte) {
      this.#isEscaped = true;
      this.#hasEscapes = true;
    } else {
      this.#closeString(at + 1);
    }
    return at + 1;
  }

  /**
   * Reads outside of strings at the depth of members, where a string, object or array is a key or the value of the last
   * key. Reads up to and including one structural byte; returns the offset to continue at.
   */
  #passPlain(from: number, end: number): number {
    const at = endOfPlainRun(this.#chunk, from, end);
    if (at === end) return end;
    const byte = this.#chunk[at] ?? 0;
    switch (byte) {
      case quoteByte:
        this.#openString(at);
        break;
      case commaByte:
        this.#isKeyNext = true;
        break;
      case openObjectByte:
      case openArrayByte:
        this.#open(byte === openObjectByte);
        break;
      default:
        this.#close();
    }
    return at + 1;
  }

  /** Skips deeper values without keys of interest, up to their last bracket. */
  #passNested(from: number, end: number): number {
    const chunk = this.#chunk;
    let at = endOfNestedRun(chunk, from, end);
    while (at < end) {
      const byte = chunk[at];
      let next: number | undefined = at + 1;
      if (byte === quoteByte) next = afterString(chunk, next, end);
      else this.#depth += byte === openObjectByte || byte === openArrayByte ? 1 : -1;
      if (next === undefined) {
        this.#token = "text";
        return at + 1;
      }
      if (this.#depth === this.#watchedDepth) return next;
      at = endOfNestedRun(chunk, next, end);
    }
    return end;
  }

  #openString(at: number): void {
    // The document is a string: it has no members.
    if (this.#depth === 0) this.#isFinished = true;
    else if (this.#isKeyNext) this.#token = "key";
    else this.#token = this.#role === "name" ? "name" : "text";
    this.#tokenStart = at;
    this.#hasEscapes = false;
    this.#isKeyNext = false;
  }

  #open(isObject: boolean): void {
    // The document is an array: it has no members.
    if (this.#depth === 0 && !isObject) this.#isFinished = true;
    if (isObject && this.#role === "holder") this.#watchedDepth = 2;
    this.#depth += 1;
    this.#isKeyNext = this.#depth === this.#watchedDepth;
    this.#role = undefined;
  }

  #close(): void {
    this.#depth -= 1;
    this.#isKeyNext = false;
    this.#watchedDepth = Math.min(this.#watchedDepth, Math.max(this.#depth, 1));
    this.#isFinished = this.#depth <= 0;
  }

  #closeString(end: number): void {
    const token = this.#token;
    this.#token = undefined;
    if (token === "name") this.#closeName(end);
    else if (token === "key") this.#role = this.#closeKey(end);
  }

  #closeKey(end: number): Role | undefined {
    if (!this.#isPlain) {
      const key = stringIn(this.#tokenBytes(end), keyBytesMax);
      this.#carry.clear();
      return roles.find((each) => each.key === key)?.role;
    }
    for (const { json, role } of roles) {
      if (isSame(this.#chunk, { start: this.#tokenStart, end, json })) return role;
    }
    return undefined;
  }

  #closeName(end: number): void {
    const held = this.#carry.length > 0 ? Buffer.from(this.#carry.bytes) : noBytes;
    if (this.#isTarget(end)) this.#passing.replace(this.#tokenStart, end, this.#replacement);
    else if (held.byteLength > 0) this.#passing.replace(0, 0, held);
    this.#carry.clear();
  }

  #isTarget(end: number): boolean {
    if (!this.#isPlain) {
      return stringIn(this.#tokenBytes(end), this.#nameBytesMax) === this.#target;
    }
    return isSame(this.#chunk, { start: this.#tokenStart, end, json: this.#targetJson });
  }

  /** True if the string is whole in the chunk and without escapes; most are, and need no copy. */
  get #isPlain(): boolean {
    return !this.#hasEscapes && this.#carry.length === 0;
  }

  /** The string from its opening quote up to `end`; a string that is too long is cut one byte after the limit. */
  #tokenBytes(end: number): Buffer {
    if (this.#carry.length === 0) return this.#chunk.subarray(this.#tokenStart, end);
    this.#carry.append(this.#chunk, this.#tokenStart, end);
    return this.#carry.bytes;
  }

  /** Holds back the chunk's part of a name, or releases a string that is too long to be the target. */
  #hold(end: number): void {
    if (this.#carry.length + end - this.#tokenStart > this.#nameBytesMax) {
      this.#letGo();
      this.#token = "text";
      return;
    }
    this.#carry.append(this.#chunk, this.#tokenStart, end);
    this.#passing.replace(this.#tokenStart, end, noBytes);
  }

  /** Releases the bytes held back from earlier chunks, before any byte of this chunk is held back. */
  #letGo(): void {
    if (this.#token === "name" && this.#carry.length > 0) {
      this.#passing.replace(0, 0, Buffer.from(this.#carry.bytes));
    }
    this.#carry.clear();
  }
}

/** The value of a JSON string; undefined if it is not one, or longer than `bytesMax`. */
function stringIn(json: Buffer, bytesMax: number): unknown {
  return json.byteLength > bytesMax ? undefined : parsedJson(json.toString());
}

/** True if `bytes` from `start` up to `end` are those of `json`. */
function isSame(
  bytes: Buffer,
  { start, end, json }: { readonly start: number; readonly end: number; readonly json: Buffer },
): boolean {
  return end - start === json.byteLength && hasBytesAt(bytes, start, json);
}

/** Offset after the string that continues at `from`; undefined if it does not end before `end`. */
function afterString(bytes: Buffer, from: number, end: number): number | undefined {
  let at = endOfStringRun(bytes, from, end);
  while (at < end && bytes[at] === backslashByte) at = endOfStringRun(bytes, at + 2, end);
  return at < end ? at + 1 : undefined;
}
