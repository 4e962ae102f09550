import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { Refusal } from "../../../core/errors.ts";
import type { AnswerHead, Client, HeaderLine } from "./client.ts";
import { framingMistakeIn } from "./entry/head-mistakes.ts";
import { hasBody } from "./entry/upgrades.ts";
import { bufferOf } from "./sent-body.ts";
import { joinTunnel } from "./tunnel.ts";

/** `http://host/path`, which clients send to a proxy (RFC 9112, section 3.2.2). */
const absoluteForm = /^https?:\/\/([^/?#]*)/iu;

/** Bytes of a body that leaves as text in one write with its head; a longer one costs more to copy than a second write. */
const oneWriteBytesMax = 8_192;

export interface Http1Options {
  /** The client waits for `100 Continue` before it sends its body. */
  readonly waitsToContinue?: boolean;
  /** The protocol of an upgrade, and the first bytes that followed its head. */
  readonly upgrade?: { readonly protocol: string; readonly first: Buffer };
}

/** A request over HTTP/1.1. */
export class Http1Client implements Client {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: Http1Options;
  readonly path: string;
  readonly authority: string;
  readonly body: Readable | undefined;
  #isTunnel = false;
  #hasSent = false;

  constructor(request: IncomingMessage, response: ServerResponse, options: Http1Options = {}) {
    this.#request = request;
    this.#response = response;
    this.#options = options;
    const url = request.url ?? "";
    const { headers } = request;
    const absolute = url.startsWith("/") ? undefined : absoluteForm.exec(url);
    // The authority of an absolute form takes precedence over the header.
    this.authority = absolute?.[1] ?? headers.host ?? "";
    this.path = absolute == null ? url : rooted(url.slice(absolute[0].length));
    this.body = hasBody(headers) && options.upgrade === undefined ? request : undefined;
  }

  get method(): string {
    return this.#request.method ?? "";
  }

  get mistake(): Refusal | undefined {
    const message = framingMistakeIn(this.#request);
    return message === undefined ? undefined : { code: "malformed_request", message };
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders;
  }

  get address(): string {
    return this.#request.socket.remoteAddress ?? "";
  }

  get isEncrypted(): boolean {
    return "encrypted" in this.#request.socket;
  }

  get upgrade(): string | undefined {
    return this.#options.upgrade?.protocol;
  }

  get hasUnreadBody(): boolean {
    return this.body !== undefined && !this.#request.complete && !this.#request.destroyed;
  }

  get hasUnsentAnswer(): boolean {
    return !this.#isTunnel && !this.#response.destroyed && !this.#response.writableFinished;
  }

  get waitsForTurn(): boolean {
    return this.#response.socket === null;
  }

  onSent(sent: () => void): void {
    this.#onClose(sent);
  }

  drop(): void {
    this.#request.socket.destroy();
  }

  dropBody(): void {
    if (this.hasUnreadBody) this.#request.socket.destroy();
  }

  askForBody(): void {
    if (this.#options.waitsToContinue === true) this.#response.writeContinue();
  }

  onLeft(left: () => void): void {
    this.#onClose(() => {
      if (!this.#response.writableFinished && !this.#isTunnel) left();
    });
  }

  #onClose(closed: () => void): void {
    // Node.js reads on after a connection has closed, and tells nothing to requests that it finds then.
    if (this.#request.socket.destroyed) process.nextTick(closed);
    else this.#response.once("close", closed);
  }

  head({ httpStatus, reason, rawHeaders }: AnswerHead): void {
    if (reason === "") this.#response.writeHead(httpStatus, rawHeaders);
    else this.#response.writeHead(httpStatus, reason, rawHeaders);
  }

  flushHead(): void {
    this.#hasSent = true;
    this.#response.flushHeaders();
  }

  write(chunk: Uint8Array): boolean {
    this.#hasSent = true;
    return this.#response.write(chunk);
  }

  onDrain(drained: () => void): void {
    this.#response.once("drain", drained);
  }

  end(chunk: Uint8Array | undefined, trailers: readonly HeaderLine[] = []): void {
    const response = this.#response;
    // A list of pairs keeps repeated names.
    if (trailers.length > 0)
      response.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]));
    const isOneWrite = !this.#hasSent && chunk !== undefined && chunk.length <= oneWriteBytesMax;
    // Node.js joins a head only with text. Each byte is a character of this encoding.
    if (isOneWrite) response.end(bufferOf(chunk).toString("latin1"), "latin1");
    else response.end(chunk);
  }

  breakOff(last: Uint8Array | undefined): void {
    const response = this.#response;
    // Without the last chunk, or the rest of its length, an answer is not complete.
    if (last === undefined || response.destroyed) response.destroy();
    else response.write(last, () => void response.destroy());
  }

  tunnel({ httpStatus, reason, rawHeaders }: AnswerHead, engine: Duplex, idleMs: number): void {
    this.#isTunnel = true;
    const socket = this.#request.socket;
    socket.write(headText(httpStatus, reason, rawHeaders), "latin1");
    const first = this.#options.upgrade?.first;
    if (first !== undefined && first.length > 0) engine.write(first);
    joinTunnel(socket, engine, idleMs);
  }
}

function rooted(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function headText(httpStatus: number, reason: string, rawHeaders: readonly string[]): string {
  let text = `HTTP/1.1 ${httpStatus} ${reason}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    text += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
  }
  return `${text}\r\n`;
}
