import type { Outcome } from "../../../core/decision.ts";
import type { Refusal } from "../../../core/errors.ts";
import type { EndedBy } from "../../../core/request-record.ts";
import type { HeaderValues } from "../../../core/request.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import { NumberedList } from "../../../std/numbered-list.ts";
import type { Exchange } from "../../exchange.ts";
import type { Pipeline } from "../../pipeline.ts";
import { usualTokens } from "../../response-so-far.ts";
import { movable, type Outbox } from "./outbox.ts";
import { ReportedAnswer } from "./reported-answer.ts";
import type { ReportedEnd, ReportedHead, RequestStep, Verdict } from "./thread-messages.ts";

interface Hosted {
  readonly id: number;
  readonly exchange: Exchange;
  answer: ReportedAnswer | undefined;
  /** True while it waits for admission. */
  isWaiting: boolean;
}

interface HostParts {
  /** Index of the worker. */
  readonly worker: number;
  readonly dataPlane: Pick<Pipeline, "begin">;
  readonly verdicts: Pick<Outbox<Verdict>, "add">;
}

/** The requests of one worker on the main thread, where they are decided and counted. */
export class HostedExchanges {
  readonly #parts: HostParts;
  readonly #open = new NumberedList<Hosted>();

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /** Number of requests that have not ended. */
  get size(): number {
    return this.#open.size;
  }

  receive(steps: readonly RequestStep[]): void {
    for (const step of steps) this.#take(step);
  }

  /** Ends all requests, of a worker that is gone. */
  endAll(endedBy: EndedBy): void {
    for (const { exchange } of this.#open.all()) exchange.end("aborted", endedBy);
    this.#open.clear();
  }

  #take(step: RequestStep): void {
    if (step.kind === "opened") {
      const { worker } = this.#parts;
      const head = { ...step.head, headers: new FlatHeaders(step.head.headers), worker };
      const exchange = this.#parts.dataPlane.begin(head, step.showsAnswer);
      const { verdicts } = this.#parts;
      const evicted = (refusal: Refusal) => verdicts.add({ kind: "evicted", id: step.id, refusal });
      exchange.onEvict = evicted;
      this.#open.add({ id: step.id, exchange, answer: undefined, isWaiting: false });
      return;
    }
    const hosted = this.#open.get(step.id);
    if (hosted === undefined) return;
    const { exchange } = hosted;
    switch (step.kind) {
      case "decide": {
        const outcome = exchange.decide(step.body);
        if (!(outcome instanceof Promise)) return this.#decided(step.id, hosted, outcome);
        hosted.isWaiting = true;
        return void outcome.then((settled) => this.#decided(step.id, hosted, settled));
      }
      case "left":
        // Its outcome is then "gone".
        return hosted.isWaiting ? exchange.end("aborted", "client") : undefined;
      case "refused":
        return void exchange.refuse(step.code, step.message);
      case "head":
        return this.#headArrived(hosted, step);
      case "begun":
        if (hosted.answer !== undefined) hosted.answer.hasBegun = true;
        return exchange.progressed(step.progress);
      case "grown":
        return exchange.progressed(step.progress);
      case "ended":
        this.#open.delete(step.id);
        return ended(hosted, step.end);
    }
  }

  #decided(id: number, hosted: Hosted, outcome: Outcome): void {
    const { verdicts } = this.#parts;
    const { exchange } = hosted;
    hosted.isWaiting = false;
    if (outcome.kind !== "routed") return verdicts.add({ ...outcome, id });
    const { understood } = exchange;
    const { decision, headers } = outcome;
    if (understood === undefined) return;
    const body = outcome.body && movable(outcome.body);
    const { dialect, isStreaming, model, targetModel } = understood;
    verdicts.add(
      {
        kind: "routed",
        id,
        hostPorts: decision.targets.map(({ hostPort }) => hostPort),
        headers: headers[0],
        body,
        answer: { dialect, isStreaming, model, targetModel },
        setsHeaders: exchange.setsResponseHeaders,
        reportedChunks: reportedChunksOf(understood),
      },
      body?.buffer,
    );
  }

  #headArrived(
    hosted: Hosted,
    {
      id,
      head,
      waits,
    }: { readonly id: number; readonly head: ReportedHead; readonly waits: boolean },
  ): void {
    const answer = new ReportedAnswer(head);
    hosted.answer = answer;
    const { set } = hosted.exchange.responseHead(seenOf(head), answer);
    if (waits) this.#parts.verdicts.add({ kind: "headers", id, set });
  }
}

function ended({ exchange, answer }: Hosted, reported: ReportedEnd): void {
  answer?.complete(reported);
  if (answer !== undefined) answer.hasBegun = reported.hasBegun;
  exchange.progressed(reported);
  exchange.end(reported.end, reported.endedBy);
}

/** Reports of an answer's size, for a request that may be evicted and is spared once most of it has passed. */
const reportsPerAnswer = 16;

function reportedChunksOf({
  priority,
  isStreaming,
  outputTokensMax = usualTokens,
}: InferenceRequest): number | undefined {
  const isEvictable = priority < 0 && isStreaming;
  return isEvictable ? Math.max(1, Math.ceil(outputTokensMax / reportsPerAnswer)) : undefined;
}

const noHeaders: HeaderValues = { get: () => undefined };

function seenOf({ httpStatus, servedBy }: ReportedHead) {
  return { httpStatus, servedBy, headers: noHeaders, showsBody: false, showsWholeBody: false };
}

/** Headers as names and values in turns. A request looks up few of them, so that a map would not pay. */
class FlatHeaders implements HeaderValues {
  readonly #listed: readonly string[];

  constructor(listed: readonly string[]) {
    this.#listed = listed;
  }

  get(name: string): string | undefined {
    const listed = this.#listed;
    for (let at = 0; at < listed.length; at += 2) if (listed[at] === name) return listed[at + 1];
    return undefined;
  }

  isRepeated(name: string): boolean {
    const listed = this.#listed;
    let count = 0;
    for (let at = 0; at < listed.length; at += 2) if (listed[at] === name) count += 1;
    return count > 1;
  }
}
