import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  blockOf,
  endHeaders,
  endStream,
  frameOf,
  frameTypes,
  preface,
  settingsOf,
  uint32,
} from "../fuzz-http/http2-frames.ts";
import { type ControlFrame, type FrameHandler, FrameReader } from "./frame-reader.ts";

const host = "127.0.0.1";
const methodPath = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** Settings (RFC 9113, section 6.5.2). */
const headerTableSize = 1;
const enablePush = 2;
const concurrentStreamsMax = 3;
const initialWindowSize = 4;

const windowBytesMax = 0x7fff_ffff;
const windowBytesDefault = 65_535;
/** What a peer takes in one frame unless it says otherwise; this client does not use more. */
const frameBytesMax = 16_384;
/** Bytes read before the window of the connection is opened again. */
const creditBytes = 1 << 28;
const ackFlag = 1;
const cancelCode = 8;
const headBytes = 9;

const readBufferBytes = 128 * 1024;
const writeBufferBytes = 128 * 1024;

export interface ConnectionOptions {
  readonly port: number;
  readonly isTls: boolean;
  /** Name that the server is called by. */
  readonly authority: string;
  /** The server takes no new streams here. */
  readonly onLeaving?: () => void;
  /** The last open stream has ended. */
  readonly onIdle?: () => void;
  /** Called once; streams that are open then have failed already. */
  readonly onClosed: () => void;
}

/** One call on a connection. */
export interface StreamHandler {
  /** Bytes of the answer; they are only lent. */
  bytes(piece: Buffer): void;
  /** The server has ended the stream; undefined if in good order. */
  ended(failure: string | undefined): void;
}

interface OpenStream {
  readonly handler: StreamHandler;
  /** Bytes that the server lets us send. */
  window: number;
  /** Waits for the window. */
  waiting: Buffer[];
  isLast: boolean;
}

/**
 * A cleartext or TLS connection that makes ext_proc calls with prepared bytes: no header is encoded or decoded,
 * and what one turn sends goes out in one write.
 */
export class Connection implements FrameHandler {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #headers: Buffer;
  readonly #streams = new Map<number, OpenStream>();
  #nextStream = 1;
  #window = windowBytesDefault;
  #streamWindow = windowBytesDefault;
  #readBytes = 0;
  #out = Buffer.allocUnsafe(writeBufferBytes);
  #outLength = 0;
  #isFlushDue = false;
  isClosed = false;
  streamsMax = Number.POSITIVE_INFINITY;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#reader = new FrameReader(this);
    this.#headers = headersOf(options);
    this.#socket = this.#connect();
    const settings: readonly (readonly [number, number])[] = [
      [headerTableSize, 0],
      [enablePush, 0],
      [initialWindowSize, windowBytesMax],
    ];
    const credit = windowBytesMax - windowBytesDefault;
    this.#write(preface);
    this.#write(settingsOf(settings));
    this.#write(frameOf(frameTypes.windowUpdate, 0, 0, uint32(credit)));
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Begins a call; its id. */
  begin(handler: StreamHandler): number {
    const id = this.#nextStream;
    this.#nextStream += 2;
    this.#streams.set(id, { handler, window: this.#streamWindow, waiting: [], isLast: false });
    const at = this.#reserve(this.#headers.length);
    this.#headers.copy(this.#out, at);
    this.#out.writeUInt32BE(id, at + 5);
    return id;
  }

  /** Sends a message; the bytes must stay as they are until the server has taken them. */
  send(id: number, payload: Buffer, isLast: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.isLast = isLast;
    stream.waiting.push(payload);
    this.#advance(id, stream);
  }

  /** Leaves a call (RST_STREAM, CANCEL). */
  reset(id: number): void {
    if (!this.#streams.delete(id)) return;
    this.#write(frameOf(frameTypes.reset, 0, id, uint32(cancelCode)));
    if (this.#streams.size > 0) return;
    this.#flush();
    this.#options.onIdle?.();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  data(id: number, piece: Buffer): void {
    this.#streams.get(id)?.handler.bytes(piece);
  }

  dataEnd(id: number, length: number, isLast: boolean): void {
    this.#readBytes += length;
    if (this.#readBytes >= creditBytes) {
      this.#write(frameOf(frameTypes.windowUpdate, 0, 0, uint32(this.#readBytes)));
      this.#readBytes = 0;
    }
    if (isLast) this.#end(id, undefined);
  }

  control({ type, flags, stream, payload }: ControlFrame): void {
    if (type === frameTypes.headers) {
      if ((flags & endStream) !== 0) this.#end(stream, undefined);
    } else if (type === frameTypes.reset) this.#end(stream, `reset ${payload.readUInt32BE(0)}`);
    else if (type === frameTypes.windowUpdate) this.#opened(stream, payload.readUInt32BE(0));
    else if (type === frameTypes.goAway) this.#options.onLeaving?.();
    else if ((flags & ackFlag) !== 0) return;
    else if (type === frameTypes.ping) this.#write(frameOf(type, ackFlag, 0, payload));
    else if (type === frameTypes.settings) this.#settle(payload);
  }

  #connect(): Socket {
    const { port, isTls } = this.#options;
    // One buffer for all reads: no allocation on the way of an answer.
    const callback = (bytes: number, buffer: Uint8Array) => {
      this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
      return true;
    };
    const onread = { buffer: Buffer.allocUnsafe(readBufferBytes), callback };
    // A variable, since the types of TLS do not know that it takes `onread` too.
    const options = { port, host, onread, ALPNProtocols: ["h2"], rejectUnauthorized: false };
    const socket = isTls ? connectTls(options) : connectTcp(options);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
    return socket;
  }

  #read(piece: Buffer): void {
    try {
      this.#reader.push(piece);
    } catch (cause) {
      // Counts as a failure of each open stream.
      this.#socket.destroy(cause instanceof Error ? cause : undefined);
    }
    this.#flush();
  }

  #closed(): void {
    this.isClosed = true;
    for (const id of this.#streams.keys()) this.#end(id, "connection closed");
    this.#options.onClosed();
  }

  #end(id: number, failure: string | undefined): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    stream.handler.ended(failure);
    if (this.#streams.size === 0) this.#options.onIdle?.();
  }

  #settle(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      const setting = payload.readUInt16BE(at);
      if (setting === concurrentStreamsMax) this.streamsMax = value;
      if (setting === initialWindowSize) this.#changeWindows(value);
    }
    this.#write(frameOf(frameTypes.settings, ackFlag, 0, Buffer.alloc(0)));
  }

  /** A new initial window changes those of open streams (RFC 9113, section 6.9.2). */
  #changeWindows(bytes: number): void {
    const change = bytes - this.#streamWindow;
    this.#streamWindow = bytes;
    for (const [id, stream] of this.#streams) {
      stream.window += change;
      this.#advance(id, stream);
    }
  }

  #opened(id: number, bytes: number): void {
    if (id !== 0) {
      const stream = this.#streams.get(id);
      if (stream === undefined) return;
      stream.window += bytes;
      this.#advance(id, stream);
      return;
    }
    this.#window += bytes;
    for (const [other, stream] of this.#streams) {
      if (this.#window <= 0) return;
      this.#advance(other, stream);
    }
  }

  /** Sends what the windows allow. */
  #advance(id: number, stream: OpenStream): void {
    for (;;) {
      const [payload] = stream.waiting;
      if (payload === undefined) return;
      const bytes = Math.min(payload.length, frameBytesMax, stream.window, this.#window);
      if (bytes <= 0 && payload.length > 0) return;
      stream.window -= bytes;
      this.#window -= bytes;
      const isWhole = bytes === payload.length;
      if (isWhole) stream.waiting.shift();
      else stream.waiting[0] = payload.subarray(bytes);
      this.#writeData({
        id,
        bytes: isWhole ? payload : payload.subarray(0, bytes),
        isLast: stream.isLast && stream.waiting.length === 0,
      });
    }
  }

  #writeData({ id, bytes, isLast }: { id: number; bytes: Buffer; isLast: boolean }): void {
    const at = this.#reserve(headBytes + bytes.length);
    const out = this.#out;
    out.writeUIntBE(bytes.length, at, 3);
    out[at + 3] = frameTypes.data;
    out[at + 4] = isLast ? endStream : 0;
    out.writeUInt32BE(id, at + 5);
    bytes.copy(out, at + headBytes);
  }

  #write(bytes: Buffer): void {
    // In this order: making room may replace the buffer.
    const at = this.#reserve(bytes.length);
    bytes.copy(this.#out, at);
  }

  /** Room for bytes of this turn's write; where they begin. */
  #reserve(bytes: number): number {
    if (this.#outLength + bytes > this.#out.length) this.#flush();
    const at = this.#outLength;
    this.#outLength += bytes;
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      process.nextTick(() => this.#flush());
    }
    return at;
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#outLength === 0) return;
    const bytes = this.#out.subarray(0, this.#outLength);
    this.#outLength = 0;
    // TLS reads the buffer later, and so does a socket whose bytes the kernel has not all taken.
    this.#socket.write(this.#options.isTls ? Buffer.from(bytes) : bytes);
    if (this.#socket.writableLength > 0) this.#out = Buffer.allocUnsafe(writeBufferBytes);
  }
}

function headersOf({ authority, isTls }: ConnectionOptions): Buffer {
  const block = blockOf([
    [":method", "POST"],
    [":scheme", isTls ? "https" : "http"],
    [":path", methodPath],
    [":authority", authority],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ]);
  return frameOf(frameTypes.headers, endHeaders, 0, block);
}
