import type { Placed } from "../../../std/unordered-list.ts";
import { ByteStore } from "./byte-store.ts";
import { writeReset, writeWindowUpdate } from "./control-frames.ts";
import {
  errorCode,
  frameFlag,
  frameType,
  streamWindowBytes,
  windowBytesMax,
} from "./frame-types.ts";
import type { Output } from "./output.ts";

/** Consumed bytes that are worth a frame to let the client send as many more. */
const creditBytesMin = streamWindowBytes / 2;

/** Bytes of answers that wait for the client. Beyond it, nothing more of the stream is read. */
const unsentBytesMax = 65_536;

/** Cause of a stream's end: both sides ended it, one side reset it, or the connection ended. */
export type CloseCause = "finished" | "reset" | "connection";

/** Server's side of a stream. */
export interface StreamReceiver {
  /** Bytes of the body. They are never written to afterwards. */
  data(bytes: Buffer, start: number, end: number): void;
  /** The client has ended its side, after all its data. */
  ended(): void;
  /** Called exactly once, last. */
  closed(cause: CloseCause): void;
}

/** Bytes to send: a head that the caller overwrites afterwards, and a tail that does not change any more. */
export interface Outgoing {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly tail: Uint8Array;
}

/** The connection, as its streams see it. */
export interface StreamHost {
  readonly output: Output;
  /** Bytes that all streams may send. */
  sendWindowBytes: number;
  /** Largest payload that the client takes. */
  readonly frameBytesMax: number;
  /** Milliseconds that bytes of the client wait before they are read. */
  readonly arrivalDelayMs: number;
  /** Sends what was written, soon. */
  wantFlush(): void;
  /** Has `pump` called when the connection may send again. */
  await(stream: ServerStream): void;
  /** Forgets a stream that has closed. */
  forget(stream: ServerStream): void;
  /** First bytes of a block of headers, if the client is owed some. */
  takeTableUpdate(): Uint8Array;
}

const dataFrame = frameType.data << 8;
const headersFrame = (frameType.headers << 8) | frameFlag.endHeaders;
const lastHeadersFrame = headersFrame | frameFlag.endStream;

export interface StreamStart {
  readonly id: number;
  readonly sendWindowBytes: number;
  /** `content-length`; -1 without one. */
  readonly bodyBytes: number;
}

/** One stream of a server: flow control in both directions. */
export class ServerStream implements Placed {
  readonly id: number;
  place = -1;
  readonly #host: StreamHost;
  #receiver: StreamReceiver | undefined;
  #isClosed = false;
  /** True if the client has ended its side. */
  #hasEnded = false;
  #isEndTold = false;
  /** True if it sent data. */
  #hasData = false;
  #missingBytes: number;
  #receiveWindowBytes = streamWindowBytes;
  /** Bytes that were consumed and that the client may not send again yet. */
  #owedBytes = 0;
  #isPaused = false;
  /** Data that arrived while nothing is read. */
  #held: ByteStore | undefined;
  #sendWindowBytes: number;
  #unsent: Uint8Array[] = [];
  /** Bytes of the first unsent piece that were sent. */
  #sentOfFirst = 0;
  #unsentBytes = 0;
  #trailers: Uint8Array | undefined;

  constructor(host: StreamHost, { id, sendWindowBytes, bodyBytes }: StreamStart) {
    this.id = id;
    this.#host = host;
    this.#sendWindowBytes = sendWindowBytes;
    this.#missingBytes = bodyBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Milliseconds that bytes of the client wait before they are read. */
  get arrivalDelayMs(): number {
    return this.#host.arrivalDelayMs;
  }

  get hasData(): boolean {
    return this.#hasData;
  }

  /** Hands what arrives to `receiver` from now on. */
  attach(receiver: StreamReceiver): void {
    this.#receiver = receiver;
    if (this.#isClosed) receiver.closed("reset");
  }

  // What the client sends.

  /** Counts the payload of a frame of data; false if the stream was reset for it. */
  admit(payloadBytes: number): boolean {
    this.#receiveWindowBytes -= payloadBytes;
    if (this.#hasEnded) this.reset(errorCode.streamClosed);
    else if (this.#receiveWindowBytes < 0) this.reset(errorCode.flowControl);
    return !this.#isClosed;
  }

  /** Padding is consumed as it arrives. */
  consume(bytes: number): void {
    this.#owedBytes += bytes;
    if (this.#owedBytes < creditBytesMin || this.#hasEnded) return;
    writeWindowUpdate(this.#host.output, this.id, this.#owedBytes);
    this.#host.wantFlush();
    this.#receiveWindowBytes += this.#owedBytes;
    this.#owedBytes = 0;
  }

  receive(bytes: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    this.#hasData = true;
    if (this.#missingBytes >= 0) {
      this.#missingBytes -= end - start;
      if (this.#missingBytes < 0) return this.reset(errorCode.protocol);
    }
    if (this.#isHeld) {
      this.#held ??= new ByteStore();
      this.#held.add(bytes, start, end);
      return;
    }
    this.#receiver?.data(bytes, start, end);
    if (!this.#isClosed) this.consume(end - start);
  }

  /** The client ends its side. */
  end(): void {
    if (this.#isClosed) return;
    if (this.#missingBytes > 0) return this.reset(errorCode.protocol);
    this.#hasEnded = true;
    this.#tellEnd();
  }

  /** Stops handing on data until `resume`, so that the client stops sending. A close is still told. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#release();
  }

  /** True if data are held. Data that are held already go first, also when their reason has ended. */
  get #isHeld(): boolean {
    return this.#held !== undefined || this.#mustWait;
  }

  get #mustWait(): boolean {
    return this.#isPaused || this.#unsentBytes > unsentBytesMax;
  }

  /** Hands on what was held, unless it has to wait longer. */
  #release(): void {
    if (this.#isClosed || this.#mustWait) return;
    const held = this.#held?.take();
    this.#held = undefined;
    if (held !== undefined && held.length > 0) {
      this.#receiver?.data(held, 0, held.length);
      if (this.#isClosed) return;
      this.consume(held.length);
    }
    this.#tellEnd();
  }

  #tellEnd(): void {
    if (!this.#hasEnded || this.#isEndTold || this.#isHeld) return;
    this.#isEndTold = true;
    this.#receiver?.ended();
  }

  // What the server sends.

  /** Sends a block of headers. */
  headers(block: Uint8Array): void {
    if (!this.#isClosed) this.#writeHeaders(headersFrame, block);
  }

  send({ bytes, start, end, tail }: Outgoing): void {
    if (this.#isClosed || this.#trailers !== undefined) return;
    const host = this.#host;
    const total = end - start + tail.length;
    const isSent =
      this.#unsentBytes === 0 &&
      total <= host.frameBytesMax &&
      total <= this.#sendWindowBytes &&
      total <= host.sendWindowBytes;
    if (isSent) {
      host.output.head(dataFrame, this.id, total);
      host.output.copy(bytes, start, end);
      if (tail.length > 0) host.output.piece(tail, 0, tail.length);
      this.#sendWindowBytes -= total;
      host.sendWindowBytes -= total;
    } else {
      this.#unsent.push(Uint8Array.prototype.slice.call(bytes, start, end));
      if (tail.length > 0) this.#unsent.push(tail);
      this.#unsentBytes += total;
      this.pump();
    }
    host.wantFlush();
  }

  /** Ends the stream with trailers, after everything that was sent. */
  finish(trailers: Uint8Array): void {
    if (this.#isClosed || this.#trailers !== undefined) return;
    this.#trailers = trailers;
    this.pump();
  }

  /** Lets the client receive more, or less: settings may change windows of open streams. */
  widen(bytes: number): boolean {
    this.#sendWindowBytes += bytes;
    return this.#sendWindowBytes <= windowBytesMax;
  }

  /** Sends what waits, as far as the windows allow. */
  pump(): void {
    if (this.#isClosed) return;
    const host = this.#host;
    while (this.#unsentBytes > 0) {
      const bytes = Math.min(
        this.#unsentBytes,
        this.#sendWindowBytes,
        host.sendWindowBytes,
        host.frameBytesMax,
      );
      if (bytes <= 0) break;
      this.#writeUnsent(bytes);
    }
    if (this.#unsentBytes > 0) return host.await(this);
    if (this.#trailers !== undefined) return this.#end(this.#trailers);
    // Reading may have stopped because of what waited.
    if (this.#held !== undefined || this.#hasEnded) this.#release();
  }

  #writeUnsent(bytes: number): void {
    const host = this.#host;
    host.output.head(dataFrame, this.id, bytes);
    let left = bytes;
    while (left > 0) {
      const piece = this.#unsent[0];
      if (piece === undefined) break;
      const start = this.#sentOfFirst;
      const end = Math.min(piece.length, start + left);
      host.output.piece(piece, start, end);
      left -= end - start;
      this.#sentOfFirst = end === piece.length ? 0 : end;
      if (end === piece.length) this.#unsent.shift();
    }
    this.#unsentBytes -= bytes;
    this.#sendWindowBytes -= bytes;
    host.sendWindowBytes -= bytes;
  }

  #end(trailers: Uint8Array): void {
    this.#writeHeaders(lastHeadersFrame, trailers);
    // The client need not send the rest (RFC 9113, section 8.1).
    if (!this.#hasEnded) this.#writeReset(errorCode.noError);
    this.close("finished");
  }

  #writeHeaders(frame: number, block: Uint8Array): void {
    const { output } = this.#host;
    const update = this.#host.takeTableUpdate();
    output.head(frame, this.id, update.length + block.length);
    output.copy(update, 0, update.length);
    output.copy(block, 0, block.length);
    this.#host.wantFlush();
  }

  // Its end.

  /** Resets the stream. */
  reset(code: number): void {
    if (this.#isClosed) return;
    this.#writeReset(code);
    this.close("reset");
  }

  #writeReset(code: number): void {
    writeReset(this.#host.output, this.id, code);
    this.#host.wantFlush();
  }

  /** Closes the stream without a word to the client. */
  close(cause: CloseCause): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#held = undefined;
    this.#host.forget(this);
    this.#receiver?.closed(cause);
  }
}
