import type { SentRequest } from "../../core/data-plane-plugin.ts";
import type { PrefixMatch, PromptBlocks } from "../../core/prefix-match.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { RequestStudy } from "../../core/request-study.ts";
import type { Clock } from "../../std/clock.ts";
import { nextTurn } from "../../std/next-turn.ts";
import { reasonOf } from "../../std/reason-of.ts";
import { EndedAttempts, SentAttempt } from "./ended-attempts.ts";
import { KeyedHashes } from "./keyed-hashes.ts";
import {
  type EndpointLine,
  type HeaderLine,
  recordingFormat,
  recordingVersion,
  type StateLine,
} from "./lines.ts";
import type { RecordingMetrics } from "./metrics.ts";
import { RequestLines } from "./request-lines.ts";
import type { RotatingFile } from "./rotating-file.ts";
import { SeenModels } from "./seen-models.ts";

/** Bytes of lines that wait to be written, and of those that are being written; the line of one more request is dropped. */
const linesBytesMax = 4 * 1024 * 1024;
/** Bytes of lines that are written at once. Fewer wait for `writeMs`: each write costs as much as many lines. */
const batchBytes = 512 * 1024;
/** Interval of writes, of lines about the pool, and of attempts to write again after a failure. */
const writeMs = 1_000;
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
 * Writes a line for each request that is over. Lines are bytes in a buffer from that moment on, because records that wait
 * would be moved by each collection of garbage. Hashes of their blocks are made later, a few in each turn of the event
 * loop, and all is written in batches. If the file cannot be written, lines are dropped and counted, and requests go on.
 */
export class Recorder implements RequestStudy {
  readonly #deps: RecorderDeps;
  readonly #startedMs: number;
  readonly #startedAt: string;
  readonly #attempts = new EndedAttempts();
  /** Lines of requests that have ended, and the empty or written ones of before. */
  #lines: RequestLines;
  #otherLines: RequestLines;
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
    const kept = { hashes: new KeyedHashes(), models: new SeenModels() };
    const recording = { ...kept, startedMs: this.#startedMs };
    this.#lines = new RequestLines(recording, linesBytesMax);
    this.#otherLines = new RequestLines(recording, linesBytesMax);
  }

  /** Writes the header, so that a file that cannot be written is found at the start. */
  async open(): Promise<void> {
    const { path, log } = this.#deps;
    await this.#flush();
    if (this.#failed === undefined) log.info({ file: path }, "recording started");
    this.#plan();
  }

  sent(sent: SentRequest, match: PrefixMatch | undefined): RequestFollower {
    const { context, decision } = sent;
    const { slot } = decision.targets[0].endpoint;
    const { targetModel } = context.request;
    const adapters = context.load.adapters[slot];
    const isAdapter = adapters?.active.has(targetModel) || adapters?.waiting.has(targetModel);
    const blocks = match && this.#blocksOf(match, slot, context.endpoints);
    return new SentAttempt(this.#attempts, { blocks, isAdapter: isAdapter === true });
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
    const lines = this.#lines;
    const wasBatch = lines.length >= batchBytes;
    const isAdded = lines.add(record, this.#attempts.take(record.head));
    if (!isAdded) this.#deps.metrics.dropped(1);
    if (!wasBatch && lines.length >= batchBytes && this.#cancelTimer !== undefined) this.#plan();
  }

  /** Plans the next write, once the one before is over. */
  #plan(): void {
    if (this.#isClosed) return;
    this.#cancelTimer?.();
    const waitMs = this.#lines.length < batchBytes ? writeMs : 0;
    this.#cancelTimer = this.#deps.clock.after(waitMs, () => {
      this.#cancelTimer = undefined;
      this.#writing = this.#flush().finally(() => this.#plan());
    });
  }

  /** Writes the lines of the requests that have ended. Never rejects. */
  async #flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = this.#otherLines;
    this.#otherLines = lines;
    // Requests that arrive meanwhile must not wait for all of them.
    while (lines.hashSome()) await nextTurn();
    await this.#write(lines.bytes(), lines.count);
    lines.clear();
  }

  async #write(lines: Uint8Array, requests: number): Promise<void> {
    const { file, metrics, clock } = this.#deps;
    const nowMs = clock.nowMs();
    if (this.#failed !== undefined && nowMs < this.#failed.untilMs && !this.#isClosed) {
      return this.#drop(requests);
    }
    const before = [...this.#headerLines(), ...this.#stateLines(nowMs)];
    if (before.length + requests === 0) return;
    try {
      const first = Buffer.from(before.map((line) => `${line}\n`).join(""));
      const bytes = await file.write(...[first, lines].filter(({ length }) => length > 0));
      metrics.wrote(requests, bytes);
      this.#recovered();
    } catch (cause) {
      this.#fail(cause);
      this.#drop(requests);
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
