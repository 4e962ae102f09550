import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { FrameMender } from "./frame-mender.ts";

/** A frame of settings that says nothing new (RFC 9113, section 6.5). */
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** Bytes of a client that are looked at before it has begun a request. */
const lookBytesMax = 65_536;

/** A connection whose client says what Node.js's HTTP/2 would not take. */
class MendedSocket extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket, mender: FrameMender) {
    super();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      for (const bytes of mender.push(chunk)) if (!this.push(bytes)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#socket.write(chunk)) done();
    else this.#socket.once("drain", done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(cause: Error | null, done: (cause: Error | null) => void): void {
    this.#socket.destroy();
    done(cause);
  }
}

/** Looks at what an HTTP/2 client says until it has begun its first request. */
class FirstLook {
  readonly #socket: Socket;
  readonly #resolve: (usable: Duplex) => void;
  readonly #mender = new FrameMender();
  readonly #said: Buffer[] = [];
  readonly #mended: Buffer[] = [];
  #bytes = 0;
  #hasGreeted = false;

  constructor(socket: Socket, waitMs: number, resolve: (usable: Duplex) => void) {
    this.#socket = socket;
    this.#resolve = resolve;
    socket.setTimeout(waitMs, this.#greet);
    socket.on("data", this.#look);
    socket.resume();
  }

  /** Some clients begin no request before they have heard the server. Its real settings follow later. */
  readonly #greet = (): void => {
    this.#socket.setTimeout(0, this.#greet);
    this.#hasGreeted = true;
    this.#mender.acknowledgementsToDrop = 1;
    this.#socket.write(emptySettings);
  };

  readonly #look = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    this.#said.push(chunk);
    this.#mended.push(...this.#mender.push(chunk));
    const { headers, mended, others, acknowledgementsToDrop } = this.#mender;
    // A ping, or bytes of something else, wants an answer now.
    if (mended > 0 || others > 0 || this.#bytes > lookBytesMax) this.#wrap();
    else if (headers > 0 && acknowledgementsToDrop > 0) this.#wrap();
    else if (headers > 0) this.#hand(this.#socket, [...this.#mended, this.#mender.held]);
  };

  #wrap(): void {
    const mender = new FrameMender(this.#hasGreeted ? 1 : 0);
    this.#hand(new MendedSocket(this.#socket, mender), this.#said);
  }

  #hand(usable: Duplex, said: readonly Buffer[]): void {
    const socket = this.#socket;
    socket.off("data", this.#look);
    socket.setTimeout(0, this.#greet);
    socket.pause();
    socket.unshift(Buffer.concat(said));
    this.#resolve(usable);
  }
}

/**
 * Resolves to what an HTTP/2 server can be given for `socket`, once its client has begun a request: most
 * times the socket itself, whose bytes then pass through no JavaScript. A client whose authority is to
 * be mended ([decision 0017](../../../../docs/decisions/0017-calls-under-any-name.md)) gets a wrapped one.
 *
 * @param waitMs until a client that is silent is greeted
 */
export function usableSocket(socket: Socket, waitMs: number): Promise<Duplex> {
  return new Promise((resolve) => void new FirstLook(socket, waitMs, resolve));
}
