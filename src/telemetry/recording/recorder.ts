import type { SentRequest } from "../../core/data-plane-plugin.ts";
import type { PrefixMatch, PromptBlocks } from "../../core/prefix-match.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { RequestHead } from "../../core/request.ts";
import type { RequestStudy } from "../../core/request-study.ts";
import type { Clock } from "../../std/clock.ts";
import { nextTurn } from "../../std/next-turn.ts";
import { reasonOf } from "../../std/reason-of.ts";
import { KeyedHashes } from "./keyed-hashes.ts";
import {
  type EndpointLine,
  type HeaderLine,
  recordingFormat,
  recordingVersion,
  type StateLine,
} from "./lines.ts";
import type { RecordingMetrics } from "./metrics.ts";
import { type EndedRequest, type LeftFacts, requestLinesOf } from "./request-line.ts";
import type { RotatingFile } from "./rotating-file.ts";
import { SeenModels } from "./seen-models.ts";

/** Requests that wait to be written, and the words of their blocks; the line of one more is dropped. */
const waitingMax = 10_000;
const waitingWordsMax = 8_000_000;
/** Characters of lines that are written together. */
const batchCharactersMax = 1_000_000;
/** Requests whose lines are made in one turn of the event loop. */
const turnRequestsMax = 64;
/** Interval of writes, of lines about the pool, and of attempts to write again after a failure. */
const writeMs = 250;
const stateMs = 60_000;
const retryMs = 10_000;

/** The pool and the document at one moment. */
export interface RecordedState {
  readonly document: { readonly hash: string; readonly text: string };
  readonly endpoints: readonly EndpointLine[];
}

interface RecorderLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RecorderDeps {
  readonly file: Pick<RotatingFile, "isNew" | "write" | "close">;
  /** For the log. */
  readonly path: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: RecorderLog;
  readonly metrics: Pick<RecordingMetrics, "wrote" | "dropped">;
  readonly state: () => RecordedState;
}

/**
 * Writes a line for each request that is over. A request pays for an entry of a list; lines are made later, a few in each
 * turn of the event loop, and written in batches. If the file cannot be written, lines are dropped and counted, and
 * requests go on.
 */
export class Recorder implements RequestStudy {
  readonly #deps: RecorderDeps;
  readonly #hashes = new KeyedHashes();
  readonly #models = new SeenModels();
  readonly #startedMs: number;
  readonly #startedAt: string;
  /** Facts of requests that have left, for as long as these exist. */
  readonly #left = new WeakMap<RequestHead, LeftFacts>();
  #waiting: EndedRequest[] = [];
  #waitingWords = 0;
  #blockTokens = Number.POSITIVE_INFINITY;
  /** When the last state was written, and what it was. */
  #stateMs = Number.NEGATIVE_INFINITY;
  #stateKey = "";
  /** The documents whose texts the current file has. */
  readonly #texts = new Set<string>();
  #failed: { readonly untilMs: number; dropped: number } | undefined;
  #cancelTimer: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  readonly follower: RequestFollower = { ended: (record) => this.#ended(record) };

  constructor(deps: RecorderDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.nowMs();
    this.#startedAt = new Date(deps.clock.wallMs()).toISOString();
  }

  /** Writes the header, so that a file that cannot be written is found at the start. */
  async open(): Promise<void> {
    const { path, log } = this.#deps;
    await this.#writeLines([]);
    if (this.#failed === undefined) log.info({ file: path }, "recording started");
    this.#plan();
  }

  sent(sent: SentRequest, match: PrefixMatch | undefined): undefined {
    const { context, decision } = sent;
    const { slot } = decision.targets[0].endpoint;
    const { head, targetModel } = context.request;
    const adapters = context.load.adapters[slot];
    const isAdapter = adapters?.active.has(targetModel) || adapters?.waiting.has(targetModel);
    const blocks = match && this.#blocksOf(match, slot, context.endpoints);
    this.#left.set(head, { blocks, isAdapter: isAdapter === true });
  }

  /** Writes what is left. Later requests are not recorded. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    await this.#writing;
    await this.#flush();
    await this.#deps.file.close().catch(() => undefined);
    this.#deps.log.info({ file: this.#deps.path }, "recording ended");
  }

  /** Blocks of the smallest size in the pool, so that prompts can be compared whichever endpoints they went to. */
  #blocksOf(
    match: PrefixMatch,
    picked: number,
    endpoints: SentRequest["context"]["endpoints"],
  ): PromptBlocks | undefined {
    const ofPicked = match.blockTokens(picked);
    let slot = picked;
    if (ofPicked !== this.#blockTokens) {
      for (const endpoint of endpoints) {
        const tokens = match.blockTokens(endpoint.slot);
        if (tokens > 0 && tokens < match.blockTokens(slot)) slot = endpoint.slot;
      }
      this.#blockTokens = match.blockTokens(slot);
    }
    return match.promptBlocks?.(slot);
  }

  #ended(record: RequestRecord): void {
    if (this.#isClosed) return;
    const left = this.#left.get(record.head);
    const isFull = this.#waiting.length >= waitingMax || this.#waitingWords >= waitingWordsMax;
    if (isFull) return this.#deps.metrics.dropped(1);
    this.#waiting.push({ record, left });
    for (const chain of left?.blocks?.chains ?? []) this.#waitingWords += chain.length;
  }

  #plan(): void {
    if (this.#isClosed) return;
    this.#cancelTimer = this.#deps.clock.after(writeMs, () => {
      this.#writing = this.#flush().finally(() => this.#plan());
    });
  }

  /** Makes and writes the lines of the requests that wait. Never rejects. */
  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingWords = 0;
    const recording = {
      hashes: this.#hashes,
      models: this.#models,
      startedMs: this.#startedMs,
    };
    let lines: string[] = [];
    let characters = 0;
    for (let from = 0; from < waiting.length; from += turnRequestsMax) {
      for (const made of requestLinesOf(waiting.slice(from, from + turnRequestsMax), recording)) {
        const line = JSON.stringify(made);
        lines.push(line);
        characters += line.length;
      }
      if (characters >= batchCharactersMax) {
        await this.#writeLines(lines);
        lines = [];
        characters = 0;
      } else if (from + turnRequestsMax < waiting.length) {
        // Requests that arrive meanwhile must not wait for all of them.
        await nextTurn();
      }
    }
    await this.#writeLines(lines);
  }

  async #writeLines(lines: readonly string[]): Promise<void> {
    const { file, metrics, clock } = this.#deps;
    const nowMs = clock.nowMs();
    if (this.#failed !== undefined && nowMs < this.#failed.untilMs && !this.#isClosed) {
      return this.#drop(lines.length);
    }
    const before = [...this.#headerLines(), ...this.#stateLines(nowMs)];
    if (before.length + lines.length === 0) return;
    try {
      const bytes = await file.write(`${[...before, ...lines].join("\n")}\n`);
      metrics.wrote(lines.length, bytes);
      this.#recovered();
    } catch (cause) {
      this.#fail(cause);
      this.#drop(lines.length);
    }
  }

  #headerLines(): readonly string[] {
    if (!this.#deps.file.isNew) return [];
    this.#stateMs = Number.NEGATIVE_INFINITY;
    this.#stateKey = "";
    this.#texts.clear();
    const header: HeaderLine = {
      format: recordingFormat,
      version: recordingVersion,
      startedAt: this.#startedAt,
      pointsman: this.#deps.version,
    };
    return [JSON.stringify(header)];
  }

  /** The state, if it has changed or is due. */
  #stateLines(nowMs: number): readonly string[] {
    const { document, endpoints } = this.#deps.state();
    // Speeds change with every answer.
    const facts = endpoints.map((line) => ({ ...line, prefillTokensPerSecond: undefined }));
    const key = `${document.hash} ${JSON.stringify(facts)}`;
    const isDue = nowMs - this.#stateMs >= stateMs || this.#isClosed;
    if (!isDue && key === this.#stateKey) return [];
    this.#stateMs = nowMs;
    this.#stateKey = key;
    const { hash } = document;
    const text = this.#texts.has(hash) ? undefined : document.text;
    this.#texts.add(hash);
    const atMs = Math.round(nowMs - this.#startedMs);
    const line: StateLine = { state: { atMs, document: { hash, text }, endpoints } };
    return [JSON.stringify(line)];
  }

  #fail(cause: unknown): void {
    const { clock, log, path } = this.#deps;
    const dropped = this.#failed?.dropped ?? 0;
    if (this.#failed === undefined) {
      const advice = "requests go on without being recorded; it is tried again every 10s";
      log.warn({ file: path, reason: reasonOf(cause), advice }, "recording failed");
    }
    // The state may not have reached the file.
    this.#stateMs = Number.NEGATIVE_INFINITY;
    this.#texts.clear();
    this.#failed = { untilMs: clock.nowMs() + retryMs, dropped };
  }

  #drop(requests: number): void {
    this.#deps.metrics.dropped(requests);
    if (this.#failed !== undefined) this.#failed.dropped += requests;
  }

  #recovered(): void {
    if (this.#failed === undefined) return;
    const { log, path } = this.#deps;
    log.info({ file: path, dropped: this.#failed.dropped }, "recording resumed");
    this.#failed = undefined;
  }
}
