import type { Duplex } from "node:stream";
import type { HeaderChange, Outcome, RoutedOutcome } from "../../../core/decision.ts";
import { errorResponseOf, type Refusal } from "../../../core/errors.ts";
import type { SeenBody } from "../../../core/parse-result.ts";
import type { Clock } from "../../../std/clock.ts";
import type { Exchange } from "../../exchange.ts";
import type { Pipeline } from "../../pipeline.ts";
import type { EngineHead } from "./answer-headers.ts";
import { type AnswerSink, Attempt, type AttemptFailure, failureTexts } from "./attempt.ts";
import type { Client, HeaderLine } from "./client.ts";
import type { EngineConnections } from "./engine-connections.ts";
import type { Gate } from "./entry/gate.ts";
import { bodyTooSlow, type Passage } from "./entry/passage.ts";
import { type HeldBody, holdBody, piecesOf } from "./held-body.ts";
import type { ModelLists } from "./model-lists.ts";
import { askedModels, poolsModels } from "./model-requests.ts";
import type { OpenRequest } from "./open-requests.ts";
import { Relay } from "./relay.ts";
import { ClientHead, type HeadOptions } from "./request-head.ts";
import { isSafe, type RetryPolicy } from "./retry-policy.ts";
import { bodyOf, emptyBody, type SentBody } from "./sent-body.ts";

export interface ProxyParts extends HeadOptions {
  readonly dataPlane: Pick<Pipeline, "begin">;
  readonly connections: EngineConnections;
  readonly models: ModelLists;
  readonly retries: RetryPolicy;
  readonly gate: Gate;
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly bodyBytesMax: number;
  /** Limit for a request and its answer; 0 for none. */
  readonly totalTimeoutMs: number;
}

/** Milliseconds within which a connection breaks that its engine was about to close. */
const staleMsMax = 200;

/** The head that stands for an attempt that brought none. */
const standIn = { headers: new Map<string, string>(), showsBody: false, showsWholeBody: false };

/** One request of a client, from its head to the end of its answer. */
export class ProxiedRequest implements AnswerSink, OpenRequest {
  place = 0;
  readonly #client: Client;
  readonly #parts: ProxyParts;
  readonly #head: ClientHead;
  readonly #passage: Passage;
  readonly #exchange: Exchange;
  readonly #relay: Relay;
  readonly #onOver: () => void;
  readonly #cancelTimeout: (() => void) | undefined;
  #body: SentBody;
  #routed: RoutedOutcome | undefined;
  #attempt: Attempt | undefined;
  #sentMs = 0;
  #triesFailed = 0;
  #hasResent = false;
  #isOver = false;

  /** `onOver` runs once, when nothing of the request is left. */
  constructor(client: Client, parts: ProxyParts, onOver: () => void) {
    this.#client = client;
    this.#parts = parts;
    this.#onOver = onOver;
    this.#head = new ClientHead(client, parts);
    this.#passage = parts.gate.passageOf(client, this.#head);
    this.#exchange = parts.dataPlane.begin(this.#head, true, true);
    this.#relay = new Relay({
      client,
      exchange: this.#exchange,
      head: this.#head,
      passage: this.#passage,
      resume: () => this.#attempt?.resume(),
    });
    const { totalTimeoutMs, clock } = parts;
    this.#cancelTimeout =
      totalTimeoutMs === 0 ? undefined : clock.after(totalTimeoutMs, () => this.#expire());
    client.onLeft(() => this.#leave("client"));
  }

  /** True if no server may serve it. */
  get isMalformed(): boolean {
    return this.#head.mistake !== undefined;
  }

  /** Passes the gate, where the request may wait or be refused. */
  start(): void {
    const { mistake } = this.#head;
    if (mistake !== undefined) return this.#refuse(mistake);
    const { preflight } = this.#passage;
    if (preflight !== undefined) return this.#answerAlone(preflight, "");
    this.#passage.enter({
      entered: () => this.#begin(),
      refused: (refusal) => this.#refuse(refusal),
    });
  }

  /** Reads what the decision needs of the body, and sends the request on. */
  #begin(): void {
    const { body } = this.#client;
    const { bodyUse } = this.#exchange;
    const { bodyBytesMax } = this.#parts;
    if (body === undefined) {
      const asked = askedModels(this.#head);
      return asked === undefined ? this.#decide(emptyBody) : void this.#listModels(asked.id);
    }
    if (bodyUse === "none") {
      this.#body = this.#passage.watched(piecesOf(body), () => this.#refuseSlow());
      this.#client.askForBody();
      return this.#decide("not_wanted");
    }
    const announcedBytes = Number(this.#head.headers.get("content-length"));
    if (announcedBytes > bodyBytesMax && bodyUse === "required") return this.#refuseTooLarge();
    this.#client.askForBody();
    const onlyObjects = bodyUse === "if-object";
    const holding = { bytesMax: bodyBytesMax, onlyObjects, announcedBytes };
    this.#passage.watchHeld(body, (refusal) => this.#refuse(refusal));
    holdBody(body, holding, (held) => this.#held(held));
  }

  /** Ends the request at once, at the end of a drain. */
  cut(): void {
    this.#leave("drain");
  }

  answered(engineHead: EngineHead): boolean {
    const { httpStatus, headers } = engineHead;
    const { retries } = this.#parts;
    if (retries.isRetriable(httpStatus) && this.#canResend(httpStatus)) {
      const seen = { ...standIn, httpStatus, headers, servedBy: undefined };
      if (this.#retry(seen, true)) return false;
    }
    // Nothing is sent again from now on.
    this.#passage.freeBody();
    this.#body = undefined;
    this.#relay.begin(engineHead, this.#attempt?.hostPort ?? "");
    return true;
  }

  chunk(chunk: Buffer): boolean {
    return this.#relay.chunk(chunk);
  }

  ended(trailers: readonly HeaderLine[]): void {
    this.#relay.ended(trailers);
    this.#end();
  }

  switched(engineHead: EngineHead, engine: Duplex): void {
    const { httpStatus, reason, headers } = engineHead;
    const servedBy = this.#attempt?.hostPort;
    const shown = { servedBy, showsBody: false, showsWholeBody: false };
    this.#exchange.responseHead({ httpStatus, headers, ...shown });
    this.#cancelTimeout?.();
    engine.once("close", () => {
      this.#exchange.end("complete");
      this.#end();
    });
    this.#client.tunnel({ httpStatus, reason, rawHeaders: engineHead.linesOfUpgrade() }, engine);
  }

  failed(failure: AttemptFailure): void {
    if (this.#isOver) return;
    if (this.#breaksOff("the model server broke off its answer")) return;
    const isStale = failure === "stale" && this.#parts.clock.nowMs() - this.#sentMs < staleMsMax;
    if (isStale && !this.#hasResent && this.#isReplayable) {
      // The engine has closed an unused connection in this moment: it gets the request again.
      this.#hasResent = true;
      return this.#send();
    }
    const httpStatus = failure === "timeout" ? 504 : 502;
    const seen = { ...standIn, httpStatus, servedBy: undefined };
    if (this.#canResend(failure) && this.#retry(seen, false)) return;
    this.#exchange.responseHead(seen);
    this.#exchange.end("complete");
    const code = failure === "timeout" ? "upstream_timeout" : "upstream_unreachable";
    this.#answer({ code, message: failureTexts[failure] });
  }

  /** Answers for the whole pool, or lets an endpoint answer. */
  async #listModels(asked: string | undefined): Promise<void> {
    const source = { models: this.#parts.models, shows: this.#passage.showsModel };
    const found = await poolsModels(asked, this.#head, source);
    if (this.#isOver) return;
    if (found.kind === "of-endpoint") return this.#decide(emptyBody);
    if (found.kind === "unknown")
      return this.#refuse({ code: "model_not_found", message: found.message });
    this.#answerAlone(["content-type", "application/json"], found.text);
  }

  /** Answers without any engine. */
  #answerAlone(headers: readonly string[], text: string): void {
    this.#exchange.responseHead({ ...standIn, httpStatus: 200, servedBy: undefined });
    this.#exchange.end("complete");
    this.#answerWith(200, [...headers, "x-request-id", this.#head.id], text);
  }

  #held(held: HeldBody): void {
    this.#passage.stopWatching();
    if (held.kind === "whole") {
      this.#body = held.bytes;
      return this.#decide(held.bytes);
    }
    if (this.#exchange.bodyUse === "required") return this.#refuseTooLarge();
    this.#body = this.#passage.watched(held.rest, () => this.#refuseSlow());
    this.#decide(held.seen);
  }

  #decide(seen: SeenBody): void {
    if (this.#isOver) return;
    const outcome = this.#exchange.decide(seen, this.#passage.permits);
    if (outcome instanceof Promise) void outcome.then((settled) => this.#decided(settled));
    else this.#decided(outcome);
  }

  #decided(outcome: Outcome): void {
    if (this.#isOver || outcome.kind === "gone") return;
    if (outcome.kind === "refused") {
      this.#exchange.end("refused");
      return this.#answer(outcome.refusal);
    }
    this.#parts.retries.noteRequest();
    this.#routed = outcome;
    this.#send();
  }

  /** Sends the request to the first target of the decision. */
  #send(): void {
    const routed = this.#routed;
    if (routed === undefined) return;
    const { connections, clock } = this.#parts;
    const { hostPort } = routed.decision.targets[0];
    const body = routed.body ?? this.#body;
    // A request that cannot be sent twice needs a connection that the engine is not about to close.
    const isNew = this.#hasResent || !this.#isReplayable;
    const nowMs = () => clock.nowMs();
    this.#sentMs = nowMs();
    const attempt = new Attempt({ connections, hostPort, nowMs, sink: this }, isNew);
    this.#attempt = attempt;
    attempt.send({
      path: this.#head.path,
      method: this.#head.method,
      headers: this.#headersFor(routed.headers[0], body),
      body: bodyOf(body),
      upgrade: this.#client.upgrade ?? null,
    });
  }

  #headersFor(change: HeaderChange, body: SentBody): string[] {
    const sent = this.#head.sentTo(change);
    if (body === undefined || body instanceof Uint8Array) return sent;
    const length = this.#head.headers.get("content-length");
    return length === undefined ? sent : [...sent, "content-length", length];
  }

  /** Sends the request to another engine; false if there is none. */
  #retry(seen: Parameters<Exchange["retry"]>[0], hasAnswered: boolean): boolean {
    const outcome = this.#exchange.retry(seen, hasAnswered);
    if (outcome === undefined) return false;
    this.#triesFailed += 1;
    this.#hasResent = false;
    this.#parts.retries.noteRetry();
    this.#routed = outcome;
    this.#send();
    return true;
  }

  #canResend(failure: AttemptFailure | number): boolean {
    const { retries } = this.#parts;
    if (!this.#hasBodyLeft) return false;
    const { method } = this.#head;
    const isInference = this.#exchange.bodyUse === "required";
    return retries.allows(failure, { triesFailed: this.#triesFailed, method, isInference });
  }

  /** True if the whole body can be sent once more. */
  get #hasBodyLeft(): boolean {
    return this.#body === undefined || this.#body instanceof Uint8Array;
  }

  /** True if a broken connection may be replaced by another one without asking the client. */
  get #isReplayable(): boolean {
    const mayRepeat = isSafe(this.#head.method) || this.#exchange.bodyUse === "required";
    return mayRepeat && this.#hasBodyLeft && this.#client.upgrade === undefined;
  }

  #refuseTooLarge(): void {
    const message = `request body is larger than ${this.#parts.bodyBytesMax} bytes`;
    this.#refuse({ code: "body_too_large", message });
  }

  /** The client sends its body too slowly. */
  #refuseSlow(): void {
    if (this.#isOver) return;
    this.#attempt?.giveUp();
    if (!this.#breaksOff(bodyTooSlow.message)) this.#refuse(bodyTooSlow);
  }

  #refuse(refusal: Refusal): void {
    if (this.#isOver) return;
    this.#exchange.refuse(refusal.code, refusal.message);
    this.#exchange.end("refused");
    this.#answer(refusal);
  }

  /** Answers in the engine's place. */
  #answer(refusal: Refusal): void {
    const { httpStatus, headers, body } = errorResponseOf(refusal, this.#head);
    this.#answerWith(httpStatus, headers.flat(), body);
  }

  #answerWith(httpStatus: number, headers: readonly string[], text: string): void {
    const bytes = Buffer.from(text);
    const length = ["content-length", String(bytes.length)];
    const rawHeaders = [...headers, ...length, ...this.#passage.answerHeaders()];
    this.#client.head({ httpStatus, reason: "", rawHeaders });
    this.#client.end(bytes);
    this.#end();
  }

  #expire(): void {
    if (this.#isOver) return;
    this.#attempt?.giveUp();
    if (this.#breaksOff("the request took longer than its time limit")) return;
    this.#exchange.responseHead({ ...standIn, httpStatus: 504, servedBy: undefined });
    this.#exchange.end("complete");
    this.#answer({ code: "upstream_timeout", message: failureTexts.timeout });
  }

  /** Ends an answer that has begun, as broken; false if none has, so that the client can still get an error. */
  #breaksOff(message: string): boolean {
    if (!this.#relay.hasBegun) return false;
    this.#relay.broken(message);
    this.#end();
    return true;
  }

  #leave(by: "client" | "drain"): void {
    if (this.#isOver) return;
    this.#attempt?.giveUp();
    this.#exchange.end("aborted", by);
    if (by === "drain") this.#client.breakOff(undefined);
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimeout?.();
    this.#passage.leave(this.#routed === undefined ? undefined : this.#exchange.received);
    this.#body = undefined;
    this.#onOver();
  }
}
