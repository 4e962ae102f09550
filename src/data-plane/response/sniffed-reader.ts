import type { TokenUsage } from "../../core/usage.ts";
import type { AnswerFailure } from "../../core/answer-failure.ts";
import type { CountingReader } from "./answer-reader.ts";

/** First bytes of JSON documents: of an object and of an array. */
const jsonStarts: ReadonlySet<number> = new Set([0x7b, 0x5b]);
/** First bytes of event streams: of `data`, `event`, `id`, `retry`, a comment and a byte order mark. */
const eventStarts: ReadonlySet<number> = new Set([0x64, 0x65, 0x69, 0x72, 0x3a, 0xef]);
const spaces: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** Makes the reader for a body of this kind. */
type ReaderOf = (kind: "events" | "json" | "unread") => CountingReader;

/** Reads a body without a content type as the kind that its first byte shows. */
export class SniffedReader implements CountingReader {
  /** False, because callers read it at the head, before the first byte. */
  readonly isEventStream = false;
  readonly #readerOf: ReaderOf;
  #reader: CountingReader | undefined;

  constructor(readerOf: ReaderOf) {
    this.#readerOf = readerOf;
  }

  get usage(): TokenUsage | undefined {
    return this.#reader?.usage;
  }

  get hasBegun(): boolean {
    return this.#reader?.hasBegun === true;
  }

  get isComplete(): boolean {
    return this.#reader?.isComplete === true;
  }

  get failure(): AnswerFailure | undefined {
    return this.#reader?.failure;
  }

  get id(): string | undefined {
    return this.#reader?.id;
  }

  get events(): number {
    return this.#reader?.events ?? 0;
  }

  get carriedBytes(): number {
    return this.#reader?.carriedBytes ?? 0;
  }

  push(chunk: Uint8Array): void {
    const first = chunk.find((byte) => !spaces.has(byte));
    if (first !== undefined) this.#reader ??= this.#readerOf(kindOf(first));
    this.#reader?.push(chunk);
  }

  end(isWhole: boolean): void {
    this.#reader?.end(isWhole);
  }
}

function kindOf(first: number): "events" | "json" | "unread" {
  if (jsonStarts.has(first)) return "json";
  return eventStarts.has(first) ? "events" : "unread";
}
