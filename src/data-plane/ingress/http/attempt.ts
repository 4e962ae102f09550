import type { Duplex } from "node:stream";
import type { CancelTimer, Clock } from "../../../std/clock.ts";
import { EngineHead } from "./answer-headers.ts";
import type { HeaderLine } from "./client.ts";
import type { ParsedHead } from "./engine/answer-head.ts";
import type { EngineAddress } from "./engine/engine-address.ts";
import type {
  AnswerHandler,
  ConnectionFailure,
  EngineConnection,
} from "./engine/engine-connection.ts";
import type { EngineRequest } from "./engine/engine-request.ts";
import type { PollWaiter } from "./engine/polls.ts";
import type { EngineConnections } from "./engine-connections.ts";
import type { Slot } from "./entry/slots.ts";

/** The reason that an attempt brought no answer. */
export type AttemptFailure =
  /** No connection: the engine has seen nothing of the request. */
  | "unreachable"
  /** No connection that both sides trust: the engine has seen nothing of the request. */
  | "untrusted"
  /** The connection broke. */
  | "broken"
  /** A connection broke that the engine had kept open from an earlier request: it may just have been closed. */
  | "stale"
  | "timeout"
  /** The engine's bytes are not HTTP. */
  | "invalid";

/** The failures as clients read them; a timeout also names its limit. */
export const failureTexts: Readonly<Record<Exclude<AttemptFailure, "timeout">, string>> = {
  unreachable: "the model server cannot be reached",
  untrusted: "the TLS connection to the model server failed",
  broken: "the model server closed the connection before it answered",
  stale: "the model server closed the connection before it answered",
  invalid: "the model server's answer is not valid HTTP",
};

/** Use of an answer after its head. */
export type HeadUse =
  /** The client gets it. */
  | "taken"
  /** The client gets it once bytes follow, which are awaited like the head. */
  | "held"
  /** Nothing more of it is received. */
  | "unwanted";

/** Receives the answer of one attempt. */
export interface AnswerSink {
  answered(head: EngineHead): HeadUse;
  /** Returns false if no more should come until `resume`. */
  chunk(chunk: Buffer): boolean;
  ended(trailers: readonly HeaderLine[]): void;
  switched(head: EngineHead, engine: Duplex): void;
  /** Before or within the answer; nothing follows. */
  failed(failure: AttemptFailure): void;
}

/** Bytes of an unwanted answer that are read to keep its connection, and the time that they may take. */
const unwantedBytesMax = 65_536;
const unwantedMsMax = 1_000;

interface AttemptParts {
  readonly connections: EngineConnections;
  readonly address: EngineAddress;
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly sink: AnswerSink;
}

/** One try of a request at one engine. */
export class Attempt implements AnswerHandler, PollWaiter {
  readonly #parts: AttemptParts;
  readonly #isNew: boolean;
  /** Undefined before the request has a connection. */
  #connection: EngineConnection | undefined;
  /** The request until it is written. */
  #unsent: EngineRequest | undefined;
  #waitedMs = 0;
  #slot: Slot | undefined;
  #phase: "sent" | "answering" | "unwanted" | "over" = "sent";
  #unwantedBytes = 0;
  #cancelUnwanted: CancelTimer | undefined;

  /** `isNew`: the connection must not have been used before. */
  constructor(parts: AttemptParts, isNew: boolean) {
    this.#parts = parts;
    this.#isNew = isNew;
  }

  /** Waits for a connection if the endpoint has as many as it may. */
  send(request: EngineRequest): void {
    const { connections, address, clock } = this.#parts;
    this.#unsent = request;
    const slot = connections.slotOf(address.hostPort);
    if (slot === undefined) return this.#connect();
    this.#slot = slot;
    slot.enter({
      entered: () => {
        this.#waitedMs = clock.nowMs() - slot.askedMs;
        this.#connect();
      },
      refused: () => this.#fail("timeout"),
    });
  }

  polled(): void {
    if (this.#phase !== "sent") return;
    // Nothing of the request is written, so any other connection will do.
    if (this.#connection?.isClosed === true) return this.#connect();
    this.#write();
  }

  #connect(): void {
    const { connections, address } = this.#parts;
    const { connection, waits } = connections.take(address, this.#isNew, this);
    this.#connection = connection;
    if (!waits) this.#write();
  }

  #write(): void {
    const request = this.#unsent;
    this.#unsent = undefined;
    if (request === undefined) return;
    try {
      this.#connection?.send(request, this, this.#waitedMs);
    } catch {
      this.#fail("invalid");
    }
  }

  resume(): void {
    if (this.#phase === "answering") this.#connection?.resume();
  }

  /** Ends the attempt, and with it the engine's work. */
  giveUp(): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#drop();
  }

  onHead({ httpStatus, reason, rawHeaders }: ParsedHead): boolean {
    this.#phase = "answering";
    const head = new EngineHead(httpStatus, reason, rawHeaders);
    const use = this.#parts.sink.answered(head);
    if (use !== "unwanted") return use === "held";
    // The sink may have given it up meanwhile.
    if (!this.#isAnswering) return false;
    this.#phase = "unwanted";
    this.#cancelUnwanted = this.#parts.clock.after(unwantedMsMax, () => this.giveUp());
    return false;
  }

  onBytes(chunk: Buffer): boolean {
    if (this.#phase === "answering") return this.#parts.sink.chunk(chunk);
    this.#unwantedBytes += chunk.length;
    if (this.#unwantedBytes > unwantedBytesMax) this.giveUp();
    return true;
  }

  onEnd(trailers: readonly string[]): void {
    const { connections, address, sink } = this.#parts;
    if (this.#phase === "over") return;
    const isWanted = this.#phase === "answering";
    this.#phase = "over";
    this.#cancelUnwanted?.();
    if (this.#connection !== undefined) connections.release(address, this.#connection);
    this.#slot?.leave();
    if (isWanted) sink.ended(linesOf(trailers));
  }

  onSwitched({ httpStatus, reason, rawHeaders }: ParsedHead, engine: Duplex): void {
    this.#phase = "over";
    engine.once("close", () => this.#drop());
    this.#parts.sink.switched(new EngineHead(httpStatus, reason, rawHeaders), engine);
  }

  onFailed(failure: ConnectionFailure): void {
    if (this.#phase === "over") return;
    if (this.#phase === "unwanted") return this.giveUp();
    const mayBeStale = this.#phase === "sent" && this.#connection?.isReused === true;
    this.#fail(failure === "broken" && mayBeStale ? "stale" : failure);
  }

  get #isAnswering(): boolean {
    return this.#phase === "answering";
  }

  #fail(failure: AttemptFailure): void {
    this.#phase = "over";
    this.#drop();
    this.#parts.sink.failed(failure);
  }

  #drop(): void {
    this.#cancelUnwanted?.();
    this.#connection?.close();
    this.#slot?.leave();
  }
}

const noLines: readonly HeaderLine[] = [];

function linesOf(raw: readonly string[]): readonly HeaderLine[] {
  if (raw.length === 0) return noLines;
  const lines: HeaderLine[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    lines.push([raw[index] ?? "", raw[index + 1] ?? ""]);
  }
  return lines;
}
