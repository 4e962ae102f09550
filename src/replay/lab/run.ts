import type { Outcome } from "../../core/decision.ts";
import type { Exchange } from "../../data-plane/exchange.ts";
import type { EngineEvent } from "../../simulator/engine-contract.ts";
import { nextTurn } from "../../std/next-turn.ts";
import { type Random, seededRandom } from "../../std/random.ts";
import { anyOf } from "./any-of.ts";
import {
  overloadedHead,
  refusedHead,
  streamEnd,
  streamHead,
  tokenChunk,
  wholeAnswer,
  wholeHead,
} from "./answers.ts";
import { headersOf, requestOf } from "./asked-request.ts";
import { type EngineJob, LabEngine } from "./engine.ts";
import { EventQueue } from "./event-queue.ts";
import { createPicker, type Picker } from "./picker.ts";
import type { Conversation, Plan, PlannedTurn } from "./conversation.ts";
import type { Deciding, Policy } from "./policy.ts";
import { EngineReports } from "./reports.ts";
import { type RunRecord, sentNow, type SentRequest } from "./run-record.ts";
import { SeenPrompts } from "./seen-prompts.ts";
import type { Setup } from "./setup.ts";
import { WaitingConversations } from "./waiting-conversations.ts";

/** Interval at which the picker brings its state up to date without requests, as `serve` does. */
const tickMs = 250;

/** Interval at which answers that are under way show a token. Each would cost as much as a decision. */
const chunkEveryMs = 2_000;

/** Most that a proxy waits before it sends a request again, as Envoy does the first time. */
const retryAfterMs = 25;

/** Milliseconds that a broken engine takes to answer. */
const curtAnswerMs = 20;

/** Times that a client sends a request again whose engine has died. */
const retriesMax = 3;

const path = "/v1/chat/completions";
const noBody = Buffer.alloc(0);

export interface RunOptions {
  readonly plan: Plan;
  readonly setup: Setup;
  readonly policy: Policy;
  readonly seed: number;
  /** When the run ends, whatever is under way. */
  readonly endMs: number;
}

/** Runs a plan once in virtual time. */
export async function runOnce(options: RunOptions): Promise<RunRecord> {
  const run = new Run(options);
  return run.all();
}

/** A request on its way. */
interface UnderWay {
  readonly id: number;
  readonly conversation: Conversation;
  readonly index: number;
  readonly turn: PlannedTurn;
  readonly sent: SentRequest;
  picker: Picker;
  readonly isStreaming: boolean;
  exchange: Exchange;
  retries: number;
}

class Run {
  readonly #options: RunOptions;
  readonly #queue = new EventQueue();
  readonly #random: Random;
  /** Chooses the requests whose answers are streamed. */
  readonly #streams: Random;
  readonly #engines: readonly LabEngine[];
  readonly #pickers: readonly Picker[];
  readonly #pickerOf: () => Picker;
  readonly #sent: SentRequest[] = [];
  readonly #seen = new SeenPrompts();
  readonly #decoding = new Set<UnderWay>();
  #underWay = 0;
  readonly #waiting = new WaitingConversations();
  /** Turns that come at a known time. */
  #planned = 0;
  #requests = 0;
  #inAdmission = 0;
  #restarted = 0;

  constructor(options: RunOptions) {
    const { setup, policy, seed } = options;
    this.#options = options;
    // The sequence of a run differs from that of its plan.
    this.#random = seededRandom(seed ^ 0x2545f491);
    this.#streams = seededRandom(seed ^ 0x51ed270b);
    this.#engines = Array.from({ length: setup.engines }, (_, index) => {
      const slowFactor = setup.slowFactors[index] ?? 1;
      const prefixCaching = index >= setup.uncachedEngines;
      const differing = setup.differing?.[index];
      const common = { ...setup.engineOptions, slowFactor, prefixCaching };
      return new LabEngine(this.#queue, { ...common, ...differing });
    });
    this.#pickers = Array.from({ length: setup.pickers }, (_, index) =>
      createPicker(this.#queue, {
        document: policy.document,
        endpoints: setup.engines,
        hasHealth: setup.hasHealth,
        seed: seed + index,
        adapt: (parts) =>
          policy.adapt?.(parts, {
            engines: this.#engines,
            random: seededRandom(seed + index),
            nowMs: () => this.#queue.nowMs,
            deciding: () => this.#deciding,
          }) ?? parts,
      }),
    );
    this.#pickerOf = anyOf(this.#pickers, seededRandom(seed ^ 0x51ed270b));
  }

  /** The request that is being decided about, for policies that see more than a picker does. */
  #deciding: Deciding | undefined;

  async all(): Promise<RunRecord> {
    this.#start();
    const { endMs } = this.#options;
    while (this.#planned + this.#underWay > 0 && this.#queue.runNext(endMs)) {
      // Waits for admission end as microtasks.
      if (this.#inAdmission > 0) await nextTurn();
    }
    const prefillMs = this.#engines.map((engine) => engine.prefillMs);
    return { sent: this.#sent, endMs: this.#queue.nowMs, prefillMs };
  }

  #start(): void {
    const { plan, setup } = this.#options;
    for (const conversation of plan.conversations) {
      const { atMs, after } = conversation;
      if (after === undefined) this.#plan(conversation, 0, atMs);
      else this.#waiting.add(conversation, after.conversation);
    }
    for (const { atMs, engine, slowFactor } of setup.speedChanges) {
      this.#queue.add(atMs, () => this.#engines[engine]?.reconfigure({ slowFactor }));
    }
    for (const picker of this.#pickers) this.#every(tickMs, () => picker.tick());
    this.#every(chunkEveryMs, () => this.#showTokens());
    const { restartEveryMs } = setup;
    if (restartEveryMs !== undefined) this.#every(restartEveryMs, () => this.#restart());
    const hasAdapters = plan.adapters.length > 0;
    for (const { pool } of this.#pickers) {
      const reports = new EngineReports(this.#queue, { pool, setup, hasAdapters });
      reports.start(this.#engines, this.#random);
    }
  }

  #every(intervalMs: number, run: () => void): void {
    this.#queue.add(this.#queue.nowMs + intervalMs, () => {
      run();
      this.#every(intervalMs, run);
    });
  }

  #plan(conversation: Conversation, index: number, atMs: number): void {
    this.#planned += 1;
    this.#queue.add(atMs, () => {
      this.#planned -= 1;
      this.#ask(conversation, index);
    });
  }

  #ask(conversation: Conversation, index: number): void {
    const turn = conversation.turns[index];
    const { nowMs } = this.#queue;
    if (turn === undefined) return;
    const idealTokens = this.#seen.cachedTokens(turn.prompt);
    const sent = sentNow(conversation, turn, { sentMs: nowMs, idealTokens });
    this.#sent.push(sent);
    this.#underWay += 1;
    const id = this.#requests;
    const begun = this.#begin(conversation);
    const isDrawn = this.#streams() < this.#options.setup.streamShare;
    const isStreaming = conversation.asked?.isStreaming ?? isDrawn;
    this.#decide({ id, conversation, index, turn, sent, isStreaming, ...begun, retries: 0 });
  }

  /** Begins a request at any of the pickers. */
  #begin(conversation: Conversation): Pick<UnderWay, "picker" | "exchange"> {
    const picker = this.#pickerOf();
    const id = String(this.#requests);
    this.#requests += 1;
    const headers = headersOf(conversation);
    const head = { id, method: "POST", path, headers, subset: undefined };
    return { picker, exchange: picker.dataPlane.begin(head, true) };
  }

  #decide(request: UnderWay): void {
    const { conversation, turn, picker } = request;
    const { prompt, outputTokens } = turn;
    picker.next = requestOf(conversation, turn, request.isStreaming);
    const { number, adapter } = conversation;
    this.#deciding = { conversation: number, prompt, outputTokens, adapter };
    const outcome = request.exchange.decide(noBody);
    picker.next = undefined;
    this.#deciding = undefined;
    if (!(outcome instanceof Promise)) return this.#decided(request, outcome);
    void this.#decidedLater(request, outcome);
  }

  async #decidedLater(request: UnderWay, outcome: Promise<Outcome>): Promise<void> {
    this.#inAdmission += 1;
    const late = await outcome;
    this.#inAdmission -= 1;
    this.#decided(request, late);
  }

  #decided(request: UnderWay, outcome: Outcome): void {
    if (outcome.kind === "routed") {
      this.#submit(request, outcome.decision.targets[0].endpoint.slot);
      return;
    }
    request.exchange.end("refused");
    this.#failed(request, outcome.kind === "refused" ? outcome.refusal.code : "gone");
  }

  #submit(request: UnderWay, slot: number): void {
    const { id, turn, conversation, sent } = request;
    sent.slot = slot;
    const job: EngineJob = {
      id: id + request.retries / (retriesMax + 2),
      turn,
      adapter: conversation.adapter,
      priority: request.picker.fields?.get("priority"),
      cachesAnswer: this.#options.setup.cachesAnswers,
      onEvent: (event) => this.#hear(request, event),
      onFailed: () => this.#retry(request),
      waitingTokens: undefined,
      hasFirstToken: false,
    };
    this.#seen.see(turn.prompt);
    if (this.#isCurt(slot)) return this.#answerCurtly(request);
    const result = this.#engines[slot]?.submit(job);
    if (result?.kind === "accepted") return;
    request.exchange.responseHead(refusedHead);
    request.exchange.end("complete");
    this.#failed(request, result?.reason ?? "no such endpoint");
  }

  #isCurt(slot: number): boolean {
    const { count, fromMs } = this.#options.setup.curtEngines;
    return slot < count && this.#queue.nowMs >= fromMs;
  }

  /** A broken engine answers without work. Its clients got nothing of use. */
  #answerCurtly(request: UnderWay): void {
    const { outputTokens } = this.#options.setup.curtEngines;
    const { nowMs } = this.#queue;
    const event = (kind: "first-token" | "finished", atMs: number) => {
      const told = { id: request.id, kind, cachedTokens: 0, outputTokens, atMs };
      this.#queue.add(atMs, () => this.#hear(request, told));
    };
    event("first-token", nowMs + curtAnswerMs);
    event("finished", nowMs + curtAnswerMs + outputTokens);
    request.sent.failure = "curt";
  }

  #hear(request: UnderWay, event: EngineEvent): void {
    const { sent, exchange, isStreaming } = request;
    if (event.kind === "first-token") {
      sent.firstTokenMs ??= event.atMs;
      sent.cachedTokens = event.cachedTokens;
      if (!isStreaming) return;
      exchange.responseHead(this.#headOf(streamHead, sent));
      exchange.responseChunk(tokenChunk, false);
      this.#decoding.add(request);
    } else if (event.kind === "finished") this.#finish(request, event);
  }

  #finish(request: UnderWay, { atMs, cachedTokens, outputTokens }: EngineEvent): void {
    const { sent, exchange, conversation, turn, index, isStreaming } = request;
    const { tellsUsage, tellsCachedTokens } = this.#options.setup;
    this.#decoding.delete(request);
    sent.endedMs = atMs;
    const usage = {
      promptTokens: turn.prompt.tokens,
      outputTokens,
      cachedTokens: tellsCachedTokens ? cachedTokens : undefined,
    };
    if (!isStreaming) exchange.responseHead(this.#headOf(wholeHead, sent));
    const told = tellsUsage ? usage : undefined;
    exchange.responseChunk(isStreaming ? streamEnd(told) : wholeAnswer(told), true);
    exchange.end("complete");
    this.#seen.see(turn.answered);
    this.#underWay -= 1;
    const next = conversation.turns[index + 1];
    if (next === undefined) this.#ended(conversation, atMs);
    else this.#plan(conversation, index + 1, atMs + next.thinkMs);
  }

  /** Others may have waited for the end of this conversation. */
  #ended(conversation: Conversation, atMs: number): void {
    for (const next of this.#waiting.for(conversation)) {
      this.#plan(next, 0, atMs + (next.after?.thinkMs ?? 0));
    }
  }

  /** Answers that are under way show that they are. */
  #showTokens(): void {
    for (const { exchange } of this.#decoding) exchange.responseChunk(tokenChunk, false);
  }

  /** The engine has died: the stream breaks off, or the proxy answers for it, and the client sends again. */
  #retry(request: UnderWay): void {
    const { exchange, sent } = request;
    this.#decoding.delete(request);
    const hasBegun = sent.firstTokenMs !== undefined && request.isStreaming;
    if (hasBegun) exchange.end("aborted");
    else {
      exchange.responseHead(overloadedHead);
      exchange.end("complete");
    }
    // A client that has seen a first token has seen it, though it has to ask again for the rest.
    if (!hasBegun) sent.firstTokenMs = undefined;
    if (request.retries >= retriesMax) return this.#failed(request, "engine died");
    request.retries += 1;
    Object.assign(request, this.#begin(request.conversation));
    this.#queue.add(this.#queue.nowMs + retryAfterMs * this.#random(), () => this.#decide(request));
  }

  #failed({ sent, conversation }: UnderWay, failure: string): void {
    sent.failure = failure;
    this.#underWay -= 1;
    this.#ended(conversation, this.#queue.nowMs);
  }

  #restart(): void {
    const { setup } = this.#options;
    const slot = this.#restarted % setup.engines;
    this.#restarted += 1;
    this.#engines[slot]?.restart();
  }

  #headOf(head: typeof streamHead, { slot = 0 }: SentRequest): typeof streamHead {
    return { ...head, servedBy: this.#pickers[0]?.endpoints[slot]?.hostPort };
  }
}
