import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import type { Duplex } from "node:stream";
import { hostPortOf } from "../std/host-port.ts";
import type { Clock } from "../std/clock.ts";
import { listening } from "./listen-error.ts";
import type { ServerIdentity } from "./server-identity.ts";
import { usableSocket } from "./usable-socket.ts";

/** Protocol that a client used and the port does not accept. */
type Mismatch = "cleartext" | "tls";

/** Protocols that the port accepts; the first byte of a connection shows TLS. */
export type Accepted =
  | { readonly kind: "cleartext" }
  | {
      readonly kind: "tls" | "both";
      readonly identity: Pick<ServerIdentity, "options" | "onReplaced">;
    };

interface ListenerDeps {
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** Milliseconds that a client has to say something, and then again for the handshake of TLS. */
  readonly helloTimeoutMs?: number;
  /** True if other threads of this process listen on the same port: the kernel spreads connections over them. */
  readonly sharesPort?: boolean;
  /**
   * True, which is the default, if the names in requests are corrected for Node.js's HTTP/2. Otherwise connections are
   * handed over unchanged, at their first byte.
   */
  readonly mendsNames?: boolean;
}

/** First byte of a TLS connection: a record of type handshake (RFC 8446, 5.1). HTTP/2 begins with `P`. */
const tlsFirstByte = 0x16;

const defaultHelloTimeoutMs = 10_000;

/** Milliseconds to see the first request of a client, which proxies send at once. */
const firstRequestMs = 20;

/** Milliseconds between two warnings of one kind: a gateway that is set up wrong connects again and again. */
const warnEveryMs = 60_000;

const advice: Readonly<Record<Mismatch, string>> = {
  cleartext:
    "this port takes TLS: let the gateway use TLS, or start with --allow-cleartext or --secure-serving=false",
  tls: "this port takes cleartext: let the gateway use HTTP/2 without TLS, or leave --secure-serving on",
};

/** A TCP port that takes HTTP/2 over TLS, in cleartext, or both, and hands on what it decrypts. */
export class PortListener {
  readonly #accepted: Accepted["kind"];
  readonly #deps: Required<ListenerDeps>;
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;
  /** Connections that have not been handed over yet. */
  readonly #pending = new Set<Socket>();
  readonly #warnedAtMs = new Map<Mismatch, number>();
  #accept = drop;

  constructor(accepted: Accepted, deps: ListenerDeps) {
    this.#accepted = accepted.kind;
    this.#deps = {
      helloTimeoutMs: defaultHelloTimeoutMs,
      sharesPort: false,
      mendsNames: true,
      ...deps,
    };
    this.#server = createServer((socket) => this.#await(socket));
    this.#tls = accepted.kind === "cleartext" ? undefined : this.#tlsServer(accepted.identity);
  }

  /** Hands every connection to `accept` from now on. Rejects with one readable line if it cannot listen. */
  listen(address: string, port: number, accept: (socket: Duplex) => void): Promise<number> {
    this.#accept = accept;
    const { sharesPort } = this.#deps;
    const hostPort = hostPortOf(address, port);
    return listening(this.#server, { address, port, hostPort, sharesPort });
  }

  /** Takes no more connections; those that were handed on are not touched. */
  close(): void {
    // One in the middle of its handshake ends with that.
    this.#accept = drop;
    this.#server.close();
    for (const socket of this.#pending) socket.destroy();
  }

  #tlsServer(identity: Pick<ServerIdentity, "options" | "onReplaced">): TlsServer {
    const server = createTlsServer({
      ...identity.options,
      ALPNProtocols: ["h2"],
      handshakeTimeout: this.#deps.helloTimeoutMs,
    });
    identity.onReplaced((options) => server.setSecureContext(options));
    server.on("secureConnection", (socket) => {
      // The new owner learns of its end by "close".
      socket.on("error", () => undefined);
      void this.#handOn(socket);
    });
    // Scanners and probes of TCP leave in the middle of a handshake all the time.
    server.on("tlsClientError", (_cause, socket) => void socket.destroy());
    return server;
  }

  /** Waits for the first byte, which tells TLS from cleartext. */
  #await(socket: Socket): void {
    this.#pending.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#pending.delete(socket));
    const leave = () => void socket.destroy();
    socket.setTimeout(this.#deps.helloTimeoutMs, leave);
    socket.once("data", (first: Buffer) => {
      socket.pause();
      socket.setTimeout(0, leave);
      socket.unshift(first);
      this.#route(socket, first[0] === tlsFirstByte ? "tls" : "cleartext");
    });
  }

  #route(socket: Socket, spoken: Mismatch): void {
    if (spoken === "tls" && this.#tls !== undefined) {
      // It has a time of its own for the handshake.
      this.#pending.delete(socket);
      this.#tls.emit("connection", socket);
    } else if (spoken === "cleartext" && this.#accepted !== "tls") {
      void this.#handOn(socket);
    } else {
      this.#warn(spoken, socket.remoteAddress);
      socket.destroy();
    }
  }

  async #handOn(socket: Socket): Promise<void> {
    if (!this.#deps.mendsNames) {
      this.#pending.delete(socket);
      return this.#accept(socket);
    }
    this.#pending.add(socket);
    socket.once("close", () => this.#pending.delete(socket));
    const usable = await usableSocket(socket, firstRequestMs);
    this.#pending.delete(socket);
    this.#accept(usable);
  }

  #warn(spoken: Mismatch, client: string | undefined): void {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs - (this.#warnedAtMs.get(spoken) ?? Number.NEGATIVE_INFINITY) < warnEveryMs) return;
    this.#warnedAtMs.set(spoken, nowMs);
    this.#deps.log.warn(
      { client, advice: advice[spoken] },
      spoken === "tls" ? "TLS connection refused" : "cleartext connection refused",
    );
  }
}

function drop(socket: Duplex): void {
  socket.destroy();
}
