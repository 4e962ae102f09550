import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { selfSignedIdentity } from "../../src/listening/self-signed.ts";
import { events, metricsPage, otherBodies, plainBody } from "./answers.ts";
import { RequestReader } from "./request-reader.ts";

/**
 * Engines that answer at once, as a process: `engine.ts COUNT` prints their ports as one line of
 * JSON. They work on sockets, without an HTTP library, so that they cost little next to a gateway.
 * One request at a time for each connection, no pipelining. A connection may speak TLS, with a self-signed certificate.
 */
const enginesMax = 64;

const sseHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
);
const sseEnd = Buffer.from("0\r\n\r\n");
const ssePieces = events.map((event) =>
  Buffer.from(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`),
);
const plain = answerOf("200 OK", "application/json", plainBody);
const metrics = answerOf("200 OK", "text/plain; version=0.0.4", metricsPage);
const others = new Map(
  Object.entries(otherBodies).map(([path, body]) => [
    path,
    answerOf("200 OK", "application/json", body),
  ]),
);
const unknown = answerOf("404 Not Found", "application/json", "{}");

function answerOf(status: string, type: string, body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function serve(socket: Socket): void {
  const reader = new RequestReader();
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece: Buffer) => {
    if (!reader.push(piece)) return;
    answer(socket, reader);
    reader.reset();
  });
}

function answer(socket: Socket, { path, isStream }: RequestReader): void {
  if (path === "/metrics") socket.write(metrics);
  else if (!path.endsWith("completions")) socket.write(others.get(path) ?? unknown);
  else if (isStream) stream(socket);
  else socket.write(plain);
}

/** Each event is a write of its own, as engines do it, but without a pause between two. */
function stream(socket: Socket): void {
  socket.write(sseHead);
  for (const piece of ssePieces) socket.write(piece);
  socket.write(sseEnd);
}

const { certificate: cert, privateKey: key } = await selfSignedIdentity(Date.now());
const secureContext = createSecureContext({ cert, key });

/** The first byte of a handshake of TLS. */
const handshakeByte = 0x16;

function accept(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.once("data", (first: Buffer) => {
    socket.pause();
    socket.unshift(first);
    const isSecure = first[0] === handshakeByte;
    serve(isSecure ? new TLSSocket(socket, { isServer: true, secureContext }) : socket);
    if (!isSecure) socket.resume();
  });
}

async function listen(): Promise<number> {
  const server = createServer(accept).listen(0, "127.0.0.1");
  await once(server, "listening");
  // A TCP server that listens has an address and a port.
  return (server.address() as AddressInfo).port;
}

const count = Math.min(enginesMax, Math.max(1, Number(process.argv[2] ?? "1")));
const ports = await Promise.all(Array.from({ length: count }, listen));
process.stdout.write(`${JSON.stringify({ ports })}\n`);
process.on("SIGTERM", () => process.exit(0));
