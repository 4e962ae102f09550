import type { Duplex } from "node:stream";
import type { Clock } from "../../../../std/clock.ts";

interface Answer {
  readonly status: string;
  readonly message: string;
}

/** By the code of the error of Node.js. */
const answers: Readonly<Record<string, Answer>> = {
  HPE_HEADER_OVERFLOW: {
    status: "431 Request Header Fields Too Large",
    message: "the head of the request is too large",
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: "413 Payload Too Large",
    message: "the chunk extensions of the request are too large",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: "408 Request Timeout",
    message: "the head of the request did not arrive in time",
  },
};

const malformed: Answer = { status: "400 Bad Request", message: "the request is not valid HTTP" };

/** Milliseconds for which further bytes are dropped, because a reset would take the answer from the client. */
const lingerMs = 1_000;

const refused = new WeakSet<Duplex>();

/**
 * Answers a request whose head could not be read, and closes its connection. Its path is unknown, so the answer has the
 * shape of OpenAI's API.
 */
export function refuseHead(cause: Error, socket: Duplex, clock: Pick<Clock, "after">): void {
  // Every further piece is an error too.
  if (refused.has(socket)) return;
  const code = "code" in cause ? String(cause.code) : "";
  // After a part of an answer, another one would be read as its rest.
  const hasAnswered = hasSentHead(Reflect.get(socket, "_httpMessage"));
  if (!socket.writable || code === "ECONNRESET" || hasAnswered) return void socket.destroy();
  const { status, message } = answers[code] ?? malformed;
  const error = { message, type: "invalid_request_error", code: "malformed_request" };
  const body = JSON.stringify({ error });
  const head = [
    `HTTP/1.1 ${status}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  refused.add(socket);
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  closeLater(socket, clock);
}

/** Ends a connection after its last answer, and closes it even if the client does not. */
export function endAfterAnswer(socket: Duplex, clock: Pick<Clock, "after">): void {
  socket.end();
  socket.resume();
  closeLater(socket, clock);
}

function closeLater(socket: Duplex, clock: Pick<Clock, "after">): void {
  const cancel = clock.after(lingerMs, () => void socket.destroy());
  socket.once("close", cancel);
}

function hasSentHead(response: unknown): boolean {
  return (
    typeof response === "object" &&
    response !== null &&
    "headersSent" in response &&
    response.headersSent === true
  );
}
