import type { Duplex } from "node:stream";
import type { Clock } from "../../../std/clock.ts";
import type { EventLoopTurn } from "../../../std/event-loop-turn.ts";
import { FrameReader } from "./frame-reader.ts";
import { ConnectionError } from "./frame-types.ts";
import { Output, type Slabs } from "./output.ts";
import { ServerSession, type ServeStream } from "./server-session.ts";

/** Bytes that the socket has not taken. Beyond it, nothing is read from a client that does not read. */
const unsentBytesMax = 1024 * 1024;

/** Milliseconds that a client has to send the preface of HTTP/2, and then to read our last words. */
const prefaceMs = 10_000;
const lastWordsMs = 1_000;

export interface ConnectionOptions {
  readonly serve: ServeStream;
  readonly slabs: Slabs;
  /** Shared by the connections of a port. */
  readonly turn: EventLoopTurn;
  readonly clock: Clock;
  readonly onClosed: (connection: ServerConnection) => void;
}

/** Connects a socket with the state of its HTTP/2 connection. What a turn of the event loop writes leaves at once. */
export class ServerConnection {
  readonly #socket: Duplex;
  readonly #options: ConnectionOptions;
  readonly #output: Output;
  readonly #session: ServerSession;
  readonly #reader: FrameReader;
  #isInTurn = false;
  #isFlushPlanned = false;
  #isHeld = false;
  #cancelTimer: () => void;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#output = new Output(socket, options.slabs);
    this.#session = new ServerSession({
      output: this.#output,
      clock: options.clock,
      serve: options.serve,
      wantFlush: this.#wantFlush,
      onFinished: () => this.#end(),
    });
    this.#reader = new FrameReader(this.#session);
    this.#cancelTimer = options.clock.after(prefaceMs, () => this.destroy());
    socket.on("error", () => undefined);
    socket.on("close", () => this.#closed());
    socket.on("end", () => this.#end());
    socket.on("drain", this.#resume);
    socket.on("data", this.#read);
    // The listener has paused it.
    socket.resume();
  }

  /** Asks the client for no new streams. The connection ends with its last stream. */
  goAway(): void {
    this.#session.goAway();
  }

  /** Ends the connection and all its streams at once. */
  destroy(): void {
    this.#session.end();
    this.#socket.destroy();
  }

  readonly #read = (chunk: Buffer): void => {
    // After our last words, the rest is dropped, so that the client gets to read them.
    if (this.#session.isOver) return;
    const hadPreface = this.#reader.hasPreface;
    this.#options.turn.begin();
    this.#isInTurn = true;
    try {
      this.#reader.push(chunk);
    } catch (cause) {
      if (!(cause instanceof ConnectionError)) throw cause;
      this.#session.end(cause);
      this.#end();
    } finally {
      this.#isInTurn = false;
    }
    if (!hadPreface && this.#reader.hasPreface) this.#cancelTimer();
    this.#flush();
    if (this.#options.turn.isOver) this.#hold();
  };

  /** Lets other work have its turn before more is read. */
  #hold(): void {
    this.#isHeld = true;
    this.#socket.pause();
    this.#options.turn.afterwards(() => {
      this.#isHeld = false;
      this.#resume();
    });
  }

  /** Reads on, unless the client does not read, or other work has its turn. */
  readonly #resume = (): void => {
    if (this.#isHeld || this.#socket.writableLength > unsentBytesMax) return;
    this.#socket.resume();
  };

  readonly #wantFlush = (): void => {
    if (this.#isInTurn || this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(this.#flush);
  };

  readonly #flush = (): void => {
    this.#isFlushPlanned = false;
    this.#output.flush();
    if (this.#socket.writableLength > unsentBytesMax) this.#socket.pause();
  };

  #end(): void {
    this.#session.end();
    this.#output.flush();
    this.#socket.end();
    this.#socket.resume();
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(lastWordsMs, () => void this.#socket.destroy());
  }

  #closed(): void {
    this.#session.end();
    this.#cancelTimer();
    this.#options.onClosed(this);
  }
}
