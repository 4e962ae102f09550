import type { AnswerFailure } from "../../core/answer-failure.ts";
import type { TokenUsage } from "../../core/usage.ts";
import type { CountingReader } from "./answer-reader.ts";

/** Bytes gathered before they are read: about 16 token events. */
const gatheredBytesMax = 4_096;

/** Larger chunks are read as they come: copying them would cost more than a reading of their own. */
const chunkBytesMax = 1_024;

/**
 * Reads a body that comes in many small chunks, such as one for each token, several chunks at a time. A reading costs
 * several calls of native searches, whose number does not grow with the bytes: one reading of 16 events takes a third of
 * the time of 16 readings.
 *
 * Until the first token, every chunk is read at once, because its time counts. After it, the results are wanted only at
 * the end of the body, or by a question before it, which reads first what is gathered.
 */
export class GatheredReader implements CountingReader {
  readonly isEventStream: boolean;
  readonly #reader: CountingReader;
  #gathered: Buffer | undefined;
  #length = 0;

  constructor(reader: CountingReader) {
    this.#reader = reader;
    this.isEventStream = reader.isEventStream;
  }

  get usage(): TokenUsage | undefined {
    return this.#upToDate.usage;
  }

  get id(): string | undefined {
    return this.#upToDate.id;
  }

  /** Asked for each chunk until it is true, and nothing is gathered before. */
  get hasBegun(): boolean {
    return this.#reader.hasBegun;
  }

  get isComplete(): boolean {
    return this.#upToDate.isComplete;
  }

  get failure(): AnswerFailure | undefined {
    return this.#upToDate.failure;
  }

  get events(): number {
    return this.#upToDate.events;
  }

  get carriedBytes(): number {
    return this.#reader.carriedBytes + (this.#gathered?.byteLength ?? 0);
  }

  push(chunk: Uint8Array): void {
    const { byteLength } = chunk;
    if (byteLength > chunkBytesMax || !this.#reader.hasBegun) {
      this.#upToDate.push(chunk);
      return;
    }
    if (this.#length + byteLength > gatheredBytesMax) this.#read();
    this.#gathered ??= Buffer.allocUnsafeSlow(gatheredBytesMax);
    this.#gathered.set(chunk, this.#length);
    this.#length += byteLength;
  }

  end(isWhole: boolean): void {
    this.#upToDate.end(isWhole);
    this.#gathered = undefined;
  }

  /** The reader, after all bytes so far. */
  get #upToDate(): CountingReader {
    if (this.#length > 0) this.#read();
    return this.#reader;
  }

  #read(): void {
    const length = this.#length;
    this.#length = 0;
    if (this.#gathered !== undefined) this.#reader.push(this.#gathered.subarray(0, length));
  }
}
