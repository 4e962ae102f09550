import type { Server } from "node:http";
import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";

/** First bytes of a client of HTTP/2 (RFC 9113, section 3.4). No method of HTTP/1.1 begins like this. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n");

/**
 * Hands connections of `http1`, which listens, to `http2` if their first bytes are those of HTTP/2. HTTP/1.1 keeps its own
 * way from the socket to the parser, which no byte passes through JavaScript.
 */
export function bySpokenProtocol(http1: Server, http2: Http2Server, helloTimeoutMs: number): void {
  const http1Listeners = http1.listeners("connection");
  http1.removeAllListeners("connection");
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
      socket.setTimeout(0, leave);
      socket.pause();
      socket.unshift(first);
      if (isPreface) http2.emit("connection", socket);
      else {
        for (const listener of http1Listeners) Reflect.apply(listener, http1, [socket]);
        socket.resume();
      }
    };
    socket.on("error", ignore);
    socket.setTimeout(helloTimeoutMs, leave);
    socket.on("data", look);
  });
}

function ignore(): void {
  // The connection closes, which is told by "close".
}
