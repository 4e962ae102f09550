import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex, Readable } from "node:stream";
import type { Refusal } from "../../../core/errors.ts";
import type { AnswerHead, Client, HeaderLine } from "./client.ts";

/** A request over HTTP/2. */
export class Http2Client implements Client {
  readonly #stream: ServerHttp2Stream;
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly rawHeaders: readonly string[];
  readonly body: Readable | undefined;
  readonly upgrade = undefined;
  #isOver = false;

  readonly mistake: Refusal | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, headBytesMax: number) {
    this.#stream = stream;
    this.method = headers[":method"] ?? "";
    this.path = headers[":path"] ?? "";
    this.authority = headers[":authority"] ?? headers.host ?? "";
    this.rawHeaders = linesOf(headers);
    this.mistake = sizeMistakeIn(this, headBytesMax);
    this.body = stream.endAfterHeaders ? undefined : stream;
    // Its end is told by "close".
    stream.on("error", ignore);
    // Node.js keeps streams in a `Map`, which keeps them longer than it needs to: they let go of the request.
    stream.once("close", () => stream.removeAllListeners().on("error", ignore));
  }

  get address(): string {
    return this.#stream.session?.socket.remoteAddress ?? "";
  }

  get isEncrypted(): boolean {
    return this.#stream.session?.encrypted === true;
  }

  get hasUnreadBody(): boolean {
    return this.body !== undefined && !this.#stream.readableEnded && !this.#stream.destroyed;
  }

  get hasUnsentAnswer(): boolean {
    return !this.#stream.destroyed && !this.#stream.writableFinished;
  }

  get waitsForTurn(): boolean {
    return false;
  }

  onSent(sent: () => void): void {
    this.#stream.once("close", sent);
  }

  drop(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  dropBody(): void {
    if (this.hasUnreadBody) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  askForBody(): void {
    // HTTP/2 of Node.js has told the client already.
  }

  onLeft(left: () => void): void {
    this.#stream.once("close", () => {
      if (!this.#isOver) left();
    });
  }

  head({ httpStatus, rawHeaders }: AnswerHead): void {
    if (this.#stream.destroyed) return;
    const headers: OutgoingHttpHeaders = { ":status": httpStatus };
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = (rawHeaders[index] ?? "").toLowerCase();
      const value = rawHeaders[index + 1] ?? "";
      const before = headers[name];
      if (before === undefined) headers[name] = value;
      else headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
    }
    const isHead = this.method === "HEAD";
    if (isHead) this.#isOver = true;
    this.#stream.respond(headers, { endStream: isHead, waitForTrailers: !isHead });
  }

  flushHead(): void {
    // `respond` has sent it.
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.destroyed || this.#stream.writableEnded || this.#stream.write(chunk);
  }

  onDrain(drained: () => void): void {
    this.#stream.once("drain", drained);
  }

  end(chunk: Uint8Array | undefined, trailers: readonly HeaderLine[] = []): void {
    this.#isOver = true;
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded) return;
    // Without trailers, this ends the stream all the same.
    stream.once("wantTrailers", () => stream.sendTrailers(Object.fromEntries(trailers)));
    stream.end(chunk);
  }

  breakOff(last: Uint8Array | undefined): void {
    this.#isOver = true;
    const stream = this.#stream;
    const reset = () => stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    if (last === undefined || stream.destroyed) reset();
    else stream.write(last, reset);
  }

  tunnel(_: AnswerHead, engine: Duplex): void {
    // A client of HTTP/2 cannot ask for an upgrade.
    engine.destroy();
  }
}

function ignore(): void {
  // See above.
}

function linesOf(headers: IncomingHttpHeaders): readonly string[] {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) lines.push(name, each);
  }
  return lines;
}

/** Node.js announces a limit to clients, and takes more all the same. */
function sizeMistakeIn({ path, rawHeaders }: Http2Client, bytesMax: number): Refusal | undefined {
  let bytes = path.length;
  for (const text of rawHeaders) bytes += text.length;
  if (bytes <= bytesMax) return undefined;
  return {
    code: "malformed_request",
    message: `the head of the request is larger than ${bytesMax} bytes`,
  };
}
