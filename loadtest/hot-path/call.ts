import type { Connection, StreamHandler } from "./connection.ts";
import { answerKinds, MessageReader } from "./message-reader.ts";
import type { PreparedAnswer, PreparedRequest } from "./messages.ts";

/** Where a call is left by its client: after its first message, after the pick, or in the answer. */
export type AbortPlace = "request" | "pick" | "answer";

export interface CallOptions {
  readonly request: PreparedRequest;
  readonly answer: PreparedAnswer;
  readonly abortAt: AbortPlace | undefined;
}

/** How a call went. */
export type Outcome = "answered" | "refused" | "aborted" | "failed";

export interface CallObserver {
  /** The request is picked. */
  picked(call: Call): void;
  /** A piece of the answer came back. */
  pieceCameBack(ms: number): void;
  /** Told once. */
  ended(call: Call, outcome: Outcome): void;
}

/** One request and its answer, as a proxy in full duplex sends and reads them. */
export class Call implements StreamHandler {
  readonly startMs = performance.now();
  readonly #options: CallOptions;
  readonly #observer: CallObserver;
  readonly #reader = new MessageReader((kind, isEnd) => this.#message(kind, isEnd));
  #connection: Connection | undefined;
  #id = 0;
  #piece = 0;
  #pieceSentMs = 0;
  #isPicked = false;
  #isAnswered = false;
  #isOver = false;
  /** Status of a refusal. */
  status = 0;
  /** Text of a failure. */
  failure = "";

  constructor(options: CallOptions, observer: CallObserver) {
    this.#options = options;
    this.#observer = observer;
  }

  begin(connection: Connection): void {
    const { request, abortAt } = this.#options;
    this.#connection = connection;
    this.#id = connection.begin(this);
    for (const message of request.messages) {
      connection.send(this.#id, message, false);
      if (abortAt === "request") return this.#abort();
    }
  }

  bytes(piece: Buffer): void {
    this.#reader.push(piece);
  }

  ended(failure: string | undefined): void {
    if (failure !== undefined) this.failure = failure;
    else if (!this.#isAnswered)
      this.failure = this.#isPicked ? "ended in the answer" : "ended without a pick";
    this.#end(this.failure === "" ? "answered" : "failed");
  }

  #message(kind: number, isEnd: boolean): void {
    if (this.#isOver) return;
    if (kind === answerKinds.immediate) this.#refused();
    else if (kind === answerKinds.requestBody && isEnd) this.#picked();
    else if (kind === answerKinds.responseHeaders) this.#sendPiece();
    else if (kind === answerKinds.responseBody) this.#cameBack(isEnd);
  }

  #refused(): void {
    this.status = this.#reader.status;
    this.#connection?.reset(this.#id);
    this.#end("refused");
  }

  #picked(): void {
    this.#isPicked = true;
    this.#observer.picked(this);
    if (this.#options.abortAt === "pick") return this.#abort();
    const { head, pieces } = this.#options.answer;
    this.#connection?.send(this.#id, head, false);
    // A whole answer comes with its head; events come one by one.
    if (pieces.length === 1) this.#sendPiece();
  }

  #sendPiece(): void {
    const { pieces } = this.#options.answer;
    const piece = pieces[this.#piece];
    if (piece === undefined) return;
    this.#piece += 1;
    if (pieces.length > 1) this.#pieceSentMs = performance.now();
    this.#connection?.send(this.#id, piece, this.#piece === pieces.length);
  }

  #cameBack(isEnd: boolean): void {
    const { answer, abortAt } = this.#options;
    if (this.#pieceSentMs > 0) this.#observer.pieceCameBack(performance.now() - this.#pieceSentMs);
    if (isEnd) this.#isAnswered = true;
    else if (abortAt === "answer") this.#abort();
    else if (this.#piece < answer.pieces.length) this.#sendPiece();
  }

  #abort(): void {
    this.#connection?.reset(this.#id);
    this.#end("aborted");
  }

  #end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#observer.ended(this, outcome);
  }
}
