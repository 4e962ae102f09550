import { type AnswerFailure, truncatedCode } from "../../core/answer-failure.ts";
import type { TokenUsage } from "../../core/usage.ts";
import { hasBytesAt, markBytesAt, parsedJson } from "../../std/json-bytes.ts";
import { failureIn, failureNamed } from "./answer-error.ts";
import { answerIdOf } from "./answer-id.ts";
import { hasToken, isAside, isFinal, isFinalType, isQuietName, typeIn } from "./answer-progress.ts";
import { bufferOf } from "./buffer-of.ts";
import { ByteCarry } from "./byte-carry.ts";
import { ErrorSearch } from "./error-search.ts";
import { dataStart, type EventValue, isDone, objectAtKey, searchIn } from "./event-bytes.ts";
import { endOfJsonObject } from "./json-object-end.ts";
import { isJsonObject, type JsonObject } from "./json-object.ts";
import { ForwardSearch } from "./forward-search.ts";
import { LineSplitter } from "./line-splitter.ts";
import { UsageTally } from "./usage-tally.ts";

const lineFeed = Buffer.from("\n");
const eventField = Buffer.from("event:");
/**
 * The end of the key `usage`. In JSON, a quote before it makes it a whole string, because quotes within a string are
 * escaped. The needle omits that quote, because the search looks for the needle's first byte, and a token event has
 * many quotes (measured: 215 ns with it, 81 ns without).
 */
const usageKeyEnd = Buffer.from('usage"');
/** The end of the key `meta_info`, in which each event of SGLang's native API has the usage so far. */
const metaInfoKeyEnd = Buffer.from('meta_info"');

/** Above the size of the last event of a stream, unless it repeats the output. */
const lastEventBytesMax = 16 * 1_024;

/** After this many events without a known token, the dialect counts as unknown and the stream as begun. */
const quietEventsMax = 1_000;

/** Names of events are short; a longer one is unknown. */
const nameBytesMax = 32;
/** The last letter of `delta`, which ends the names of most events and of no event of interest. */
const letterA = 0x61;
/** Bytes at the start of an event that contain its type, if that is the first member. */
const beginningBytesMax = 128;

export interface SseAnswerOptions {
  /** Maximum bytes of an event; a longer one is counted but not read. */
  readonly eventBytesMax: number;
  /** True if the API promises a completion marker, so that a body that ends without one was cut short. */
  readonly promisesMarker: boolean;
  /** True if each line is the data of one event, as in JSON lines. */
  readonly isLines?: boolean;
}

/**
 * Reads a stream of server-sent events (WHATWG HTML, 9.2): usage, errors, the first token, and the
 * completion marker.
 *
 * Every event is parsed until the first token. After it, the bytes of an event are only searched: an event is parsed
 * only if it has an object at a key `usage` or may report an error, or if it is the last one. The last of several
 * usages is used, because engines that send usage with each token send running totals.
 */
export class SseAnswerReader {
  readonly isEventStream = true;
  readonly #options: SseAnswerOptions;
  readonly #lines: LineSplitter;
  /** `metaInfoKeyEnd` if the first event has such an object; no stream has both. */
  #keyEnd = usageKeyEnd;
  #keys = new ForwardSearch(usageKeyEnd);
  readonly #errors = new ErrorSearch();
  #hasChosenKey = false;
  /** The current chunk; an event with one data line within it is read without a copy. */
  #chunk: Buffer | undefined;
  #isFirstLine = true;

  /** Number of data lines of the current event. The first is in `#chunk` or, like the others, in `#held`. */
  #dataLines = 0;
  #start = 0;
  #end = 0;
  readonly #held: ByteCarry;
  #isHeld = false;
  #isTooLong = false;
  /** Value of the current event's field `event`; empty if it is of no interest. */
  #name = "";

  /**
   * State of the last event, by which it may be final. `unread`: it is in `#last`; `unknown`: it does not show, for
   * example because it is too long.
   */
  #lastIs: "final" | "not-final" | "unread" | "unknown" = "not-final";
  /** The last event of earlier chunks; one that is too long is cut one byte after the limit. */
  readonly #last: ByteCarry;
  readonly #lastBytesMax: number;
  /** Value of the last event's field `event`. */
  #lastName = "";
  /** Position of the last event in this chunk; undefined if the chunk has none, or it was copied. */
  #lastInChunk: EventValue | undefined;

  readonly #tally = new UsageTally();
  #events = 0;
  #hasBegun = false;
  #hasMarker = false;
  #isEnding = false;
  #failure: AnswerFailure | undefined;
  #id: string | undefined;

  constructor(options: SseAnswerOptions) {
    const { eventBytesMax } = options;
    this.#options = options;
    this.#held = new ByteCarry(eventBytesMax + 1);
    this.#lastBytesMax = Math.min(eventBytesMax, lastEventBytesMax);
    this.#last = new ByteCarry(this.#lastBytesMax + 1);
    this.#lines = new LineSplitter(eventBytesMax, (bytes, start, end) => {
      this.#takeLine(bytes, start, end);
    });
  }

  get usage(): TokenUsage | undefined {
    return this.#tally.usage;
  }

  get id(): string | undefined {
    return this.#id;
  }

  get events(): number {
    return this.#events;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get failure(): AnswerFailure | undefined {
    return this.#failure;
  }

  /** An error counts as an end too, because an engine sends nothing after it. */
  get isComplete(): boolean {
    this.#judgeLast();
    return this.#hasMarker || this.#lastIs === "final" || this.#failure !== undefined;
  }

  get carriedBytes(): number {
    return this.#lines.capacityBytes + this.#held.capacityBytes + this.#last.capacityBytes;
  }

  push(chunk: Uint8Array): void {
    const bytes = bufferOf(chunk);
    this.#chunk = bytes;
    this.#keys.start(bytes);
    this.#errors.start(bytes);
    this.#lines.push(bytes);
    if (this.#dataLines === 1) this.#hold();
    if (this.#lastInChunk !== undefined) this.#keepLast(this.#lastInChunk);
    this.#chunk = undefined;
  }

  /** Ends the body. A last event without an empty line after it, as after a lost connection, counts too. */
  end(isWhole: boolean): void {
    this.#isEnding = true;
    this.#lines.end();
    this.#finishEvent();
    this.#judgeLast();
    const isCut = isWhole && !this.#hasMarker && this.#lastIs === "not-final";
    if (!isCut || !this.#options.promisesMarker) return;
    this.#failure ??= { code: truncatedCode, blame: "engine" };
  }

  #takeLine(bytes: Buffer, lineStart: number, end: number): void {
    const start = lineStart + (this.#isFirstLine ? markBytesAt(bytes, lineStart) : 0);
    this.#isFirstLine = false;
    if (start >= end) {
      this.#finishEvent();
      return;
    }
    const { isLines = false } = this.#options;
    const valueStart = isLines ? start : dataStart(bytes, start, end);
    if (valueStart === undefined) {
      if (hasBytesAt(bytes, start, eventField)) this.#takeName(bytes, start, end);
      return;
    }
    this.#dataLines += 1;
    if (end - lineStart > this.#options.eventBytesMax) this.#isTooLong = true;
    else this.#takeData(bytes, valueStart, end);
    if (isLines) this.#finishEvent();
  }

  /**
   * Reads the name of an event, unless it is of no interest. Names of interest mean no output, the end, or a failure.
   */
  #takeName(bytes: Buffer, start: number, end: number): void {
    const from = start + eventField.byteLength;
    const mayMatter = bytes[end - 1] !== letterA && end - from <= nameBytesMax;
    this.#name = mayMatter ? bytes.toString("latin1", from, end).trim() : "";
  }

  #takeData(bytes: Buffer, start: number, end: number): void {
    if (this.#dataLines === 1 && bytes === this.#chunk) {
      this.#start = start;
      this.#end = end;
      return;
    }
    if (this.#dataLines > 1) {
      this.#hold();
      this.#held.append(lineFeed, 0, 1);
    }
    this.#held.append(bytes, start, end);
    this.#isHeld = true;
    if (this.#held.length > this.#options.eventBytesMax) this.#isTooLong = true;
  }

  /** Copies the event's line from the chunk, because the event continues in another line or chunk. */
  #hold(): void {
    if (this.#isHeld || this.#isTooLong || this.#chunk === undefined) return;
    this.#held.append(this.#chunk, this.#start, this.#end);
    this.#isHeld = true;
  }

  #finishEvent(): void {
    if (this.#dataLines > 0) this.#readEvent();
    this.#name = "";
    this.#dataLines = 0;
    this.#isTooLong = false;
    if (this.#isHeld) this.#held.clear();
    this.#isHeld = false;
  }

  #readEvent(): void {
    if (this.#isTooLong) {
      this.#events += 1;
      // Its contents are unknown, but an event of this size has output.
      this.#hasBegun = true;
      this.#lastInChunk = undefined;
      this.#judgeByType(this.#name);
    } else if (this.#isHeld) {
      const bytes = this.#held.bytes;
      this.#readValue({ bytes, start: 0, end: bytes.byteLength });
    } else if (this.#chunk !== undefined) {
      this.#readValue({ bytes: this.#chunk, start: this.#start, end: this.#end });
    }
  }

  #readValue(value: EventValue): void {
    if (isDone(value)) {
      this.#hasMarker = true;
      return;
    }
    this.#events += 1;
    if (!this.#hasChosenKey) this.#chooseKey(value);
    if (!this.#hasBegun) this.#lookForToken(value);
    if (this.#name === "error" || this.#errorsIn(value).isIn(value)) this.#lookForError(value);
    const object = objectAtKey(value, this.#keyEnd, this.#keysIn(value));
    this.#lastName = this.#name;
    if (object !== undefined) this.#readUsage(value, object);
    else if (value.bytes === this.#chunk) this.#lastInChunk = value;
    else this.#keepLast(value);
  }

  #readUsage(value: EventValue, object: number): void {
    // The usage may arrive separately, after the final event.
    this.#judgeLast();
    let document: JsonObject | undefined;
    if (this.#keyEnd === metaInfoKeyEnd) {
      // An event may repeat the whole text so far, so parse only the object.
      const end = endOfJsonObject(value.bytes, object, value.end);
      document = { meta_info: jsonIn({ ...value, start: object, end }) };
      this.#tally.takeMetaInfo(document["meta_info"], "");
    } else {
      document = documentIn(value);
      if (document !== undefined) this.#tally.takeDocument(document);
    }
    if (document !== undefined) this.#judge(document);
  }

  #judge(document: JsonObject): void {
    this.#id ??= answerIdOf(document);
    this.#lastIs = isFinal(document) ? "final" : "not-final";
    if (this.#hasBegun && this.#lastIs === "not-final" && isAside(document)) {
      this.#lastIs = "unknown";
    }
    this.#failure ??= failureIn(document);
  }

  /** Judges an event that is too long to be read by its type. */
  #judgeByType(type: string): void {
    this.#lastIs = isFinalType(type) ? "final" : "unknown";
    if (type === "error" || type === "response.failed") this.#failure ??= failureNamed([]);
  }

  #lookForToken(value: EventValue): void {
    if (isQuietName(this.#name) || value.start === value.end) return;
    const document = documentIn(value);
    this.#id ??= document && answerIdOf(document);
    // Text that is not JSON counts as output, unless the event was cut off.
    if (document === undefined) this.#hasBegun = !this.#isEnding;
    else this.#hasBegun = failureIn(document) === undefined && hasToken(document);
    if (this.#events >= quietEventsMax) this.#hasBegun = true;
  }

  #lookForError(value: EventValue): void {
    const document = documentIn(value);
    this.#failure ??= document && failureIn(document);
    if (this.#name === "error") this.#failure ??= failureNamed([]);
  }

  /** Judges the last event: a finish reason or the type of a final event counts as a completion marker. */
  #judgeLast(): void {
    if (this.#lastInChunk !== undefined) this.#keepLast(this.#lastInChunk);
    if (this.#lastIs !== "unread") return;
    const bytes = this.#last.bytes;
    if (bytes.byteLength > this.#lastBytesMax) {
      const beginning = bytes.toString("latin1", 0, beginningBytesMax);
      this.#judgeByType(typeIn(beginning) ?? this.#lastName);
      return;
    }
    this.#lastIs = "not-final";
    const document = documentIn({ bytes, start: 0, end: bytes.byteLength });
    if (document !== undefined) this.#judge(document);
  }

  #keepLast({ bytes, start, end }: EventValue): void {
    this.#last.clear();
    this.#last.append(bytes, start, end);
    this.#lastIs = "unread";
    this.#lastInChunk = undefined;
  }

  /** Selects `meta_info` if the first event has it at the top level. */
  #chooseKey(value: EventValue): void {
    this.#hasChosenKey = true;
    if (objectAtKey(value, metaInfoKeyEnd, searchIn(value, metaInfoKeyEnd)) === undefined) return;
    const document = documentIn(value);
    if (document === undefined || !isJsonObject(document["meta_info"])) return;
    this.#keyEnd = metaInfoKeyEnd;
    this.#keys = new ForwardSearch(metaInfoKeyEnd);
    if (this.#chunk !== undefined) this.#keys.start(this.#chunk);
  }

  /** A search for the key; the search of a chunk continues from event to event. */
  #keysIn(value: EventValue): ForwardSearch {
    return value.bytes === this.#chunk ? this.#keys : searchIn(value, this.#keyEnd);
  }

  #errorsIn(value: EventValue): ErrorSearch {
    if (value.bytes === this.#chunk) return this.#errors;
    const search = new ErrorSearch();
    search.start(value.bytes);
    return search;
  }
}

function documentIn(value: EventValue): JsonObject | undefined {
  const document = jsonIn(value);
  return isJsonObject(document) ? document : undefined;
}

/** The client gets the body unchanged: if an event is not JSON, only its contents are unknown. */
function jsonIn({ bytes, start, end }: EventValue): unknown {
  return parsedJson(bytes.toString("utf8", start, end));
}
