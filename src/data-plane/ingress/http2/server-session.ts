import type { Clock } from "../../../std/clock.ts";
import { NumberedList } from "../../../std/numbered-list.ts";
import { UnorderedList } from "../../../std/unordered-list.ts";
import { ArrivalDelay } from "./arrival-delay.ts";
import type { FrameHead, FrameSink, PayloadUse } from "./frame-reader.ts";
import {
  streamsMax,
  writeGoAway,
  writePing,
  writePingAck,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeTooLarge,
  writeWindowUpdate,
} from "./control-frames.ts";
import { payloadUseOf, protocolError } from "./frame-rules.ts";
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameFlag,
  frameType,
  windowBytesMax,
} from "./frame-types.ts";
import { HeaderBlocks } from "./header-blocks.ts";
import { NoiseBudget } from "./noise-budget.ts";
import type { Output } from "./output.ts";
import { PeerSettings } from "./peer-settings.ts";
import { headerListBytesMax, type RequestHead } from "./request-head.ts";
import { ServerStream, type StreamHost, type StreamReceiver } from "./server-stream.ts";

/** Flow-control window of a connection, for all its streams. */
const connectionWindowBytes = 16 * 1024 * 1024;

/** Received bytes that are worth a frame to let the client send as many more. */
const creditBytesMin = connectionWindowBytes / 2;

const pingBytes = 8;

/** Streams that are open on a connection whose delay is measured; fewer cannot be a backlog. */
const measuredStreamsMin = 256;

/** First byte of a block of headers that makes the table empty (RFC 7541, section 6.3). */
const emptyTable = Buffer.from([0x20]);
const nothing = Buffer.alloc(0);

/** The answer to this ping tells that the client knows that we are going away. Any bytes do. */
const goingAway = Buffer.from("go away!");

/** Serves one request; the receiver gets what its client sends. */
export type ServeStream = (stream: ServerStream, head: RequestHead) => StreamReceiver;

export interface SessionOptions {
  readonly output: Output;
  readonly clock: Pick<Clock, "nowMs">;
  readonly serve: ServeStream;
  /** Flushes the output soon. */
  readonly wantFlush: () => void;
  /** Called when the last stream has closed after `goAway`, and the client knows of it. */
  readonly onFinished: () => void;
}

/** State of one HTTP/2 connection and its streams, on the server's side (RFC 9113). It knows no socket. */
export class ServerSession implements FrameSink, StreamHost {
  readonly output: Output;
  readonly wantFlush: () => void;
  sendWindowBytes: number = defaultWindowBytes;
  readonly #options: SessionOptions;
  readonly #noise: NoiseBudget;
  readonly #blocks = new HeaderBlocks();
  readonly #peer = new PeerSettings();
  readonly #delay = new ArrivalDelay();
  readonly #streams = new NumberedList<ServerStream>();
  /** Streams with something to send that the windows do not allow. */
  readonly #waiting = new UnorderedList<ServerStream>();
  #isOver = false;
  #hasPeerSettings = false;
  #lastStreamId = 0;
  /** The last stream that is served after we have said that we go away. */
  #lastServedId = windowBytesMax;
  #isGoingAway = false;
  #receiveWindowBytes = connectionWindowBytes;
  /** Received bytes that the client may not send again yet. */
  #owedBytes = 0;
  #owesTableUpdate = false;
  /** The frame that is read, and its stream if that takes data. */
  #frame: FrameHead = { payloadBytes: 0, type: 0, flags: 0, streamId: 0 };
  #reading: ServerStream | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.output = options.output;
    this.wantFlush = options.wantFlush;
    this.#noise = new NoiseBudget(options.clock);
    writeSettings(this.output);
    writeWindowUpdate(this.output, 0, connectionWindowBytes - defaultWindowBytes);
    this.wantFlush();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get frameBytesMax(): number {
    return this.#peer.frameBytesMax;
  }

  get arrivalDelayMs(): number {
    return this.#delay.delayMs(this.#options.clock.nowMs());
  }

  /** Asks the client for no new streams. Those that it begins before it reads this are served. */
  goAway(): void {
    if (this.#isGoingAway || this.#isOver) return;
    this.#isGoingAway = true;
    writeGoAway(this.output, windowBytesMax, errorCode.noError);
    writePing(this.output, goingAway);
    this.wantFlush();
  }

  /** Closes all streams; tells the client of its mistake if it made one. */
  end(mistake?: ConnectionError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (mistake !== undefined) writeGoAway(this.output, this.#lastStreamId, mistake.code);
    this.#waiting.takeAll();
    for (const stream of this.#streams.all()) stream.close("connection");
  }

  // Frames of the client.

  begin(head: FrameHead): PayloadUse {
    this.#frame = head;
    if (!this.#hasPeerSettings) this.#checkFirst(head);
    this.#blocks.check(head);
    const use = payloadUseOf(head);
    if (head.type === frameType.data) this.#beginData(head);
    else if (use === "skipped") this.#noise.noise();
    return use;
  }

  piece(bytes: Buffer, start: number, end: number): void {
    this.#reading?.receive(bytes, start, end);
  }

  ended(): void {
    const stream = this.#reading;
    this.#reading = undefined;
    if ((this.#frame.flags & frameFlag.endStream) !== 0) stream?.end();
  }

  whole(bytes: Buffer, start: number, end: number): void {
    const { type, flags, streamId } = this.#frame;
    switch (type) {
      case frameType.data:
        return this.#paddedData(bytes, start, end);
      case frameType.headers:
        if (this.#blocks.begin(this.#frame, bytes, { start, end })) this.#headers(streamId);
        return;
      case frameType.continuation:
        if (this.#blocks.continue(this.#frame, bytes, { start, end })) this.#headers(streamId);
        return;
      case frameType.reset:
        return this.#reset(streamId);
      case frameType.settings:
        return this.#settings(bytes, start, end);
      case frameType.ping:
        return this.#ping(bytes, start, (flags & frameFlag.acknowledged) !== 0);
      case frameType.windowUpdate:
        return this.#windowUpdate(streamId, bytes.readUInt32BE(start) & windowBytesMax);
      default:
    }
  }

  #checkFirst({ type, flags }: FrameHead): void {
    if (type !== frameType.settings || (flags & frameFlag.acknowledged) !== 0) {
      throw protocolError("no settings first");
    }
    this.#hasPeerSettings = true;
  }

  #beginData({ streamId, payloadBytes, flags }: FrameHead): void {
    this.#consume(payloadBytes);
    const stream = this.#streams.get(streamId);
    const isEmpty = payloadBytes === 0 && (flags & frameFlag.endStream) === 0;
    if (stream === undefined) this.#checkGone(streamId);
    else if (isEmpty) this.#noise.noise();
    else this.#noise.earn();
    this.#reading = stream?.admit(payloadBytes) === true ? stream : undefined;
  }

  #paddedData(bytes: Buffer, start: number, end: number): void {
    const paddingBytes = (bytes[start] ?? 0) + 1;
    const dataEnd = end - paddingBytes + 1;
    if (paddingBytes > end - start) throw protocolError("more padding than payload");
    this.#reading?.consume(paddingBytes);
    if (dataEnd > start + 1) this.#reading?.receive(bytes, start + 1, dataEnd);
    this.ended();
  }

  /** Lets the client send again what has arrived. Streams that are not read hold only their own windows. */
  #consume(bytes: number): void {
    this.#receiveWindowBytes -= bytes;
    if (this.#receiveWindowBytes < 0) {
      throw new ConnectionError(errorCode.flowControl, "more data than the window allows");
    }
    this.#owedBytes += bytes;
    if (this.#owedBytes < creditBytesMin) return;
    writeWindowUpdate(this.output, 0, this.#owedBytes);
    this.wantFlush();
    this.#receiveWindowBytes += this.#owedBytes;
    this.#owedBytes = 0;
  }

  /** Frames of streams that have closed cross our own last frame, and are ignored; other streams never were. */
  #checkGone(streamId: number): void {
    if (streamId > this.#lastStreamId || streamId % 2 === 0) {
      throw protocolError("a frame of a stream that was never opened");
    }
    this.#noise.noise();
  }

  /** A block of headers was read. */
  #headers(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#trailers(stream);
    if (streamId % 2 === 0) throw protocolError("a stream with an even number");
    if (streamId <= this.#lastStreamId) return this.#noise.noise();
    this.#lastStreamId = streamId;
    // The client takes such a stream elsewhere, as it knows that it was not served.
    if (streamId > this.#lastServedId) return this.#refuse(streamId, errorCode.refusedStream);
    if (this.#streams.size >= streamsMax) return this.#refuse(streamId, errorCode.refusedStream);
    const { head } = this.#blocks;
    if (head.listBytes > headerListBytesMax) return this.#refuseTooLarge(streamId);
    const request = head.head();
    if (request === undefined) return this.#refuse(streamId, errorCode.protocol);
    this.#open(streamId, request);
  }

  #open(id: number, request: RequestHead): void {
    const { bodyBytes } = request;
    const sendWindowBytes = this.#peer.initialWindowBytes;
    const stream = new ServerStream(this, { id, sendWindowBytes, bodyBytes });
    this.#streams.add(stream);
    if (this.#streams.size >= measuredStreamsMin) this.#measureDelay();
    stream.attach(this.#options.serve(stream, request));
    if (this.#blocks.endsStream) stream.end();
  }

  #measureDelay(): void {
    const ping = this.#delay.due(this.#options.clock.nowMs());
    if (ping === undefined) return;
    writePing(this.output, ping);
    this.wantFlush();
  }

  #trailers(stream: ServerStream): void {
    if (stream.hasEnded) stream.reset(errorCode.streamClosed);
    else if (this.#blocks.endsStream && this.#blocks.head.areTrailers) stream.end();
    else stream.reset(errorCode.protocol);
  }

  #refuse(streamId: number, code: number): void {
    this.#noise.noise();
    writeReset(this.output, streamId, code);
    this.wantFlush();
  }

  #refuseTooLarge(streamId: number): void {
    writeTooLarge(this.output, streamId, this.takeTableUpdate());
    this.#refuse(streamId, errorCode.noError);
  }

  #reset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#checkGone(streamId);
    if (stream.hasData) this.#noise.reset();
    else this.#noise.noise();
    stream.close("reset");
  }

  #settings(bytes: Buffer, start: number, end: number): void {
    this.#noise.noise();
    if ((this.#frame.flags & frameFlag.acknowledged) !== 0) {
      if (end === start) return;
      throw new ConnectionError(errorCode.frameSize, "settings that acknowledge others");
    }
    const { initialWindowBytes, tableBytes } = this.#peer;
    this.#peer.apply(bytes, start, end);
    // We keep no table, and have to say so if the client makes its own smaller (RFC 7541, section 4.2).
    if (this.#peer.tableBytes < tableBytes) this.#owesTableUpdate = true;
    writeSettingsAck(this.output);
    this.wantFlush();
    this.#widenAll(this.#peer.initialWindowBytes - initialWindowBytes);
  }

  #widenAll(bytes: number): void {
    if (bytes === 0) return;
    for (const stream of this.#streams.all()) {
      if (!stream.widen(bytes)) throw tooWide();
    }
    this.#pumpAll();
  }

  #ping(bytes: Buffer, start: number, isAnswer: boolean): void {
    this.#noise.noise();
    if (!isAnswer) {
      writePingAck(this.output, bytes, start);
      this.wantFlush();
    } else if (this.#isGoingAway && goingAway.compare(bytes, start, start + pingBytes) === 0) {
      this.#lastServedId = this.#lastStreamId;
      writeGoAway(this.output, this.#lastServedId, errorCode.noError);
      this.wantFlush();
      this.#finish();
    } else this.#delay.answered(bytes, start, this.#options.clock.nowMs());
  }

  #windowUpdate(streamId: number, bytes: number): void {
    const stream = this.#streams.get(streamId);
    if (streamId === 0) {
      if (bytes === 0) throw protocolError("a window update of no bytes");
      this.sendWindowBytes += bytes;
      if (this.sendWindowBytes > windowBytesMax) throw tooWide();
      this.#pumpAll();
    } else if (stream === undefined) this.#checkGone(streamId);
    else if (bytes === 0) stream.reset(errorCode.protocol);
    else if (stream.widen(bytes)) stream.pump();
    else stream.reset(errorCode.flowControl);
  }

  // What streams need.

  await(stream: ServerStream): void {
    this.#waiting.add(stream);
  }

  forget(stream: ServerStream): void {
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
    this.#finish();
  }

  takeTableUpdate(): Uint8Array {
    if (!this.#owesTableUpdate) return nothing;
    this.#owesTableUpdate = false;
    return emptyTable;
  }

  #pumpAll(): void {
    for (const stream of this.#waiting.takeAll()) stream.pump();
  }

  #finish(): void {
    const isFinished = this.#streams.size === 0 && this.#lastServedId < windowBytesMax;
    if (isFinished && !this.#isOver) this.#options.onFinished();
  }
}

function tooWide(): ConnectionError {
  return new ConnectionError(errorCode.flowControl, "a window that is too large");
}
