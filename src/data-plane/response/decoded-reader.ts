import type { AnswerFailure } from "../../core/answer-failure.ts";
import type { TokenUsage } from "../../core/usage.ts";
import type { CountingReader } from "./answer-reader.ts";
import type { Decoder } from "./decoder.ts";

/** Reads a compressed body. From the first bytes that do not decompress, it reports nothing new. */
export class DecodedReader implements CountingReader {
  readonly isEventStream: boolean;
  readonly #decoder: Decoder;
  readonly #reader: CountingReader;
  #isBroken = false;

  constructor(decoder: Decoder, reader: CountingReader) {
    this.#decoder = decoder;
    this.#reader = reader;
    this.isEventStream = reader.isEventStream;
  }

  get usage(): TokenUsage | undefined {
    return this.#reader.usage;
  }

  /** In a body that cannot be read, only bytes are visible. */
  get hasBegun(): boolean {
    return this.#isBroken || this.#reader.hasBegun;
  }

  get isComplete(): boolean {
    return this.#reader.isComplete;
  }

  get failure(): AnswerFailure | undefined {
    return this.#reader.failure;
  }

  get id(): string | undefined {
    return this.#reader.id;
  }

  get events(): number {
    return this.#reader.events;
  }

  get carriedBytes(): number {
    return this.#reader.carriedBytes;
  }

  push(chunk: Uint8Array): void {
    if (this.#isBroken) return;
    const decoded = this.#decoder.push(chunk);
    if (decoded === undefined) {
      this.#isBroken = true;
      this.#decoder.close();
    } else if (decoded.byteLength > 0) {
      this.#reader.push(decoded);
    }
  }

  end(isWhole: boolean): void {
    if (!this.#isBroken) this.#decoder.close();
    // After a decoding error, it is unknown whether the body has its completion marker.
    this.#reader.end(isWhole && !this.#isBroken);
  }
}
