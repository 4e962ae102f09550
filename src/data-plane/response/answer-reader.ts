import type { AnswerReader } from "../../core/answer-reader.ts";
import { type BodyHeaders, type BodyKind, bodyKindOf, encodingOf } from "./body-kind.ts";
import { DecodedReader } from "./decoded-reader.ts";
import { decoderOf } from "./decoder.ts";
import { GatheredReader } from "./gathered-reader.ts";
import { JsonAnswerReader } from "./json-answer-reader.ts";
import { SniffedReader } from "./sniffed-reader.ts";
import { SseAnswerReader } from "./sse-answer-reader.ts";

/** An answer reader that also counts events and the bytes in its buffers. */
export interface CountingReader extends AnswerReader {
  /** Server-sent events with data so far, without `[DONE]`; 0 for other bodies. */
  readonly events: number;
  /** Bytes of its buffers between chunks. */
  readonly carriedBytes: number;
}

export interface AnswerReaderOptions extends BodyHeaders {
  /** True if the API promises a completion marker for event streams. */
  readonly promisesMarker?: boolean;
  /** Maximum bytes of an event; a longer one is counted but not read. */
  readonly eventBytesMax?: number;
  /** Maximum bytes of a member's value in a JSON body; a longer one is not read. */
  readonly valueBytesMax?: number;
}

/** Far above the size of a token event, and above a final Responses event that repeats a long output. */
const defaultEventBytesMax = 1_024 * 1_024;

/** Far above a usage with every known detail, which has less than 1 KiB. */
const defaultValueBytesMax = 64 * 1_024;

/** A reader for the body that the response headers announce. */
export function createAnswerReader(options: AnswerReaderOptions): CountingReader {
  const reader = plainReaderOf(options);
  const encoding = encodingOf(options);
  if (encoding === "identity" || reader instanceof UnreadReader) return reader;
  const decoder = encoding === "unknown" ? undefined : decoderOf(encoding);
  return decoder === undefined ? new UnreadReader() : new DecodedReader(decoder, reader);
}

function plainReaderOf(options: AnswerReaderOptions): CountingReader {
  const kind = bodyKindOf(options);
  return kind === "unsaid"
    ? new SniffedReader((sniffed) => readerOf(sniffed, options))
    : readerOf(kind, options);
}

function readerOf(
  kind: Exclude<BodyKind, "unsaid">,
  {
    promisesMarker = false,
    eventBytesMax = defaultEventBytesMax,
    valueBytesMax = defaultValueBytesMax,
  }: AnswerReaderOptions,
): CountingReader {
  switch (kind) {
    case "events":
      return new GatheredReader(new SseAnswerReader({ eventBytesMax, promisesMarker }));
    case "lines":
      // APIs with JSON lines have no completion marker.
      return new GatheredReader(
        new SseAnswerReader({ eventBytesMax, promisesMarker: false, isLines: true }),
      );
    case "json":
      return new JsonAnswerReader(valueBytesMax);
    case "unread":
      return new UnreadReader();
  }
}

/** Reads a body of which only the first byte matters. */
class UnreadReader implements CountingReader {
  readonly usage = undefined;
  readonly id = undefined;
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
    // It has no buffers to release.
  }
}
