import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { CancelTimer, Clock } from "../../../../std/clock.ts";
import type { ParsedHead } from "./answer-head.ts";
import { type AnswerEvents, AnswerReader } from "./answer-reader.ts";
import { type EngineAddress, hostOf, ipOf, portOf } from "./engine-address.ts";
import { buffersOf, type EngineRequest, headTextOf, lengthText } from "./engine-request.ts";
import type { EngineTls } from "./engine-tls.ts";
import { type BodyWriter, writeStreamed } from "./streamed-body.ts";

export interface Timeouts {
  readonly connectTimeoutMs: number;
  /** Limit for the head of an answer, and for the first bytes of a stream; 0 for none. */
  readonly headTimeoutMs: number;
  /** Limit between two pieces of an answer; 0 for none. */
  readonly idleTimeoutMs: number;
}

/** The reason that a connection brought no whole answer. */
export type ConnectionFailure = "unreachable" | "untrusted" | "broken" | "timeout" | "invalid";

/** The way to an engine. */
export interface EngineWay extends EngineAddress {
  /** Undefined for an address without TLS. */
  readonly secured?: EngineTls | undefined;
}

/** Receives the answer to the request of a connection. Any of it may close the connection. */
export interface AnswerHandler {
  /** Returns true if the first bytes after it have to come within the time for the head. */
  onHead(head: ParsedHead): boolean;
  /** Returns false if no more should come until `resume`. */
  onBytes(chunk: Buffer): boolean;
  onEnd(trailers: readonly string[]): void;
  onSwitched(head: ParsedHead, engine: Duplex): void;
  onFailed(failure: ConnectionFailure): void;
}

/** Milliseconds that an unused connection is kept if its engine does not say how long it keeps it. */
const unusedMsMax = 4_000;
/** Milliseconds of the engine's time that are left to the way there. */
const keptMarginMs = 1_000;
/** An engine may say that it keeps connections for hours. */
const keptMsMax = 30_000;

const probeAfterMs = 60_000;

/** One buffer for what any engine sends: it is read within the call that fills it, so no read needs memory of its own. */
const shared = Buffer.allocUnsafeSlow(65_536);

/** One connection to an engine, for one request at a time. */
export class EngineConnection implements AnswerEvents, BodyWriter {
  readonly #way: EngineWay;
  readonly #timeouts: Timeouts;
  readonly #clock: Pick<Clock, "nowMs" | "after">;
  readonly #reader = new AnswerReader(this);
  readonly #generation: number;
  #socket: Socket | undefined;
  #handler: AnswerHandler | undefined;
  #hasConnected = false;
  #isWriting = false;
  #isPaused = false;
  #isLast = false;
  isClosed = false;
  /** True if an earlier request was answered on it, so that the engine may be about to close it. */
  isReused = false;
  #keptMs: number | undefined;
  #unusedFromMs = 0;
  #headTimeoutMs = 0;
  #isAnswering = false;
  /** True if the time for the head goes on until bytes follow. */
  #isHeadHeld = false;
  /** Infinity if nothing is awaited. */
  #deadlineMs = Infinity;
  #timerMs = Infinity;
  #cancelTimer: CancelTimer | undefined;
  #onDrained: (() => void) | undefined;

  constructor(way: EngineWay, timeouts: Timeouts, clock: Pick<Clock, "nowMs" | "after">) {
    this.#way = way;
    this.#generation = way.secured?.generation ?? 0;
    this.#timeouts = timeouts;
    this.#clock = clock;
  }

  /** True if another request may be sent, at `nowMs`. */
  isUsable(nowMs: number): boolean {
    if (this.isClosed || this.#isLast || this.#isWriting) return false;
    const { secured } = this.#way;
    if (secured !== undefined && secured.generation !== this.#generation) return false;
    const keptMs = Math.min((this.#keptMs ?? unusedMsMax + keptMarginMs) - keptMarginMs, keptMsMax);
    return nowMs - this.#unusedFromMs < keptMs;
  }

  /** Throws if the request cannot be written. `waitedMs`: the part of the time for the head that is used up. */
  send(request: EngineRequest, handler: AnswerHandler, waitedMs: number): void {
    const { method, upgrade, body } = request;
    const head = headTextOf(request, hostOf(this.#way));
    this.#handler = handler;
    this.#isAnswering = false;
    this.#reader.begin({ isHead: method === "HEAD", isUpgrade: upgrade !== undefined });
    const { headTimeoutMs } = this.#timeouts;
    this.#headTimeoutMs = headTimeoutMs === 0 ? 0 : Math.max(1, headTimeoutMs - waitedMs);
    this.#socket ??= this.#connected(upgrade !== undefined);
    if (this.#hasConnected) this.#await(this.#headTimeoutMs);
    if (body === undefined || body instanceof Uint8Array) this.#sendWhole(head, request);
    else void this.#sendStreamed(head, request);
  }

  resume(): void {
    if (!this.#isPaused || this.isClosed) return;
    this.#isPaused = false;
    this.#await(this.#timeouts.idleTimeoutMs);
    this.#socket?.resume();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handler = undefined;
    this.#reader.stop();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#onDrained?.();
    this.#socket?.destroy();
  }

  head(head: ParsedHead): void {
    this.#isAnswering = true;
    this.#keptMs = head.keptMs;
    this.#isHeadHeld = this.#handler?.onHead(head) === true && this.#headTimeoutMs > 0;
  }

  bytes(chunk: Buffer): void {
    this.#isHeadHeld = false;
    if (this.#handler?.onBytes(chunk) === false) this.#isPaused = true;
  }

  end(trailers: readonly string[], isLast: boolean): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#deadlineMs = Infinity;
    this.#unusedFromMs = this.#clock.nowMs();
    this.isReused = true;
    this.#isLast = isLast;
    this.#isPaused = false;
    handler?.onEnd(trailers);
  }

  switched(head: ParsedHead, rest: Buffer): void {
    const socket = this.#socket;
    const handler = this.#handler;
    this.#handler = undefined;
    this.#cancelTimer?.();
    if (socket === undefined) return;
    socket.off("data", this.#onData);
    socket.off("end", this.#onEnd);
    socket.pause();
    if (rest.length > 0) socket.unshift(rest);
    handler?.onSwitched(head, socket);
  }

  invalid(): void {
    this.#fail("invalid");
  }

  write(bytes: string | Uint8Array): boolean {
    if (this.#socket === undefined || this.isClosed) return true;
    return typeof bytes === "string"
      ? this.#socket.write(bytes, "latin1")
      : this.#socket.write(bytes);
  }

  drained(): Promise<void> {
    if (this.#hasConnected && !this.#isAnswering) this.#await(this.#headTimeoutMs);
    return new Promise((resolve) => {
      const drained = () => {
        this.#onDrained = undefined;
        if (!this.#isAnswering) this.#deadlineMs = Infinity;
        resolve();
      };
      this.#onDrained = drained;
    });
  }

  #sendWhole(head: string, { method, body }: EngineRequest): void {
    const bytes = body instanceof Uint8Array ? body : none;
    const buffers = buffersOf(head + lengthText(method, bytes.length), bytes);
    if (buffers.length > 1) this.#socket?.cork();
    for (const buffer of buffers) this.#socket?.write(buffer);
    if (buffers.length > 1) this.#socket?.uncork();
  }

  /** The engine's time begins once it has the whole body, and runs while it takes none of it. */
  async #sendStreamed(head: string, request: EngineRequest): Promise<void> {
    this.#isWriting = true;
    if (this.#hasConnected) this.#deadlineMs = Infinity;
    try {
      await writeStreamed(this, head, request);
    } catch {
      this.#fail("broken");
    }
    this.#isWriting = false;
    if (this.#hasConnected && !this.#isAnswering) this.#await(this.#headTimeoutMs);
  }

  #connected(isUpgrade: boolean): Socket {
    const { hostPort, secured } = this.#way;
    const options = {
      host: ipOf(hostPort),
      port: portOf(hostPort),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: probeAfterMs,
    };
    const onread = { buffer: shared, callback: (end: number) => this.#read(shared, end) };
    // A tunnel needs a stream that it can read.
    const all = isUpgrade ? options : { ...options, onread };
    const socket = secured === undefined ? connect(all) : secured.connect(this.#way, all);
    if (isUpgrade) socket.on("data", this.#onData);
    socket.once(secured === undefined ? "connect" : "secureConnect", () => this.#begin());
    socket.on("drain", () => this.#onDrained?.());
    socket.on("end", this.#onEnd);
    socket.on("error", (error) => this.#fail(this.#failureOf(error)));
    socket.on("close", () => this.#fail(this.#hasConnected ? "broken" : "unreachable"));
    this.#await(this.#timeouts.connectTimeoutMs);
    return socket;
  }

  #failureOf(error: Error): ConnectionFailure {
    const { secured } = this.#way;
    const isUntrusted = secured?.failed(this.#way, error, this.#hasConnected) === true;
    if (isUntrusted && !this.#isAnswering) return "untrusted";
    return this.#hasConnected ? "broken" : "unreachable";
  }

  #begin(): void {
    this.#hasConnected = true;
    this.#deadlineMs = Infinity;
    if (!this.#isWriting || this.#onDrained !== undefined) this.#await(this.#headTimeoutMs);
  }

  /** Returns false to read no more until `resume`. */
  #read(bytes: Buffer, end: number): boolean {
    if (this.isClosed) return false;
    try {
      this.#reader.read(bytes, end);
    } catch {
      // A fault in the way of one answer must not end all others.
      this.#fail("broken");
    }
    if (this.#handler === undefined) {
      // Nothing may come on an unused connection.
      if (this.#isLast && !this.isClosed) this.close();
      return !this.isClosed;
    }
    if (this.#isPaused) this.#deadlineMs = Infinity;
    else if (this.#isAnswering && !this.#isHeadHeld) this.#await(this.#timeouts.idleTimeoutMs);
    return !this.#isPaused;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#read(chunk, chunk.length)) this.#socket?.pause();
  };

  readonly #onEnd = (): void => {
    // Node.js does not tell an end that the engine has signed (close_notify) from one that anyone could have made.
    const isProof = this.#way.secured === undefined;
    if (!this.#reader.finish(isProof)) this.#fail("broken");
    this.close();
  };

  #fail(failure: ConnectionFailure): void {
    const handler = this.#handler;
    this.close();
    handler?.onFailed(failure);
  }

  /** Awaits the engine for so long from now. The timer is not restarted each time: it looks again if it fires early. */
  #await(limitMs: number): void {
    if (this.isClosed) return;
    this.#deadlineMs = limitMs === 0 ? Infinity : this.#clock.nowMs() + limitMs;
    if (this.#deadlineMs < this.#timerMs) this.#startTimer(limitMs);
  }

  #startTimer(delayMs: number): void {
    this.#cancelTimer?.();
    this.#timerMs = this.#clock.nowMs() + delayMs;
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    this.#timerMs = Infinity;
    this.#cancelTimer = undefined;
    if (this.#deadlineMs === Infinity) return;
    const leftMs = this.#deadlineMs - this.#clock.nowMs();
    if (leftMs > 0) return this.#startTimer(leftMs);
    this.#fail(this.#hasConnected ? "timeout" : "unreachable");
  }
}

const none = new Uint8Array(0);
