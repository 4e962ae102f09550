import type { AnswerFailure } from "../../core/answer-failure.ts";
import type { TokenUsage } from "../../core/usage.ts";
import { type BodyHeaders, type BodyKind, bodyKindOf, encodingOf } from "./body-kind.ts";
import { DecodedReader } from "./decoded-reader.ts";
import { decoderOf } from "./decoder.ts";
import { JsonAnswerReader } from "./json-answer-reader.ts";
import { SniffedReader } from "./sniffed-reader.ts";
import { SseAnswerReader } from "./sse-answer-reader.ts";

/** Reads along while a response body passes, and never delays, changes or fails it. */
export interface AnswerReader {
  /** The next bytes of the body, cut anywhere. They may be reused after the call. */
  push(chunk: Uint8Array): void;
  /** Nothing more comes; `isWhole`: the body came to its own end. */
  end(isWhole: boolean): void;
  /** Usage that the engine has reported so far; undefined if there is none to trust. */
  readonly usage: TokenUsage | undefined;
  /** The body is a stream of events, in which the first token shows. */
  readonly isEventStream: boolean;
  /** The first token is there; of a body in which tokens do not show, the first byte. */
  readonly hasBegun: boolean;
  /** All that the API promises is there: only the body's end is missing. */
  readonly isComplete: boolean;
  /** The failure that the body reports, or shows by ending early. */
  readonly failure: AnswerFailure | undefined;
  /** Server-sent events with content so far, `[DONE]` not among them; 0 for other bodies. */
  readonly events: number;
  /** Bytes of memory held between chunks. */
  readonly carriedBytes: number;
}

export interface AnswerReaderOptions extends BodyHeaders {
  /** The API promises a completion marker for streams of events. */
  readonly promisesMarker?: boolean;
  /** A longer event is counted and not read. */
  readonly eventBytesMax?: number;
  /** A longer value of a JSON body's member is not read. */
  readonly valueBytesMax?: number;
}

/** Far above a token event, and above a last Responses event that repeats a long output. */
const EVENT_BYTES_MAX = 1_024 * 1_024;

/** A usage with every known detail has under 1 KiB. */
const VALUE_BYTES_MAX = 64 * 1_024;

/** A reader for the body that the response headers announce. */
export function createAnswerReader(options: AnswerReaderOptions): AnswerReader {
  const reader = plainReaderOf(options);
  const encoding = encodingOf(options);
  if (encoding === "identity" || reader instanceof UnreadReader) return reader;
  const decoder = encoding === "unknown" ? undefined : decoderOf(encoding);
  return decoder === undefined ? new UnreadReader() : new DecodedReader(decoder, reader);
}

function plainReaderOf(options: AnswerReaderOptions): AnswerReader {
  const kind = bodyKindOf(options);
  return kind === "unsaid"
    ? new SniffedReader((sniffed) => readerOf(sniffed, options))
    : readerOf(kind, options);
}

function readerOf(
  kind: Exclude<BodyKind, "unsaid">,
  {
    promisesMarker = false,
    eventBytesMax = EVENT_BYTES_MAX,
    valueBytesMax = VALUE_BYTES_MAX,
  }: AnswerReaderOptions,
): AnswerReader {
  switch (kind) {
    case "events":
      return new SseAnswerReader({ eventBytesMax, promisesMarker });
    case "lines":
      // Their APIs have no marker of their own.
      return new SseAnswerReader({ eventBytesMax, promisesMarker: false, isLines: true });
    case "json":
      return new JsonAnswerReader(valueBytesMax);
    case "unread":
      return new UnreadReader();
  }
}

/** For a body of which only the first byte matters. */
class UnreadReader implements AnswerReader {
  readonly usage = undefined;
  readonly isEventStream = false;
  readonly isComplete = false;
  readonly failure = undefined;
  readonly events = 0;
  readonly carriedBytes = 0;
  hasBegun = false;

  push(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.hasBegun = true;
  }

  end(): void {
    // Nothing is held.
  }
}
