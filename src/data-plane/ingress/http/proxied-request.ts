import type { Duplex } from "node:stream";
import type { Outcome } from "../../../core/decision.ts";
import { errorResponseOf, type Refusal } from "../../../core/errors.ts";
import type { SeenBody } from "../../../core/parse-result.ts";
import type { EndedBy } from "../../../core/request-record.ts";
import type { Clock } from "../../../std/clock.ts";
import type { Placed } from "../../../std/unordered-list.ts";
import type { Exchange } from "../../exchange.ts";
import type { Pipeline } from "../../pipeline.ts";
import type { EngineHead } from "./answer-headers.ts";
import { type AttemptFailure, failureTexts } from "./attempt.ts";
import type { Client, HeaderLine } from "./client.ts";
import type { EndpointSilence } from "./endpoint-silence.ts";
import type { PollWaiter } from "./engine/polls.ts";
import type { EngineConnections } from "./engine-connections.ts";
import type { Gate } from "./entry/gate.ts";
import type { Passage } from "./entry/passage.ts";
import { type HeldBody, holdBody, piecesOf } from "./held-body.ts";
import type { HedgeDelay } from "./hedge-delay.ts";
import type { ModelLists } from "./model-lists.ts";
import { askedModels, poolsModels } from "./model-requests.ts";
import { Relay } from "./relay.ts";
import { ClientHead, type HeadOptions } from "./request-head.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { emptyBody, type SentBody } from "./sent-body.ts";
import { standIn, Tries, type TriesSink } from "./tries.ts";

export interface ProxyParts extends HeadOptions {
  readonly dataPlane: Pick<Pipeline, "begin">;
  readonly connections: EngineConnections;
  readonly models: ModelLists;
  /** Asks endpoints for their models, unless that was done in the last second, and lets decisions use the answers. */
  readonly refreshModels: () => Promise<unknown>;
  readonly retries: RetryPolicy;
  /** Undefined if requests are not hedged. */
  readonly hedges: HedgeDelay | undefined;
  readonly silence: EndpointSilence;
  readonly gate: Gate;
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly bodyBytesMax: number;
  /** Limit for a request and its answer; 0 for none. */
  readonly totalTimeoutMs: number;
}

/** One request of a client, from its head to the end of its answer. */
export class ProxiedRequest implements TriesSink, PollWaiter, Placed {
  place = -1;
  readonly #client: Client;
  readonly #parts: ProxyParts;
  readonly #head: ClientHead;
  readonly #passage: Passage;
  readonly #exchange: Exchange;
  readonly #relay: Relay;
  readonly #onOver: () => void;
  readonly #cancelTimeout: (() => void) | undefined;
  readonly #tries: Tries;
  #body: SentBody;
  #isRouted = false;
  #hasRefreshed = false;
  #isOver = false;

  /** `onOver` runs once, when nothing of the request is left. */
  constructor(client: Client, parts: ProxyParts, onOver: () => void) {
    this.#client = client;
    this.#parts = parts;
    this.#onOver = onOver;
    this.#head = new ClientHead(client, parts);
    this.#passage = parts.gate.passageOf(client, this.#head);
    this.#exchange = parts.dataPlane.begin(this.#head, true, true);
    const evicted = (refusal: Refusal) => this.#evicted(refusal);
    this.#exchange.onEvict = evicted;
    this.#relay = new Relay({
      client,
      exchange: this.#exchange,
      head: this.#head,
      passage: this.#passage,
      resume: () => this.#tries.resume(),
    });
    this.#tries = new Tries({
      ...parts,
      exchange: this.#exchange,
      head: this.#head,
      upgrade: client.upgrade,
      sink: this,
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

  begun(engineHead: EngineHead, hostPort: string): void {
    this.#relay.begin(engineHead, hostPort);
  }

  chunk(chunk: Buffer): boolean {
    return this.#relay.chunk(chunk);
  }

  ended(trailers: readonly HeaderLine[]): void {
    if (!this.#relay.ended(trailers)) return this.#end();
    this.#exchange.onEvict = undefined;
    // The answers of one poll leave one right after the other: a write that wakes an idle client costs several times as much.
    this.#parts.connections.polls.wait(this, false);
  }

  polled(): void {
    if (this.#isOver) return;
    try {
      this.#relay.sendEnd();
    } catch {
      // A fault in the way of one answer must not end all others.
      this.#abort("drain");
    }
  }

  settled(): void {
    if (this.#isOver) return;
    this.#relay.settle();
    this.#end();
  }

  switched(engineHead: EngineHead, engine: Duplex, servedBy: string): void {
    const { httpStatus, reason, headers } = engineHead;
    const shown = { servedBy, showsBody: false, showsWholeBody: false };
    this.#exchange.responseHead({ httpStatus, headers, ...shown });
    this.#cancelTimeout?.();
    engine.once("close", () => {
      this.#exchange.end("complete");
      this.#end();
    });
    const head = { httpStatus, reason, rawHeaders: engineHead.linesOfUpgrade() };
    this.#client.tunnel(head, engine, this.#parts.connections.idleTimeoutMs);
  }

  broken(): void {
    this.#breaksOff("the model server broke off its answer", "engine");
  }

  refused(refusal: Refusal): void {
    this.#exchange.end("refused");
    this.#answer(refusal);
  }

  failed(failure: AttemptFailure): void {
    this.#exchange.end("complete");
    if (failure !== "timeout") {
      return this.#answer({ code: "upstream_unreachable", message: failureTexts[failure] });
    }
    const { headTimeoutMs } = this.#parts.connections;
    const message = `the model server did not begin its answer within ${headTimeoutMs} ms (--try-timeout)`;
    this.#answer({ code: "upstream_timeout", message });
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
    this.#exchange.responseHead({ ...standIn, httpStatus: 200 });
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
      if (outcome.refusal.code === "model_not_found" && !this.#hasRefreshed) {
        return void this.#decideRefreshed();
      }
      return this.refused(outcome.refusal);
    }
    this.#parts.retries.noteRequest();
    this.#isRouted = true;
    this.#tries.start(outcome, this.#body);
    this.#body = undefined;
  }

  /** An engine may have loaded the model since it was asked last, such as an adapter. */
  async #decideRefreshed(): Promise<void> {
    this.#hasRefreshed = true;
    await this.#parts.refreshModels();
    if (!this.#isOver) this.#decided(this.#exchange.decideAgain());
  }

  #refuseTooLarge(): void {
    const message = `request body is larger than ${this.#parts.bodyBytesMax} bytes (--request-body-limit)`;
    this.#refuse({ code: "body_too_large", message });
  }

  /** The client sends its body too slowly. */
  #refuseSlow(): void {
    if (this.#isOver) return;
    this.#tries.giveUp();
    const { tooSlow } = this.#passage;
    if (!this.#breaksOff(tooSlow.message, "client")) this.#refuse(tooSlow);
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
    if (this.#relay.isWhole) return this.#finish();
    this.#tries.giveUp();
    const message = `the request took longer than ${this.#parts.totalTimeoutMs} ms (--total-timeout)`;
    if (this.#breaksOff(message, "limit")) return;
    this.#exchange.responseHead({ ...standIn, httpStatus: 504 });
    this.#exchange.end("complete");
    this.#answer({ code: "upstream_timeout", message });
  }

  #evicted(refusal: Refusal): void {
    if (this.#isOver) return;
    this.#tries.giveUp();
    if (!this.#relay.hasBegun) {
      this.#exchange.end("aborted", "eviction");
      return this.#answer(refusal);
    }
    this.#relay.broken(refusal.message, "eviction", refusal.code);
    this.#end();
  }

  /** Ends an answer that has begun, as broken; false if none has, so that the client can still get an error. */
  #breaksOff(message: string, by: EndedBy): boolean {
    if (!this.#relay.hasBegun) return false;
    this.#relay.broken(message, by);
    this.#end();
    return true;
  }

  #leave(by: "client" | "drain"): void {
    if (this.#relay.isWhole && by === "drain") return this.#finish();
    this.#abort(by);
  }

  #abort(by: "client" | "drain"): void {
    if (this.#isOver) return;
    this.#tries.giveUp();
    this.#exchange.end("aborted", by);
    if (by === "drain") this.#client.breakOff(undefined);
    this.#end();
  }

  /** Ends a request whose answer is whole before its poll is over. */
  #finish(): void {
    this.polled();
    this.settled();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimeout?.();
    this.#passage.leave(this.#isRouted ? this.#exchange.received : undefined);
    this.#body = undefined;
    this.#tries.end();
    this.#onOver();
  }
}
