import type { Duplex } from "node:stream";
import type { Outcome, RoutedOutcome } from "../../../core/decision.ts";
import type { Refusal } from "../../../core/errors.ts";
import type { Clock } from "../../../std/clock.ts";
import type { ResponseHeadSeen } from "../../answer.ts";
import type { Exchange } from "../../exchange.ts";
import type { EngineHead } from "./answer-headers.ts";
import { type AnswerSink, Attempt, type AttemptFailure, type HeadUse } from "./attempt.ts";
import type { HeaderLine } from "./client.ts";
import type { EngineAddress } from "./engine/engine-address.ts";
import type { EndpointSilence, WaitingTry } from "./endpoint-silence.ts";
import type { EngineConnections } from "./engine-connections.ts";
import type { HedgeDelay } from "./hedge-delay.ts";
import type { ClientHead } from "./request-head.ts";
import { isSafe, type RetryPolicy } from "./retry-policy.ts";
import type { SentBody } from "./sent-body.ts";

/** Receives the one answer of a request, whichever try it comes from. */
export interface TriesSink {
  begun(head: EngineHead, hostPort: string): void;
  /** Returns false if no more should come until `resume`. */
  chunk(chunk: Buffer): boolean;
  ended(trailers: readonly HeaderLine[]): void;
  switched(head: EngineHead, engine: Duplex, hostPort: string): void;
  /** The answer breaks off after it has begun. */
  broken(): void;
  /** The request waited for its turn again, which did not come. */
  refused(refusal: Refusal): void;
  /** No endpoint has answered, and no other is left. */
  failed(failure: AttemptFailure): void;
}

export interface TriesParts {
  readonly exchange: Exchange;
  readonly head: ClientHead;
  /** The protocol that the client wants to change to; undefined if it wants none. */
  readonly upgrade: string | undefined;
  readonly connections: EngineConnections;
  readonly retries: RetryPolicy;
  /** Undefined if requests are not hedged. */
  readonly hedges: HedgeDelay | undefined;
  readonly silence: EndpointSilence;
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly sink: TriesSink;
}

/** Milliseconds within which a connection breaks that its engine was about to close. */
const staleMsMax = 200;

/** The head that stands for an attempt that brought none. */
export const standIn = {
  headers: new Map<string, string>(),
  servedBy: undefined,
  showsBody: false,
  showsWholeBody: false,
};

/** The tries of one request: one after another, and two at once if it is hedged. The first good answer counts. */
export class Tries {
  readonly #parts: TriesParts;
  #body: SentBody;
  #open: readonly Try[] = [];
  /** The try whose answer the client gets. */
  #winner: Try | undefined;
  #triesFailed = 0;
  #hasHedged = false;
  #isOver = false;
  #cancelHedge: (() => void) | undefined;

  constructor(parts: TriesParts) {
    this.#parts = parts;
  }

  /** Sends the request to the first target of its decision. */
  start(routed: RoutedOutcome, body: SentBody): void {
    this.#body = body;
    this.#add(routed);
  }

  resume(): void {
    this.#winner?.attempt?.resume();
  }

  /** Ends all tries, and with them the work of engines. */
  giveUp(): void {
    this.#isOver = true;
    this.#cancelHedge?.();
    for (const { attempt } of this.#open) attempt?.giveUp();
    this.#keepOnly([]);
  }

  /** The request is over. */
  end(): void {
    this.#isOver = true;
    this.#cancelHedge?.();
    this.#body = undefined;
    this.#keepOnly([]);
  }

  answered(one: Try, head: EngineHead): HeadUse {
    one.waiting?.heard();
    if (this.#goesElsewhere(one, head)) return "unwanted";
    // Engines may send the head of a stream before they compute anything: until bytes follow, another may still answer.
    if (head.httpStatus === 200 && head.isEventStream && this.#isReplayable) {
      one.heldHead = head;
      return "held";
    }
    this.#win(one, head);
    return "taken";
  }

  chunk(one: Try, chunk: Buffer): boolean {
    one.waiting?.heard();
    if (one.heldHead !== undefined) this.#win(one, one.heldHead);
    return this.#parts.sink.chunk(chunk);
  }

  ended(one: Try, trailers: readonly HeaderLine[]): void {
    if (one.heldHead !== undefined) {
      // A stream without a byte is what an engine sends whose worker has ended.
      if (this.#goesElsewhere(one, { httpStatus: 502, headers: standIn.headers })) return;
      this.#win(one, one.heldHead);
    }
    this.#parts.sink.ended(trailers);
  }

  switched(one: Try, head: EngineHead, engine: Duplex): void {
    this.#win(one, undefined);
    this.#parts.sink.switched(head, engine, one.hostPort);
  }

  failed(one: Try, failure: AttemptFailure): void {
    if (this.#isOver) return;
    const { sink, clock, exchange } = this.#parts;
    if (one === this.#winner) return sink.broken();
    const isStale = failure === "stale" && clock.nowMs() - one.sentMs < staleMsMax;
    if (isStale && !one.hasResent && this.#isReplayable) {
      // The engine has closed an unused connection in this moment: it gets the request again.
      one.hasResent = true;
      return this.#send(one);
    }
    const isUnreached = failure !== "timeout" && failure !== "invalid";
    const seen = { ...standIn, httpStatus: failure === "timeout" ? 504 : 502, isUnreached };
    if (this.#leaves(one, seen, false)) return;
    if (this.#canResend(failure)) {
      if (isUnreached && this.#takeBack(seen)) return;
      if (this.#retry(seen, false)) return;
    }
    exchange.responseHead(seen);
    sink.failed(failure);
  }

  /** Health, or the silence of an endpoint, says that a try will not be answered. Returns false if it has to wait on. */
  #leaveSilent(one: Try): boolean {
    if (this.#isOver || this.#winner !== undefined) return false;
    const isRepeated = one.wasSilent;
    one.wasSilent = true;
    if (!this.#canResend("timeout", isRepeated)) return false;
    // As if no connection were made, since requests that are sent later may be answered.
    const seen = { ...standIn, httpStatus: 504, isUnreached: true };
    if (!this.#leaves(one, seen, false) && !this.#retry(seen, false)) return false;
    one.attempt?.giveUp();
    return true;
  }

  #add(routed: RoutedOutcome): void {
    const one = new Try(this, routed);
    const { decision } = routed;
    const { isStreaming } = this.#parts.exchange;
    one.waiting = this.#parts.silence.watch(decision.targets[0].endpoint, {
      predictedMs: isStreaming ? decision.latency?.ttftMs : undefined,
      leave: () => this.#leaveSilent(one),
    });
    this.#open = [...this.#open, one];
    this.#send(one);
    this.#hedgeLater(routed);
  }

  /** The others are over. */
  #keepOnly(kept: readonly Try[]): void {
    for (const one of this.#open) if (!kept.includes(one)) one.waiting?.over();
    this.#open = kept;
  }

  #send(one: Try): void {
    const { connections, clock, head, upgrade } = this.#parts;
    const { routed, address } = one;
    const body = routed.body ?? this.#body;
    // A request that cannot be sent twice needs a connection that the engine is not about to close.
    const isNew = one.hasResent || !this.#isReplayable;
    one.sentMs = clock.nowMs();
    one.heldHead = undefined;
    const attempt = new Attempt({ connections, address, clock, sink: one }, isNew);
    one.attempt = attempt;
    attempt.send({
      path: head.path,
      method: head.method,
      headers: head.sentTo(routed.headers[0]),
      body,
      announcedBytes: this.#announcedBytes,
      upgrade,
    });
  }

  /** Bytes of a body that the client has announced; undefined if it has not. */
  get #announcedBytes(): number | undefined {
    const length = this.#parts.head.headers.get("content-length");
    return length === undefined ? undefined : Number(length);
  }

  /** The client gets this answer; a try next to it is cancelled. */
  #win(one: Try, head: EngineHead | undefined): void {
    const { exchange, sink, hedges, clock } = this.#parts;
    const [first = one] = this.#open;
    // Of a first try that was outrun, at least so much is known.
    if (hedges !== undefined && this.#isHedgeable) {
      hedges.note(clock.nowMs() - first.sentMs, first.routed.decision.latency?.ttftMs);
    }
    this.#winner = one;
    one.heldHead = undefined;
    this.#cancelHedge?.();
    for (const other of this.#open) if (other !== one) other.attempt?.giveUp();
    this.#keepOnly([one]);
    one.waiting?.begun();
    this.#body = undefined;
    exchange.keep(one.routed.decision);
    if (head !== undefined) sink.begun(head, one.hostPort);
  }

  /** Leaves a bad answer to another try, open or new. Returns false for any other answer, and if there is no such try. */
  #goesElsewhere(
    one: Try,
    { httpStatus, headers }: Pick<EngineHead, "httpStatus" | "headers">,
  ): boolean {
    const isRetriable = this.#parts.retries.isRetriable(httpStatus);
    if (!isRetriable && httpStatus < 500) return false;
    const seen = { ...standIn, httpStatus, headers };
    if (this.#leaves(one, seen, true)) return true;
    return isRetriable && this.#canResend(httpStatus) && this.#retry(seen, true);
  }

  /** Ends a failed try if another one is open. Returns false if no other is. */
  #leaves(one: Try, seen: ResponseHeadSeen, hasAnswered: boolean): boolean {
    const other = this.#open.find((each) => each !== one);
    if (other === undefined) return false;
    this.#triesFailed += 1;
    this.#keepOnly([other]);
    this.#parts.exchange.fail(other.routed.decision, seen, hasAnswered);
    return true;
  }

  /** Sends the request to another engine. Returns false if none is left. */
  #retry(seen: ResponseHeadSeen, hasAnswered: boolean): boolean {
    const { exchange, retries } = this.#parts;
    const outcome = exchange.retry(seen, hasAnswered);
    if (outcome === undefined) return false;
    this.#triesFailed += 1;
    this.#keepOnly([]);
    retries.noteRetry();
    this.#add(outcome);
    return true;
  }

  /** Lets the request wait for its turn again. Returns false if none waits now. */
  #takeBack(seen: ResponseHeadSeen): boolean {
    const outcome = this.#parts.exchange.takeBack(seen);
    if (outcome === undefined) return false;
    this.#triesFailed += 1;
    this.#keepOnly([]);
    this.#parts.retries.noteRetry();
    if (outcome instanceof Promise) void outcome.then((settled) => this.#turn(settled));
    else this.#turn(outcome);
    return true;
  }

  #turn(outcome: Outcome): void {
    if (this.#isOver) return;
    if (outcome.kind === "routed") this.#add(outcome);
    else if (outcome.kind === "refused") this.#parts.sink.refused(outcome.refusal);
  }

  #canResend(failure: AttemptFailure | number, isRepeated = false): boolean {
    const { retries, head, exchange } = this.#parts;
    if (!this.#hasBodyLeft) return false;
    const isInference = exchange.bodyUse === "required";
    const { method } = head;
    const triesFailed = this.#triesFailed;
    return retries.allows(failure, { triesFailed, method, isInference, isRepeated });
  }

  #hedgeLater({ decision }: RoutedOutcome): void {
    const { hedges, clock } = this.#parts;
    if (hedges === undefined || this.#hasHedged || !this.#isHedgeable) return;
    const delayMs = hedges.msFor(decision.latency?.ttftMs);
    this.#cancelHedge?.();
    this.#cancelHedge =
      delayMs === undefined ? undefined : clock.after(delayMs, () => this.#hedge());
  }

  /** Sends the request to one more engine, while the first one has not begun its answer. */
  #hedge(): void {
    const { exchange, retries } = this.#parts;
    if (this.#isOver || this.#winner !== undefined || this.#hasHedged) return;
    if (!retries.allowsHedge()) return;
    this.#hasHedged = true;
    const outcome = exchange.hedge();
    if (outcome === undefined) return;
    retries.noteRetry();
    this.#add(outcome);
  }

  /** The first byte of any other answer comes with its last token, so a late one tells little. */
  get #isHedgeable(): boolean {
    return this.#isReplayable && this.#parts.exchange.isStreaming;
  }

  /** True if the whole body can be sent once more. */
  get #hasBodyLeft(): boolean {
    return this.#body === undefined || this.#body instanceof Uint8Array;
  }

  /** True if a broken connection may be replaced by another one without asking the client. */
  get #isReplayable(): boolean {
    const { head, exchange, upgrade } = this.#parts;
    const mayRepeat = isSafe(head.method) || exchange.bodyUse === "required";
    return mayRepeat && this.#hasBodyLeft && upgrade === undefined;
  }
}

/** One try, which tells the others apart from itself. */
class Try implements AnswerSink {
  readonly #tries: Tries;
  readonly routed: RoutedOutcome;
  /** Undefined before it is sent. */
  attempt: Attempt | undefined;
  sentMs = 0;
  hasResent = false;
  waiting: WaitingTry | undefined;
  /** True if it was to leave a silent endpoint before. */
  wasSilent = false;
  /** The head of an answer whose first bytes have not come. */
  heldHead: EngineHead | undefined;

  constructor(tries: Tries, routed: RoutedOutcome) {
    this.#tries = tries;
    this.routed = routed;
  }

  get hostPort(): string {
    return this.routed.decision.targets[0].hostPort;
  }

  get address(): EngineAddress {
    const { hostPort, endpoint } = this.routed.decision.targets[0];
    return { hostPort, tls: endpoint.tls };
  }

  answered(head: EngineHead): HeadUse {
    return this.#tries.answered(this, head);
  }

  chunk(chunk: Buffer): boolean {
    return this.#tries.chunk(this, chunk);
  }

  ended(trailers: readonly HeaderLine[]): void {
    this.#tries.ended(this, trailers);
  }

  switched(head: EngineHead, engine: Duplex): void {
    this.#tries.switched(this, head, engine);
  }

  failed(failure: AttemptFailure): void {
    this.#tries.failed(this, failure);
  }
}
