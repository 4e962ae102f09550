import type { HeaderChange } from "../../../core/decision.ts";
import type { ErrorCode } from "../../../core/errors.ts";
import type { BodyUse, SeenBody } from "../../../core/parse-result.ts";
import type { EndedBy, RequestEnd } from "../../../core/request-record.ts";
import type { RequestHead } from "../../../core/request.ts";
import { NumberedList } from "../../../std/numbered-list.ts";
import { Answer, type AnsweredRequest, type ResponseHeadSeen } from "../../answer.ts";
import type { ResponseHeadChange } from "../../exchange-parts.ts";
import type { ProxiedHead, RequestOutcome, StreamExchange } from "../ext-proc/stream-exchange.ts";
import { movable, type Outbox } from "./outbox.ts";
import type { ReportedProgress, RequestStep, SentHead, Verdict } from "./thread-messages.ts";

/** Requests that are open on a worker if some of them wait for the main thread; fewer are no backlog. */
const backlogMin = 256;

interface RemoteParts {
  readonly steps: Pick<Outbox<RequestStep>, "add">;
  /** Use of a request's body by the rules in force. */
  readonly bodyUse: (head: RequestHead) => BodyUse;
  readonly nowMs: () => number;
  /** Time that steps wait for the main thread. */
  readonly delayMs: () => number;
}

/** The data plane in a worker: it reads responses itself, and asks the main thread for everything else. */
export class RemoteDataPlane {
  readonly #parts: RemoteParts;
  readonly #open = new NumberedList<RemoteExchange>();
  #lastId = 0;

  constructor(parts: RemoteParts) {
    this.#parts = parts;
  }

  /** 0 if too few requests are open for a backlog. */
  get delayMs(): number {
    return this.#open.size < backlogMin ? 0 : this.#parts.delayMs();
  }

  begin(head: ProxiedHead, showsAnswer: boolean): RemoteExchange {
    const id = ++this.#lastId;
    const exchange = new RemoteExchange(
      { id, head },
      { ...this.#parts, onEnd: () => this.#open.delete(id) },
    );
    this.#open.add(exchange);
    this.#parts.steps.add({ kind: "opened", id, head: sentHeadOf(head), showsAnswer });
    return exchange;
  }

  /** Takes the answers of the main thread; those to requests that have ended do nothing. */
  receive(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts) this.#open.get(verdict.id)?.receive(verdict);
  }
}

interface ExchangeParts extends RemoteParts {
  readonly onEnd: () => void;
}

/** One request whose decision is made on the main thread. The methods are those of `Exchange`. */
class RemoteExchange implements StreamExchange {
  readonly bodyUse: BodyUse;
  onEvict: StreamExchange["onEvict"];
  readonly id: number;
  readonly #method: string;
  readonly #parts: ExchangeParts;
  #decided: ((outcome: RequestOutcome) => void) | undefined;
  #headChanged: ((change: ResponseHeadChange) => void) | undefined;
  /** Undefined before the request was routed. */
  #context: AnsweredRequest | undefined;
  #setsHeaders = false;
  #reportedChunks: number | undefined;
  #answer: Answer | undefined;
  #responseBytes = 0;
  #responseChunks = 0;
  #lastChunkMs: number | undefined;
  #hasBegun = false;
  #hasEnded = false;

  constructor({ id, head }: { id: number; head: RequestHead }, parts: ExchangeParts) {
    this.id = id;
    this.#method = head.method;
    this.#parts = parts;
    this.bodyUse = parts.bodyUse(head);
  }

  decide(seen: SeenBody): RequestOutcome | Promise<RequestOutcome> {
    if (this.#hasEnded) return { kind: "gone" };
    // The stream keeps the body, to send it on.
    const body = typeof seen === "string" ? seen : movable(seen);
    const moved = typeof body === "string" ? undefined : body.buffer;
    this.#parts.steps.add({ kind: "decide", id: this.id, body }, moved);
    return new Promise((resolve) => {
      this.#decided = resolve;
    });
  }

  refuse(code: ErrorCode, message: string): Extract<RequestOutcome, { kind: "refused" }> {
    this.#parts.steps.add({ kind: "refused", id: this.id, code, message });
    return { kind: "refused", refusal: { code, message } };
  }

  responseHead(seen: ResponseHeadSeen): ResponseHeadChange | Promise<ResponseHeadChange> {
    if (this.#hasEnded) return { set: [], changesLength: false };
    const { httpStatus, servedBy } = seen;
    const answer = new Answer(seen, this.#method, this.#context);
    this.#answer = answer;
    const { isUnreached, retryAfterMs, isEventStream, keepsTargetName, changesLength } = answer;
    const waits = this.#setsHeaders;
    const facts = { isUnreached, retryAfterMs, isEventStream, keepsTargetName };
    const head = { httpStatus, servedBy, ...facts };
    this.#parts.steps.add({ kind: "head", id: this.id, head, waits });
    // Another filter has answered the client, so the request will not be sent.
    this.#settle({ kind: "gone" });
    if (!waits) return { set: [], changesLength };
    return new Promise((resolve) => {
      const changed = ({ set }: ResponseHeadChange) => resolve({ set, changesLength });
      this.#headChanged = changed;
    });
  }

  responseChunk(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    if (chunk.length > 0 && !this.#hasEnded) {
      this.#lastChunkMs = this.#parts.nowMs();
      this.#responseBytes += chunk.length;
      this.#responseChunks += 1;
      this.#answer?.read(chunk);
      if (!this.#hasBegun && this.#answer?.hasBegun === true) {
        this.#hasBegun = true;
        this.#parts.steps.add({ kind: "begun", id: this.id, progress: this.#progress });
      } else if (this.#isReportDue) {
        this.#parts.steps.add({ kind: "grown", id: this.id, progress: this.#progress });
      }
    }
    return this.#answer?.restored(chunk, isLast);
  }

  responseRest(): Uint8Array | undefined {
    return this.#answer?.rest();
  }

  end(end: RequestEnd, endedBy?: EndedBy): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const answer = this.#answer;
    answer?.close(end === "complete");
    this.#hasBegun ||= answer?.hasBegun === true;
    const lastChunkMs = this.#lastChunkMs;
    this.#parts.steps.add({
      kind: "ended",
      id: this.id,
      end: {
        ...this.#progress,
        ...(answer?.endAsRead(end, endedBy ?? "unknown") ?? { end, endedBy }),
        lastChunkAgeMs: lastChunkMs === undefined ? undefined : this.#parts.nowMs() - lastChunkMs,
        usage: answer?.usage,
        answerId: answer?.id,
        failure: answer?.failure,
      },
    });
    this.#parts.onEnd();
    this.#settle({ kind: "gone" });
  }

  leave(): boolean {
    this.#parts.steps.add({ kind: "left", id: this.id });
    return true;
  }

  /** Takes the main thread's answer. */
  receive(verdict: Verdict): void {
    switch (verdict.kind) {
      case "routed":
        this.#context = verdict.answer;
        this.#setsHeaders = verdict.setsHeaders;
        this.#reportedChunks = verdict.reportedChunks;
        return this.#settle(routedOf(verdict));
      case "headers":
        return this.#headChanged?.({ set: verdict.set, changesLength: false });
      case "evicted":
        return this.onEvict?.(verdict.refusal);
      case "refused":
      case "gone":
        return this.#settle(verdict);
    }
  }

  get #isReportDue(): boolean {
    const every = this.#reportedChunks;
    return every !== undefined && this.#responseChunks % every === 0;
  }

  get #progress(): ReportedProgress {
    const [responseBytes, responseChunks] = [this.#responseBytes, this.#responseChunks];
    return { responseBytes, responseChunks, hasBegun: this.#hasBegun };
  }

  #settle(outcome: RequestOutcome): void {
    this.#decided?.(outcome);
    this.#decided = undefined;
  }
}

function routedOf({
  hostPorts,
  headers,
  body,
}: Extract<Verdict, { kind: "routed" }>): RequestOutcome {
  const targets = hostPorts.map((hostPort) => ({ hostPort }));
  const changes: readonly [HeaderChange] = [headers];
  return { kind: "routed", decision: { targets }, headers: changes, body };
}

function sentHeadOf({ headers, ...rest }: ProxiedHead): SentHead {
  const listed: string[] = [];
  for (const [name, value] of headers) listed.push(name, value);
  return { ...rest, headers: listed };
}
