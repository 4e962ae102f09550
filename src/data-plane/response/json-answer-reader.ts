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
  /**
   * True if the current string is a key. `#key` collects it with its closing quote, and one byte more than the longest
   * known key, so that longer keys differ.
   */
  #isKey = false;
  readonly #key = new ByteCarry(keyBytesMax + 2);
  /** Start of the bytes to capture in the current chunk; undefined outside of a value. */
  #captureStart: number | undefined;
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
    return this.#captured.capacityBytes + this.#key.capacityBytes;
  }

  push(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.#hasBegun = true;
    let at = 0;
    while (at < chunk.byteLength && !this.#isFinished) {
      at = this.#isInString ? this.#passString(chunk, at) : this.#passPlain(chunk, at);
    }
    if (this.#captureStart === undefined || this.#isFinished) return;
    this.#captured.append(chunk, this.#captureStart, chunk.byteLength);
    this.#captureStart = 0;
  }

  end(): void {
    this.#isFinished = true;
  }

  /** Reads inside a string, up to its end or that of the chunk; returns the offset to continue at. */
  #passString(chunk: Uint8Array, from: number): number {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      return from + 1;
    }
    const at = endOfStringRun(chunk, from, chunk.byteLength);
    if (this.#isKey) this.#key.append(chunk, from, Math.min(at + 1, chunk.byteLength));
    if (chunk[at] === backslashByte) this.#isEscaped = true;
    if (chunk[at] === quoteByte) this.#isInString = false;
    return at + 1;
  }

  /** Reads outside of strings up to and including one structural byte; returns the offset to continue at. */
  #passPlain(chunk: Uint8Array, from: number): number {
    const at = endOfPlainRun(chunk, from, chunk.byteLength);
    const byte = chunk[at] ?? 0;
    switch (byte) {
      case quoteByte:
        this.#openString();
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

  #openString(): void {
    // The body is a string, or has a string before its members: there are no members.
    if (this.#depth < this.#memberDepth) this.#isFinished = true;
    this.#isInString = true;
    this.#isKey = this.#isKeyNext;
    if (this.#isKey) this.#key.clear();
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

  #close(chunk: Uint8Array, at: number): void {
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
    // `#key` includes the closing quote.
    const key = this.#key.bytes.toString("latin1", 0, Math.max(0, this.#key.length - 1));
    if (this.#depth === choiceDepth) this.#member = choiceMembers.get(key) ?? "";
    else if (this.#memberDepth > 1) this.#member = key === "meta_info" ? key : "";
    else this.#member = topKeys.has(key) ? key : "";
    this.#isInChoices = this.#member === "choices" || this.#depth === choiceDepth;
    if (this.#member !== "" && this.#member !== "choices") this.#captureStart = valueStart;
  }

  #finishMember(chunk: Uint8Array, valueEnd: number): void {
    this.#isKeyNext = true;
    this.#isKey = false;
    if (this.#captureStart === undefined) return;
    this.#captured.append(chunk, this.#captureStart, valueEnd);
    this.#captureStart = undefined;
    const isWhole = this.#captured.length <= this.#captureBytesMax;
    const isError = this.#member === "error" || this.#member === "choice.error";
    const unread = isError ? unreadError : undefined;
    // The client gets the body unchanged: if it is not JSON, only the value is unknown.
    this.#take(isWhole ? parsedJson(this.#captured.bytes.toString()) : unread);
    this.#captured.clear();
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
