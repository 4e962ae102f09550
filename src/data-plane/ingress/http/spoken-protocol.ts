import type { Server } from "node:http";
import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";
import { createServer } from "node:tls";
import type { ServerIdentity } from "../../../listening/server-identity.ts";

/** First bytes of a client of HTTP/2 (RFC 9113, section 3.4). No method of HTTP/1.1 begins like this. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n");

/** First byte of a TLS connection: a record of type handshake (RFC 8446, section 5.1). */
const tlsFirstByte = 0x16;

const needsTls =
  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port takes HTTPS.\n";

export interface SpokenOptions {
  /** Time for the first bytes of a client, and for the handshake of TLS. */
  readonly helloTimeoutMs: number;
  /** The certificate to present; undefined for a port without TLS. */
  readonly identity: ServerIdentity | undefined;
  /** Answers a client whose first request cannot be taken. */
  readonly refuse: (socket: Socket) => void;
}

const LF = 0x0a;

/**
 * Hands connections of `http1`, which listens, to `http2` if their first bytes are those of HTTP/2. HTTP/1.1 keeps its own
 * way from the socket to the parser, which no byte passes through JavaScript.
 */
export function bySpokenProtocol(
  http1: Server,
  http2: Http2Server,
  { helloTimeoutMs, identity, refuse }: SpokenOptions,
): void {
  const http1Listeners = http1.listeners("connection");
  http1.removeAllListeners("connection");
  const toHttp1 = (socket: Socket) => {
    for (const listener of http1Listeners) Reflect.apply(listener, http1, [socket]);
  };
  if (identity !== undefined) {
    http1.on("connection", overTls(identity, helloTimeoutMs, { http2, toHttp1 }));
    return;
  }
  http1.on("connection", (socket: Socket) => {
    const leave = () => void socket.destroy();
    let first: Buffer = Buffer.alloc(0);
    const look = (chunk: Buffer) => {
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk]);
      const length = Math.min(first.length, preface.length);
      const isPreface = first.subarray(0, length).equals(preface.subarray(0, length));
      if (isPreface && length < preface.length) return;
      socket.off("data", look);
      socket.off("error", ignore);
      socket.off("end", leave);
      socket.setTimeout(0);
      socket.off("timeout", leave);
      if (!isPreface && hasOddSpaces(first)) {
        socket.on("error", ignore);
        return refuse(socket);
      }
      socket.pause();
      socket.unshift(first);
      if (isPreface) toHttp2(http2, socket);
      else {
        toHttp1(socket);
        socket.resume();
      }
    };
    socket.on("error", ignore);
    // A client that closes before it says anything would keep its half until the time is over.
    socket.on("end", leave);
    socket.setTimeout(helloTimeoutMs, leave);
    socket.on("data", look);
  });
}

/**
 * True if the first line has two spaces in a row, which Node.js takes, and another reader may not (RFC 9112, section 3). Only the
 * first request of a connection passes here, and only without TLS.
 */
function hasOddSpaces(first: Buffer): boolean {
  const end = first.indexOf(LF);
  const at = first.indexOf("  ", 0, "latin1");
  return at !== -1 && (end === -1 || at < end);
}

interface Takers {
  readonly http2: Http2Server;
  readonly toHttp1: (socket: Socket) => void;
}

/** Takes connections of TLS, which name their protocol in the handshake; those without a name speak HTTP/1.1. */
function overTls(
  identity: ServerIdentity,
  helloTimeoutMs: number,
  { http2, toHttp1 }: Takers,
): (socket: Socket) => void {
  const { asksClients } = identity;
  const tls = createServer({
    ...identity.options,
    requestCert: asksClients,
    rejectUnauthorized: asksClients,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: helloTimeoutMs,
  });
  identity.onReplaced((options) => tls.setSecureContext(options));
  tls.on("secureConnection", (socket) => {
    socket.on("error", ignore);
    if (socket.alpnProtocol === "h2") toHttp2(http2, socket);
    else toHttp1(socket);
  });
  // Scanners leave in the middle of a handshake all the time.
  tls.on("tlsClientError", (_cause, socket) => void socket.destroy());
  return (socket) => {
    const leave = () => void socket.destroy();
    socket.on("error", ignore);
    socket.on("end", leave);
    socket.setTimeout(helloTimeoutMs, leave);
    socket.once("data", (first: Buffer) => {
      socket.off("end", leave);
      socket.setTimeout(0);
      socket.off("timeout", leave);
      if (first[0] !== tlsFirstByte) return void socket.end(needsTls, leave);
      socket.pause();
      socket.unshift(first);
      tls.emit("connection", socket);
    });
  };
}

/** A client that ends its side has left: sockets of `http1` may stay half open, and nothing else tells of it. */
function toHttp2(http2: Http2Server, socket: Socket): void {
  socket.once("end", () => socket.destroy());
  http2.emit("connection", socket);
}

function ignore(): void {
  // The connection closes, which is told by "close".
}
