import type { AnswerFailure } from "../../core/answer-failure.ts";
import type { TokenUsage } from "../../core/usage.ts";
import {
  backslashByte,
  closeArrayByte,
  closeObjectByte,
  colonByte,
  commaByte,
  openArrayByte,
  openObjectByte,
  parsedJson,
  quoteByte,
  runUntil,
} from "../../std/json-bytes.ts";
import { failureIn } from "./answer-error.ts";
import { answerIdOf } from "./answer-id.ts";
import { bufferOf } from "./buffer-of.ts";
import { ByteCarry } from "./byte-carry.ts";
import { UsageTally } from "./usage-tally.ts";

/** Top-level members that show an error and its class. */
const errorKeys = ["error", "object", "type", "status", "code", "error_type", "status_code"];
/** Top-level members that are read. SGLang's native API has token counts in `meta_info`. */
const topKeys: ReadonlySet<string> = new Set(["id", "usage", "meta_info", "choices", ...errorKeys]);
const keyBytesMax = 13;

/** Members of a choice that are read, with names that differ from those of top-level members. */
const choiceMembers: ReadonlyMap<string, string> = new Map([
  ["finish_reason", "finish_reason"],
  ["error", "choice.error"],
]);

/** Placeholder for an error that is too long to be read. */
const unreadError: unknown = {};

/** Depth of the members of a choice, which is an object in the array at `choices`. */
const choiceDepth = 3;

/** Ends of runs of plain bytes, inside and outside of strings. */
const endOfStringRun = runUntil('"\\');
const endOfPlainRun = runUntil('"{}[]:,');

/**
 * Reads a few top-level members of a JSON body as it passes, for usage and errors, and each choice's `finish_reason`
 * and `error`. It keeps nothing else. In an array, which is SGLang's response to a batch, it reads `meta_info` of each
 * object. It follows strings, escapes and nesting, and trusts the engine for the rest: in a body that is not JSON, it
 * finds nothing or, at worst, a value at the place of a member.
 */
export class JsonAnswerReader {
  readonly isEventStream = false;
  readonly #captureBytesMax: number;
  #depth = 0;
  /** Depth of the members: 1, or 2 in an array of objects. */
  #memberDepth = 1;
  #isInString = false;
  #isEscaped = false;
  #isFinished = false;
  /** True at the depth of members if the next string is a key. */
  #isKeyNext = false;
  /** True if the current string is a key, or the last one was. */
  #isKey = false;
  /** Start of the key in the current chunk; undefined if it began in an earlier one, whose part is in `#keyPart`. */
  #keyStart: number | undefined;
  /** Collects a key that spans chunks, and one byte more than the longest known one, so that longer keys differ. */
  readonly #keyPart = new ByteCarry(keyBytesMax + 1);
  /** The last key, as `keyIn` gives it. */
  #key = "";
  /** Start of the bytes to capture in the current chunk; undefined outside of a value. */
  #captureStart: number | undefined;
  /** The bytes of the value in earlier chunks. */
  readonly #captured: ByteCarry;
  /** Name of the member whose value is read; empty outside of one. */
  #member = "";
  #isInChoices = false;
  /** Number of objects of an array that have begun. */
  #objects = 0;
  readonly #tally = new UsageTally();
  readonly #document: Record<string, unknown> = {};
  #hasBegun = false;
  #isComplete = false;
  #failure: AnswerFailure | undefined;

  constructor(captureBytesMax: number) {
    this.#captureBytesMax = captureBytesMax;
    this.#captured = new ByteCarry(captureBytesMax + 1);
  }

  get usage(): TokenUsage | undefined {
    return this.#tally.usage;
  }

  get id(): string | undefined {
    return answerIdOf(this.#document);
  }

  get events(): number {
    return 0;
  }

  /** True from the first byte on: tokens are not visible in this body. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  get failure(): AnswerFailure | undefined {
    return this.#failure ?? failureIn(this.#document);
  }

  get carriedBytes(): number {
    return this.#captured.capacityBytes + this.#keyPart.capacityBytes;
  }

  push(bytes: Uint8Array): void {
    if (bytes.byteLength > 0) this.#hasBegun = true;
    const chunk = bufferOf(bytes);
    let at = 0;
    while (at < chunk.byteLength && !this.#isFinished) {
      at = this.#isInString ? this.#passString(chunk, at) : this.#passPlain(chunk, at);
    }
    if (this.#isFinished) return;
    if (this.#isInString && this.#isKey) {
      this.#keyPart.append(chunk, this.#keyStart ?? 0, chunk.byteLength);
      this.#keyStart = undefined;
    }
    if (this.#captureStart === undefined) return;
    this.#captured.append(chunk, this.#captureStart, chunk.byteLength);
    this.#captureStart = 0;
  }

  end(): void {
    this.#isFinished = true;
  }

  /** Reads inside a string, up to its end or that of the chunk; returns the offset to continue at. */
  #passString(chunk: Buffer, from: number): number {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      return from + 1;
    }
    const at = endOfStringRun(chunk, from, chunk.byteLength);
    const byte = chunk[at];
    if (byte === backslashByte) this.#isEscaped = true;
    if (byte === quoteByte) {
      this.#isInString = false;
      if (this.#isKey) this.#finishKey(chunk, at);
    }
    return at + 1;
  }

  #finishKey(chunk: Buffer, end: number): void {
    if (this.#keyStart === undefined) {
      this.#keyPart.append(chunk, 0, end);
      this.#key = keyIn(this.#keyPart.bytes, 0, this.#keyPart.length);
    } else this.#key = keyIn(chunk, this.#keyStart, end);
    this.#keyStart = undefined;
  }

  /** Reads outside of strings up to and including one structural byte; returns the offset to continue at. */
  #passPlain(chunk: Buffer, from: number): number {
    const at = endOfPlainRun(chunk, from, chunk.byteLength);
    const byte = chunk[at] ?? 0;
    switch (byte) {
      case quoteByte:
        this.#openString(at + 1);
        break;
      case openObjectByte:
      case openArrayByte:
        this.#open(byte === openObjectByte);
        break;
      case closeObjectByte:
      case closeArrayByte:
        this.#close(chunk, at);
        break;
      case colonByte:
        if (this.#hasMembers) this.#openMember(at + 1);
        break;
      case commaByte:
        if (this.#hasMembers) this.#finishMember(chunk, at);
        break;
      default:
        break;
    }
    return at + 1;
  }

  #openString(start: number): void {
    // The body is a string, or has a string before its members: there are no members.
    if (this.#depth < this.#memberDepth) this.#isFinished = true;
    this.#isInString = true;
    this.#isKey = this.#isKeyNext;
    if (this.#isKey) {
      this.#keyPart.clear();
      this.#keyStart = start;
    }
    this.#isKeyNext = false;
  }

  #open(isObject: boolean): void {
    if (this.#depth === 0 && !isObject) this.#memberDepth = 2;
    // The body is an array of arrays: there are no members.
    else if (this.#depth < this.#memberDepth && !isObject) this.#isFinished = true;
    this.#depth += 1;
    this.#isKeyNext = isObject && this.#hasMembers;
    if (this.#depth === this.#memberDepth) this.#objects += 1;
  }

  #close(chunk: Buffer, at: number): void {
    // The last member of an object ends without a comma.
    if (this.#hasMembers) this.#finishMember(chunk, at);
    this.#isKeyNext = false;
    this.#depth -= 1;
    if (this.#depth > 0) return;
    this.#isFinished = true;
    this.#isComplete = true;
  }

  /** True if members at this depth are read. */
  get #hasMembers(): boolean {
    if (this.#depth === this.#memberDepth) return true;
    return this.#isInChoices && this.#depth === choiceDepth;
  }

  #openMember(valueStart: number): void {
    if (!this.#isKey) return;
    this.#isKey = false;
    const key = this.#key;
    if (this.#depth === choiceDepth) this.#member = choiceMembers.get(key) ?? "";
    else if (this.#memberDepth > 1) this.#member = key === "meta_info" ? key : "";
    else this.#member = topKeys.has(key) ? key : "";
    this.#isInChoices = this.#member === "choices" || this.#depth === choiceDepth;
    if (this.#member !== "" && this.#member !== "choices") this.#captureStart = valueStart;
  }

  #finishMember(chunk: Buffer, valueEnd: number): void {
    this.#isKeyNext = true;
    this.#isKey = false;
    if (this.#captureStart === undefined) return;
    const text = this.#capturedText(chunk, this.#captureStart, valueEnd);
    this.#captureStart = undefined;
    const isError = this.#member === "error" || this.#member === "choice.error";
    const unread = isError ? unreadError : undefined;
    // The client gets the body unchanged: if it is not JSON, only the value is unknown.
    this.#take(text === undefined ? unread : parsedJson(text));
  }

  /** The text of a value whose last bytes are in the chunk; undefined if it is too long to be read. */
  #capturedText(chunk: Buffer, start: number, end: number): string | undefined {
    const captured = this.#captured;
    if (captured.length === 0) {
      return end - start > this.#captureBytesMax ? undefined : chunk.toString("utf8", start, end);
    }
    captured.append(chunk, start, end);
    const text = captured.length > this.#captureBytesMax ? undefined : captured.bytes.toString();
    captured.clear();
    return text;
  }

  #take(value: unknown): void {
    switch (this.#member) {
      case "usage":
        this.#tally.takeDocument({ usage: value });
        break;
      case "meta_info":
        this.#tally.takeMetaInfo(value, String(this.#objects));
        this.#failure ??= failureIn({ meta_info: value });
        break;
      case "finish_reason":
        this.#failure ??= failureIn({ choices: [{ finish_reason: value }] });
        break;
      case "choice.error":
        this.#failure ??= failureIn({ choices: [{ error: value }] });
        break;
      default:
        this.#document[this.#member] = value;
    }
  }
}

/** A key as it stands in the text; "" if it is longer than every known one. */
function keyIn(bytes: Buffer, start: number, end: number): string {
  return end - start > keyBytesMax ? "" : bytes.toString("latin1", start, end);
}
