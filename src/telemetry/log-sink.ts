import { write, writeSync } from "node:fs";
import type { Clock } from "../std/clock.ts";

/** Bytes of lines gathered before they are written: a system call for about 60 lines of requests. */
const batchBytes = 32 * 1_024;
/** Size of the buffer of a batch, so that the line that fills it fits too. */
const bufferBytes = 2 * batchBytes;
/** Maximum bytes of UTF-8 for a UTF-16 unit. */
const unitBytesMax = 3;
/** Milliseconds a line may wait to be written. */
const flushIntervalMs = 100;
/** Maximum bytes of the batches that wait for a slow reader; lines beyond it are dropped and counted. */
export const waitingBytesMax = 4 * 1_024 * 1_024;
/** Milliseconds until a write is tried again that found a full pipe. */
const retryMs = 10;
/** Maximum milliseconds that the last lines may take when the process ends. */
const endMsMax = 5_000;

/** The part of `node:fs` that writes, so that a test can be slow or fail. */
export interface LogFile {
  write(bytes: Buffer, done: (cause: NodeJS.ErrnoException | null, written: number) => void): void;
  /** Writes at once; returns the number of bytes written. */
  writeNow(bytes: Buffer): number;
}

interface LogSinkOptions {
  readonly file: LogFile;
  readonly clock: Pick<Clock, "after">;
  /** Runs with the number of dropped lines once there is room again. */
  readonly onDropped: (lines: number) => void;
}

/** Lines that are written together. */
interface Batch {
  /** Its memory, which is larger than its bytes. */
  readonly buffer: Buffer<ArrayBuffer>;
  readonly bytes: Buffer;
  readonly lines: number;
}

/**
 * Gathers log lines into batches and writes one batch at a time on a thread of libuv, so that neither a request nor a
 * slow reader of the log holds up another request.
 */
export class LogSink {
  readonly #options: LogSinkOptions;
  #buffer = Buffer.allocUnsafeSlow(bufferBytes);
  /** The buffer of a batch that is written, for one of the next batches. */
  #spare: Buffer<ArrayBuffer> | undefined;
  #filled = 0;
  #lines = 0;
  /** Full batches in order; the first one is being written if `#isWriting`. */
  #waiting: Batch[] = [];
  #waitingBytes = 0;
  #isWriting = false;
  #isBroken = false;
  #dropped = 0;
  #cancelTimer: (() => void) | undefined;
  #onIdle: (() => void)[] = [];

  constructor(options: LogSinkOptions) {
    this.#options = options;
  }

  /** Takes a line with its line end. */
  write(line: string): void {
    if (this.#isBroken || this.#waitingBytes + line.length > waitingBytesMax) {
      this.#dropped += 1;
      return;
    }
    if (line.length * unitBytesMax > bufferBytes - this.#filled) {
      this.#closeBatch();
      if (line.length * unitBytesMax > bufferBytes) {
        const bytes = Buffer.from(line);
        this.#send({ buffer: bytes, bytes, lines: 1 });
        return;
      }
    }
    this.#filled += this.#buffer.write(line, this.#filled);
    this.#lines += 1;
    if (this.#filled >= batchBytes) this.#closeBatch();
    // A batch that waits for another one grows meanwhile.
    else if (!this.#isWriting) this.#closeBatchLater();
  }

  /** Writes what is gathered. Resolves once it is written, or if the reader takes too long. */
  end(): Promise<void> {
    this.#closeBatch();
    if (!this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(endMsMax, resolve);
      this.#onIdle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Writes at once what is not being written yet, for a process that ends now. */
  endNow(): void {
    const isWriting = this.#isWriting;
    // The last batch joins the others and is not written in the background.
    this.#isWriting = true;
    this.#closeBatch();
    const rest = this.#waiting.splice(isWriting ? 1 : 0);
    try {
      for (let { bytes } of rest) {
        while (bytes.length > 0) bytes = bytes.subarray(this.#options.file.writeNow(bytes));
      }
    } catch {
      // The log has no reader any more, or a slow one: the process ends without the rest.
    }
  }

  #closeBatchLater(): void {
    this.#cancelTimer ??= this.#options.clock.after(flushIntervalMs, () => this.#closeBatch());
  }

  #closeBatch(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#filled === 0) return;
    const buffer = this.#buffer;
    const batch = { buffer, bytes: buffer.subarray(0, this.#filled), lines: this.#lines };
    this.#buffer = this.#spare ?? Buffer.allocUnsafeSlow(bufferBytes);
    this.#spare = undefined;
    this.#filled = 0;
    this.#lines = 0;
    this.#send(batch);
  }

  #send(batch: Batch): void {
    this.#waiting.push(batch);
    this.#waitingBytes += batch.buffer.length;
    if (!this.#isWriting) this.#writeNext();
  }

  #writeNext(): void {
    const [batch] = this.#waiting;
    this.#isWriting = batch !== undefined;
    if (batch !== undefined) this.#writeRest(batch, batch.bytes);
    else this.#idle();
  }

  #writeRest(batch: Batch, rest: Buffer): void {
    this.#options.file.write(rest, (cause, written) => {
      if (cause !== null && mayBeTriedAgain(cause)) {
        this.#options.clock.after(retryMs, () => this.#writeRest(batch, rest));
        return;
      }
      if (cause === null && written < rest.length) {
        this.#writeRest(batch, rest.subarray(written));
        return;
      }
      if (cause !== null) this.#failed(cause, batch);
      this.#waiting.shift();
      this.#waitingBytes -= batch.buffer.length;
      if (batch.buffer.length === bufferBytes) this.#spare = batch.buffer;
      this.#writeNext();
    });
  }

  /** Loses a batch, as on a full disk; without a reader, all that follows too. */
  #failed({ code }: NodeJS.ErrnoException, { lines }: Batch): void {
    this.#dropped += lines;
    if (code !== "EPIPE") return;
    this.#isBroken = true;
    this.#waiting.splice(1);
  }

  #idle(): void {
    if (this.#filled > 0) this.#closeBatchLater();
    for (const done of this.#onIdle.splice(0)) done();
    if (this.#dropped === 0 || this.#isBroken) return;
    const lines = this.#dropped;
    this.#dropped = 0;
    this.#options.onDropped(lines);
  }
}

function mayBeTriedAgain({ code }: NodeJS.ErrnoException): boolean {
  return code === "EAGAIN" || code === "EBUSY" || code === "EINTR";
}

/** The standard output. */
export const standardOutput: LogFile = {
  write: (bytes, done) => write(1, bytes, done),
  writeNow: (bytes) => writeSync(1, bytes),
};
