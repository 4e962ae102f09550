import type { Duplex } from "node:stream";
import type { Dispatcher } from "undici";
import type { CancelTimer, Clock } from "../../../std/clock.ts";
import { EngineHead } from "./answer-headers.ts";
import type { HeaderLine } from "./client.ts";
import type { EngineConnection, EngineConnections } from "./engine-connections.ts";
import type { Slot } from "./entry/slots.ts";

/** The reason that an attempt brought no answer. */
export type AttemptFailure =
  /** No connection: the engine has seen nothing of the request. */
  | "unreachable"
  /** The connection broke. */
  | "broken"
  /** A connection broke that the engine had kept open from an earlier request: it may just have been closed. */
  | "stale"
  | "timeout"
  /** The engine's bytes are not HTTP. */
  | "invalid";

/** The failures as clients read them. */
export const failureTexts: Readonly<Record<AttemptFailure, string>> = {
  unreachable: "the model server cannot be reached",
  broken: "the model server closed the connection before it answered",
  stale: "the model server closed the connection before it answered",
  timeout: "the model server did not answer in time",
  invalid: "the model server's answer is not valid HTTP",
};

/** Receives the answer of one attempt. */
export interface AnswerSink {
  /** Returns true to go on with this answer, false to receive nothing more of it. */
  answered(head: EngineHead): boolean;
  /** Returns false if no more should come until `resume`. */
  chunk(chunk: Buffer): boolean;
  ended(trailers: readonly HeaderLine[]): void;
  switched(head: EngineHead, engine: Duplex): void;
  /** Before or within the answer; nothing follows. */
  failed(failure: AttemptFailure): void;
}

type Controller = Dispatcher.DispatchController;

const givenUp = new Error("the request was given up");

/** Bytes of an unwanted answer that are read to keep its connection, and the time that they may take. */
const unwantedBytesMax = 65_536;
const unwantedMsMax = 1_000;

interface AttemptParts {
  readonly connections: EngineConnections;
  readonly hostPort: string;
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly sink: AnswerSink;
}

/** One try of a request at one engine. */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly #parts: AttemptParts;
  readonly #isNew: boolean;
  /** Undefined before the request has a connection. */
  #connection: EngineConnection | undefined;
  #slot: Slot | undefined;
  #controller: Controller | undefined;
  #phase: "sent" | "answering" | "unwanted" | "over" = "sent";
  #unwantedBytes = 0;
  #cancelUnwanted: CancelTimer | undefined;

  /** `isNew`: the connection must not have been used before. */
  constructor(parts: AttemptParts, isNew: boolean) {
    this.#parts = parts;
    this.#isNew = isNew;
  }

  /** Waits for a connection if the endpoint has as many as it may. */
  send(options: Dispatcher.DispatchOptions): void {
    const { connections, hostPort, clock } = this.#parts;
    const slot = connections.slotOf(hostPort);
    if (slot === undefined) return this.#dispatch(options);
    this.#slot = slot;
    slot.enter({
      entered: () => {
        const waitedMs = clock.nowMs() - slot.askedMs;
        const { headTimeoutMs } = connections;
        if (waitedMs < 1 || headTimeoutMs === 0) return this.#dispatch(options);
        this.#dispatch({ ...options, headersTimeout: Math.max(1, headTimeoutMs - waitedMs) });
      },
      refused: () => this.#fail("timeout"),
    });
  }

  #dispatch(options: Dispatcher.DispatchOptions): void {
    const { connections, hostPort } = this.#parts;
    this.#connection = connections.take(hostPort, this.#isNew);
    try {
      this.#connection.send(options, this);
    } catch {
      this.#fail("invalid");
    }
  }

  resume(): void {
    if (this.#phase === "answering") this.#controller?.resume();
  }

  /** Ends the attempt, and with it the engine's work. */
  giveUp(): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#controller?.abort(givenUp);
    this.#drop();
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#phase === "over") controller.abort(givenUp);
  }

  onResponseStart(
    controller: Controller,
    status: number,
    ...[, reason = ""]: [headers: unknown, reason?: string]
  ): void {
    // 1xx comes before the answer itself.
    if (this.#phase !== "sent" || status < 200) return;
    this.#phase = "answering";
    const head = new EngineHead(status, reason, rawOf(controller.rawHeaders));
    if (this.#parts.sink.answered(head)) return;
    // The sink may have given it up meanwhile.
    if (!this.#isAnswering) return;
    this.#phase = "unwanted";
    this.#cancelUnwanted = this.#parts.clock.after(unwantedMsMax, () => this.giveUp());
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#phase === "answering") {
      if (!this.#parts.sink.chunk(chunk)) controller.pause();
    } else if (this.#phase === "unwanted") {
      this.#unwantedBytes += chunk.length;
      if (this.#unwantedBytes > unwantedBytesMax) this.giveUp();
    }
  }

  onResponseEnd(controller: Controller): void {
    const { connections, hostPort, clock, sink } = this.#parts;
    if (this.#phase === "over") return;
    const isWanted = this.#phase === "answering";
    this.#phase = "over";
    this.#cancelUnwanted?.();
    if (this.#connection !== undefined) {
      connections.release(hostPort, this.#connection, clock.nowMs());
    }
    this.#slot?.leave();
    if (isWanted) sink.ended(linesOf(rawOf(controller.rawTrailers)));
  }

  onRequestUpgrade(
    controller: Controller,
    status: number,
    ...[, engine]: [headers: unknown, engine: Duplex]
  ): void {
    const { sink } = this.#parts;
    if (this.#phase !== "sent") return void engine.destroy();
    this.#phase = "over";
    engine.once("close", () => this.#drop());
    sink.switched(
      new EngineHead(status, "Switching Protocols", rawOf(controller.rawHeaders)),
      engine,
    );
  }

  onResponseError(_: Controller, cause: Error): void {
    if (this.#phase === "over") return;
    if (this.#phase === "unwanted") return this.giveUp();
    const mayBeStale = this.#phase === "sent" && this.#connection?.isReused === true;
    this.#fail(failureOf(cause, mayBeStale));
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

type Raw = readonly (Buffer | string)[];

function rawOf(raw: unknown): Raw {
  // Undici gives lists of bytes for HTTP/1.1, the only version that is spoken with engines.
  return Array.isArray(raw) ? (raw as Raw) : [];
}

const noLines: readonly HeaderLine[] = [];

function linesOf(raw: Raw): readonly HeaderLine[] {
  if (raw.length === 0) return noLines;
  const lines: HeaderLine[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    lines.push([String(raw[index]), String(raw[index + 1])]);
  }
  return lines;
}

const unreachableCodes = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "EHOSTDOWN",
  "UND_ERR_CONNECT_TIMEOUT",
]);
const timeoutCodes = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"]);

function failureOf(cause: Error, mayBeStale: boolean): AttemptFailure {
  const code = "code" in cause ? String(cause.code) : "";
  if (unreachableCodes.has(code)) return "unreachable";
  if (timeoutCodes.has(code)) return "timeout";
  if (code.startsWith("HPE_") || cause.name === "HTTPParserError") return "invalid";
  return mayBeStale ? "stale" : "broken";
}
