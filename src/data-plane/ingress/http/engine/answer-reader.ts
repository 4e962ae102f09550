import { headIn, linesIn, type ParsedHead } from "./answer-head.ts";
import { HeldText } from "./held-text.ts";

/** Receives what the bytes of an answer say. Any of it may stop the reader. */
export interface AnswerEvents {
  head(head: ParsedHead): void;
  /** A copy, which may be kept. */
  bytes(chunk: Buffer): void;
  /** `isLast`: true if the connection cannot be used again. */
  end(trailers: readonly string[], isLast: boolean): void;
  /** The engine has changed to the protocol that the request asks for; `rest` are its first bytes. */
  switched(head: ParsedHead, rest: Buffer): void;
  /** The bytes are not an answer. */
  invalid(): void;
}

/** The request whose answer is read. */
export interface Asked {
  /** The answer ends with its head. */
  readonly isHead: boolean;
  /** The engine may change the protocol. */
  readonly isUpgrade: boolean;
}

/** Bytes of a head, and those of the trailers. */
const headBytesMax = 128 * 1_024;

/** Bytes of the line before a chunk. */
const chunkLineBytesMax = 4_096;

/** Hexadecimal digits of a size that a number holds exactly. */
const sizeDigitsMax = 13;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;

/** A step of reading; small integers compare faster than words. */
const Step = {
  /** No answer is awaited. */
  idle: 0,
  head: 1,
  /** A body, or a chunk, of a known length. */
  sized: 2,
  toEnd: 3,
  chunkLine: 4,
  afterChunk: 5,
  trailers: 6,
  /** The bytes are not an answer. */
  invalid: 7,
  stopped: 8,
} as const;
type Step = (typeof Step)[keyof typeof Step];

/**
 * Reads answers of HTTP/1.1 from bytes that are cut anywhere. It is as strict as llhttp, which Node.js and undici use, and
 * refuses codings that it does not undo. The bodies of chunks that came together leave as one piece, so that an event
 * costs no write of its own.
 */
export class AnswerReader {
  readonly #events: AnswerEvents;
  readonly #held = new HeldText();
  #step: Step = Step.idle;
  #asked: Asked = { isHead: false, isUpgrade: false };
  #isChunked = false;
  #keepsAlive = false;
  /** Bytes that are missing of the body or the chunk. */
  #missing = 0;
  /** Place of the body's bytes in the bytes that are being read. */
  #runStart = 0;
  #runEnd = 0;

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  /** Awaits the answer to a request. */
  begin(asked: Asked): void {
    this.#asked = asked;
    this.#step = Step.head;
  }

  /** Reads nothing more. */
  stop(): void {
    this.#step = Step.stopped;
    this.#held.clear();
  }

  /** Reads the first `end` bytes, which it may overwrite; they are not used after the call. */
  read(bytes: Buffer, end: number): void {
    this.#runStart = 0;
    this.#runEnd = 0;
    let at = 0;
    while (at < end && this.#step < Step.invalid) at = this.#readStep(bytes, at, end);
    // First, so that a body is told as far as it can be read.
    this.#passRun(bytes);
    if (this.#step === Step.invalid) {
      this.stop();
      this.#events.invalid();
    }
  }

  /**
   * The connection has ended in order. Returns false if the answer is not complete. `isProof`: an answer without a length
   * ends with its connection.
   */
  finish(isProof: boolean): boolean {
    if (this.#step !== Step.toEnd) return this.#step === Step.idle || this.#step === Step.stopped;
    if (!isProof) return false;
    this.#step = Step.idle;
    this.#events.end([], true);
    return true;
  }

  /** Returns the place of the first byte that it has not read. */
  #readStep(bytes: Buffer, at: number, end: number): number {
    switch (this.#step) {
      case Step.head:
        return this.#readHead(bytes, at, end);
      case Step.sized:
        return this.#readSized(bytes, at, end);
      case Step.toEnd:
        this.#addToRun(bytes, at, end);
        return end;
      case Step.chunkLine:
        return this.#readChunkLine(bytes, at, end);
      case Step.afterChunk:
        return this.#readAfterChunk(bytes, at);
      case Step.trailers:
        return this.#readTrailers(bytes, at, end);
      case Step.idle:
      case Step.invalid:
      case Step.stopped:
        // Bytes that no request has asked for.
        return this.#refused(end);
    }
  }

  #readHead(bytes: Buffer, at: number, end: number): number {
    if (this.#held.length === 0) {
      const found = bytes.indexOf("\r\n\r\n", at, "latin1");
      // The buffer may have older bytes behind its end.
      if (found !== -1 && found + 4 <= end && found - at <= headBytesMax) {
        return this.#headRead(bytes.toString("latin1", at, found), bytes, { next: found + 4, end });
      }
    }
    const before = this.#held.length;
    this.#held.add(bytes, at, end);
    const found = this.#held.indexOf("\r\n\r\n", before - 3);
    if (found > headBytesMax || (found === -1 && !this.#mayBecomeHead(before))) {
      return this.#refused(end);
    }
    if (found === -1) return end;
    const text = this.#held.text(found);
    this.#held.clear();
    return this.#headRead(text, bytes, { next: at + found + 4 - before, end });
  }

  /** Bytes that will never be a head are refused without waiting for its end. */
  #mayBecomeHead(before: number): boolean {
    const held = this.#held;
    if (held.length > headBytesMax) return false;
    const start = held.text(Math.min(held.length, httpName.length));
    if (!httpName.startsWith(start)) return false;
    for (let at = held.indexOf("\n", before); at !== -1; at = held.indexOf("\n", at + 1)) {
      if (held.indexOf("\r", at - 1) !== at - 1) return false;
    }
    return true;
  }

  #headRead(text: string, bytes: Buffer, { next, end }: { next: number; end: number }): number {
    const head = headIn(text);
    const { httpStatus = 0 } = head ?? {};
    if (head === undefined || (httpStatus === 101 && !this.#asked.isUpgrade)) {
      return this.#refused(end);
    }
    if (httpStatus === 101) {
      this.stop();
      this.#events.switched(head, Buffer.from(bytes.subarray(next, end)));
      return end;
    }
    // An interim answer comes before the answer itself.
    if (httpStatus < 200) return next;
    const hasBody = !this.#asked.isHead && httpStatus !== 204 && httpStatus !== 304;
    this.#isChunked = head.isChunked;
    this.#keepsAlive = head.keepsAlive;
    this.#missing = head.bodyBytes ?? 0;
    if (!hasBody || head.bodyBytes === 0) this.#step = Step.idle;
    else if (head.isChunked) this.#step = Step.chunkLine;
    else this.#step = head.bodyBytes === undefined ? Step.toEnd : Step.sized;
    const isOver = this.#step === Step.idle;
    this.#events.head(head);
    if (isOver) this.#complete([], next < end);
    return next;
  }

  #readSized(bytes: Buffer, at: number, end: number): number {
    const next = Math.min(end, at + this.#missing);
    this.#missing -= next - at;
    this.#addToRun(bytes, at, next);
    if (this.#missing > 0) return next;
    if (this.#isChunked) {
      this.#step = Step.afterChunk;
      return next;
    }
    this.#step = Step.idle;
    this.#passRun(bytes);
    this.#complete([], next < end);
    return next;
  }

  #readChunkLine(bytes: Buffer, at: number, end: number): number {
    const lf = bytes.indexOf(LF, at);
    const isWhole = lf !== -1 && lf < end;
    const next = isWhole ? lf + 1 : end;
    this.#held.add(bytes, at, next);
    const { length } = this.#held;
    if (length > chunkLineBytesMax) return this.#refused(end);
    if (!isWhole) return end;
    const size = sizeIn(this.#held.text(length));
    this.#held.clear();
    if (size === undefined) return this.#refused(end);
    this.#missing = size;
    this.#step = size === 0 ? Step.trailers : Step.sized;
    return next;
  }

  #readAfterChunk(bytes: Buffer, at: number): number {
    const isSecond = this.#held.length === 1;
    if (bytes[at] !== (isSecond ? LF : CR)) return this.#refused(at + 1);
    if (isSecond) {
      this.#held.clear();
      this.#step = Step.chunkLine;
    } else this.#held.add(bytes, at, at + 1);
    return at + 1;
  }

  #readTrailers(bytes: Buffer, at: number, end: number): number {
    const before = this.#held.length;
    this.#held.add(bytes, at, end);
    const isEmpty = this.#held.length >= 2 && this.#held.text(2) === "\r\n";
    const found = isEmpty ? 0 : this.#held.indexOf("\r\n\r\n", before - 3);
    if (found > headBytesMax || (found === -1 && this.#held.length > headBytesMax)) {
      return this.#refused(end);
    }
    if (found === -1) return end;
    const trailers = linesIn(this.#held.text(found), 0);
    const next = at + found + (isEmpty ? 2 : 4) - before;
    this.#held.clear();
    if (trailers === undefined) return this.#refused(end);
    this.#step = Step.idle;
    this.#passRun(bytes);
    this.#complete(trailers, next < end);
    return next;
  }

  /** Bytes after the answer belong to no request, so what comes next on the connection cannot be trusted. */
  #complete(trailers: readonly string[], hasRest: boolean): void {
    if (this.#isStopped) return;
    if (hasRest) this.#step = Step.stopped;
    this.#events.end(trailers, hasRest || !this.#keepsAlive);
  }

  /** Moves bytes of the body next to those before them: chunks lose the lines between them. */
  #addToRun(bytes: Buffer, at: number, end: number): void {
    if (this.#runStart === this.#runEnd) {
      this.#runStart = at;
      this.#runEnd = end;
      return;
    }
    if (at !== this.#runEnd) bytes.copyWithin(this.#runEnd, at, end);
    this.#runEnd += end - at;
  }

  #passRun(bytes: Buffer): void {
    const start = this.#runStart;
    const end = this.#runEnd;
    if (start === end) return;
    this.#runStart = 0;
    this.#runEnd = 0;
    if (!this.#isStopped) this.#events.bytes(Buffer.from(bytes.subarray(start, end)));
  }

  get #isStopped(): boolean {
    return this.#step === Step.stopped;
  }

  #refused(end: number): number {
    this.#step = Step.invalid;
    return end;
  }
}

const httpName = "HTTP/1.";

/** The size that a line with its end gives; undefined if it gives none. */
function sizeIn(line: string): number | undefined {
  if (line.charCodeAt(line.length - 2) !== CR) return undefined;
  let size = 0;
  let digits = 0;
  for (; digits < line.length - 2; digits += 1) {
    const digit = digitOf(line.charCodeAt(digits));
    if (digit === -1) break;
    size = size * 16 + digit;
  }
  if (digits === 0 || digits > sizeDigitsMax) return undefined;
  const isPlain = digits === line.length - 2;
  const isExtended =
    line.charCodeAt(digits) === SEMICOLON && extension.test(line.slice(digits, -2));
  return isPlain || isExtended ? size : undefined;
}

/** Names and values after a size; a CR inside could end the line for another reader. */
const extension = /^[\t\x20-\x7e\x80-\xff]*$/u;

function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  // Sets the bit that parts small letters from capitals.
  const small = code | 0x20;
  return small >= 0x61 && small <= 0x66 ? small - 0x57 : -1;
}
