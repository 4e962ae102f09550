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
  /** What the engine was asked for, and calls itself. */
  readonly target: string;
  /** What the client asked for, and is to be told. */
  readonly client: string;
}

/** What a string that is being read may be. */
type Token = "key" | "name" | "text";

/** What the value of a key at the watched depth may be: a model's name, or an object with one. */
type Role = "name" | "holder";

interface KeyRole {
  readonly key: string;
  readonly json: Buffer;
  readonly role: Role;
}

/** Events of the Responses API hold the response, Anthropic's first event holds the message. */
const roles: readonly KeyRole[] = [
  { key: "model", json: Buffer.from('"model"'), role: "name" },
  { key: "response", json: Buffer.from('"response"'), role: "holder" },
  { key: "message", json: Buffer.from('"message"'), role: "holder" },
];

/** The longest key that matters has 8 letters, and two quotes. */
const keyBytesMax = 8 * escapeBytesMax + 2;

const noBytes = new Uint8Array(0);

/** The ends of runs of plain bytes: inside a string, among members, and deeper where no key matters. */
const endOfStringRun = runUntil('"\\');
const endOfPlainRun = runUntil('"{}[],');
const endOfNestedRun = runUntil('"{}[]');

/**
 * Replaces the model's name while a JSON document streams by: the string at `model`,
 * `response.model` and `message.model` where it is the target's, however it is escaped. Tells keys,
 * strings and nesting apart, so that nothing a model or a user said is touched. Holds back the
 * string at such a place alone, and no more of it than the target could need.
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
  /** Where keys matter: 1, or 2 inside of a holder. */
  #watchedDepth = 1;
  /** At the watched depth: the next string is a key. */
  #isKeyNext = false;
  /** Of the last key at the watched depth. */
  #role: Role | undefined;

  #token: Token | undefined;
  #isEscaped = false;
  #hasEscapes = false;
  /** Where in the chunk the string being read begins, or goes on. */
  #tokenStart = 0;
  /** What earlier chunks had of a key or of a name, which is held back. */
  readonly #carry: ByteCarry;

  constructor({ target, client }: ModelNames) {
    this.#target = target;
    this.#targetJson = Buffer.from(JSON.stringify(target));
    this.#replacement = Buffer.from(JSON.stringify(client));
    this.#nameBytesMax = target.length * escapeBytesMax + 2;
    // One byte more than allowed is enough to tell that a string is too long.
    this.#carry = new ByteCarry(Math.max(this.#nameBytesMax, keyBytesMax) + 1);
  }

  /** Begins with a chunk; the last one is over. */
  start(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#passing.start(chunk);
    this.#tokenStart = 0;
  }

  /** Reads the chunk's bytes from `from` up to `end` as the next ones of the document. */
  read(from: number, end: number): void {
    let at = from;
    while (at < end && !this.#isFinished) {
      if (this.#token !== undefined) at = this.#passString(at, end);
      else if (this.#depth > this.#watchedDepth) at = this.#passNested(at, end);
      else at = this.#passPlain(at, end);
    }
  }

  /** The bytes that go on of the chunk and of what was held back. May be the chunk itself. */
  finish(): Uint8Array {
    const end = this.#chunk.byteLength;
    if (this.#token === "name") this.#hold(end);
    else if (this.#token === "key") this.#carry.append(this.#chunk, this.#tokenStart, end);
    const passed = this.#passing.finish();
    this.#chunk = Buffer.alloc(0);
    return passed;
  }

  /** No string goes on in what follows: where one is open the document is none, and is left alone. */
  cutString(): void {
    if (this.#token === undefined) return;
    this.#letGo();
    this.#token = undefined;
    this.#isEscaped = false;
    this.#isFinished = true;
  }

  /** Begins a new document. */
  reset(): void {
    this.cutString();
    this.#isFinished = false;
    this.#depth = 0;
    this.#watchedDepth = 1;
    this.#isKeyNext = false;
    this.#role = undefined;
  }

  /** What is held back of a body that ends inside a name. */
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
   * Reads on outside of strings, where keys matter: a string, object or array there is a key or the
   * value of the last one. Up to and with one byte of structure; returns where to go on.
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

  /** Passes over values deeper in, where no key matters, up to their last bracket. */
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
    // A bare string as the document has no members.
    if (this.#depth === 0) this.#isFinished = true;
    else if (this.#isKeyNext) this.#token = "key";
    else this.#token = this.#role === "name" ? "name" : "text";
    this.#tokenStart = at;
    this.#hasEscapes = false;
    this.#isKeyNext = false;
  }

  #open(isObject: boolean): void {
    // An array as the document has no members.
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

  /** The string lies in the chunk as it is read; most do, and take no copy. */
  get #isPlain(): boolean {
    return !this.#hasEscapes && this.#carry.length === 0;
  }

  /** The string from its opening quote up to `end`, or one byte more of it than is needed. */
  #tokenBytes(end: number): Buffer {
    if (this.#carry.length === 0) return this.#chunk.subarray(this.#tokenStart, end);
    this.#carry.append(this.#chunk, this.#tokenStart, end);
    return this.#carry.bytes;
  }

  /** Keeps what the chunk has of a name, or lets a string go that is too long to be the target. */
  #hold(end: number): void {
    if (this.#carry.length + end - this.#tokenStart > this.#nameBytesMax) {
      this.#letGo();
      this.#token = "text";
      return;
    }
    this.#carry.append(this.#chunk, this.#tokenStart, end);
    this.#passing.replace(this.#tokenStart, end, noBytes);
  }

  /** Lets go on what is held back of earlier chunks; nothing of the chunk is kept yet. */
  #letGo(): void {
    if (this.#token === "name" && this.#carry.length > 0) {
      this.#passing.replace(0, 0, Buffer.from(this.#carry.bytes));
    }
    this.#carry.clear();
  }
}

/** A string with its quotes, as it is read; undefined where it is none, or longer than that. */
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

/** Offset after the string that goes on at `from`; undefined where it does not end before `end`. */
function afterString(bytes: Buffer, from: number, end: number): number | undefined {
  let at = endOfStringRun(bytes, from, end);
  while (at < end && bytes[at] === backslashByte) at = endOfStringRun(bytes, at + 2, end);
  return at < end ? at + 1 : undefined;
}
