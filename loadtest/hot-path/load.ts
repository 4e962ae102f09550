import { seededRandom, type Random } from "../../src/std/random.ts";
import { type AbortPlace, Call, type CallObserver, type Outcome } from "./call.ts";
import { Connection } from "./connection.ts";
import type { PreparedAnswer, PreparedRequest } from "./messages.ts";

/** Bounds of one load. */
const samplesMax = 2_000_000;
const failuresMax = 2_000;
const failureKindsMax = 20;
/** Calls of an open loop that may be under way; more would only say that the server is lost. */
const openCallsMax = 8_192;

/** Milliseconds for what is under way when the time is over, and between two looks at the clock. */
const patienceMs = 5_000;
const patienceTriesMax = 6;
const tickMs = 1;
/** Before a connection that broke is replaced. */
const reopenMs = 20;

const arrivalsSeed = 1;
const abortPlaces: readonly AbortPlace[] = ["request", "pick", "answer"];

export interface LoadOptions {
  readonly port: number;
  readonly isTls: boolean;
  readonly authority: string;
  readonly connections: number;
  /** True if each call has a connection of its own. */
  readonly isShort: boolean;
  /** Calls under way in a closed loop. */
  readonly streams: number;
  /** Of an open loop with random arrivals; 0 for a closed one. */
  readonly ratePerSecond: number;
  readonly requests: readonly PreparedRequest[];
  readonly answer: PreparedAnswer;
  /** Every so manieth call is left by its client; 0 for none. */
  readonly abortEach: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** Called at the start and the end of the measured time. */
  readonly onMark: (mark: "start" | "end") => void;
}

export interface LoadResult {
  readonly measuredMs: number;
  /** Milliseconds from the first byte to the pick, in order. */
  readonly picksMs: Float64Array;
  /** Milliseconds of each event of answers, there and back, in order. */
  readonly piecesMs: Float64Array;
  /** Milliseconds until requests were refused, in order. */
  readonly refusalsMs: Float64Array;
  /** Calls that ended in the measured time. */
  readonly answered: number;
  readonly aborted: number;
  /** By status. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  /** Largest lateness of an arrival. */
  readonly lateMs: number;
  /** CPU time of this process over the measured time. */
  readonly loadCpuMs: number;
}

/** Makes calls at a server on the loopback address. */
export class Load implements CallObserver {
  readonly #options: LoadOptions;
  readonly #random: Random;
  readonly #connections: Connection[] = [];
  readonly #picks = new Samples();
  readonly #pieces = new Samples();
  readonly #refused = new Samples();
  readonly #refusals: Record<string, number> = {};
  readonly #failures: Record<string, number> = {};
  #failed = 0;
  #answered = 0;
  #aborted = 0;
  /** Calls that were due while too many were open. */
  #unsent = 0;
  #number: number;
  #open = 0;
  #lateMs = 0;
  #nextDueMs = 0;
  #isMeasured = false;
  #isOver = false;
  #idle = () => {};

  /** `firstNumber` is that of the first request: loads after each other have prompts of their own. */
  constructor(options: LoadOptions, firstNumber = 0) {
    this.#options = options;
    this.#number = firstNumber;
    this.#random = seededRandom(arrivalsSeed + firstNumber);
  }

  async run(): Promise<LoadResult> {
    const { isShort, connections, ratePerSecond, warmUpMs, measuredMs, onMark } = this.#options;
    if (!isShort) for (let index = 0; index < connections; index += 1) this.#connect(index);
    if (ratePerSecond > 0) this.#arrive(performance.now());
    else for (let index = 0; index < this.#options.streams; index += 1) this.#call();
    await pause(warmUpMs);
    onMark("start");
    this.#isMeasured = true;
    const startMs = performance.now();
    const cpu = process.cpuUsage();
    await pause(measuredMs);
    this.#isMeasured = false;
    const endMs = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    onMark("end");
    this.#isOver = true;
    await this.#finish();
    return {
      measuredMs: endMs - startMs,
      picksMs: this.#picks.sorted(),
      piecesMs: this.#pieces.sorted(),
      refusalsMs: this.#refused.sorted(),
      answered: this.#answered,
      aborted: this.#aborted,
      refusals: this.#refusals,
      failures: this.#failures,
      lateMs: this.#lateMs,
      loadCpuMs: (user + system) / 1_000,
    };
  }

  picked({ startMs }: Call): void {
    if (this.#isMeasured) this.#picks.add(performance.now() - startMs);
  }

  pieceCameBack(ms: number): void {
    if (this.#isMeasured) this.#pieces.add(ms);
  }

  ended(call: Call, outcome: Outcome): void {
    this.#open -= 1;
    if (outcome === "failed") this.#fail(call.failure);
    else if (this.#isMeasured) this.#count(call, outcome);
    if (this.#isOver) {
      if (this.#open === 0) this.#idle();
    } else if (this.#options.ratePerSecond === 0) this.#callAgain(outcome);
  }

  #callAgain(outcome: Outcome): void {
    // A server that refuses at once must not make a busy loop of the load.
    if (outcome === "answered" || outcome === "aborted") this.#call();
    else setTimeout(() => this.#call(), reopenMs);
  }

  #count({ startMs, status }: Call, outcome: Outcome): void {
    if (outcome === "answered") this.#answered += 1;
    else if (outcome === "aborted") this.#aborted += 1;
    else if (outcome === "refused") {
      this.#refusals[status] = (this.#refusals[status] ?? 0) + 1;
      this.#refused.add(performance.now() - startMs);
    }
  }

  #fail(failure: string): void {
    this.#failed += 1;
    const isKnown = this.#failures[failure] !== undefined;
    const kind =
      isKnown || Object.keys(this.#failures).length < failureKindsMax ? failure : "other";
    this.#failures[kind] = (this.#failures[kind] ?? 0) + 1;
    if (this.#failed >= failuresMax) this.#isOver = true;
  }

  #call(): void {
    if (this.#isOver) return;
    const { requests, answer, abortEach } = this.#options;
    const number = this.#number;
    this.#number += 1;
    const request = requests[number % requests.length];
    if (request === undefined) throw new Error("a load needs requests");
    request.number(number);
    const isAborted = abortEach > 0 && number % abortEach === 0;
    const abortAt = isAborted ? abortPlaces[(number / abortEach) % abortPlaces.length] : undefined;
    const call = new Call({ request, answer, abortAt }, this);
    this.#open += 1;
    const connection = this.#options.isShort ? this.#connectOnce() : this.#connectionOf(number);
    if (connection === undefined) {
      call.ended("no connection");
      return;
    }
    call.begin(connection);
  }

  #connectionOf(number: number): Connection | undefined {
    const connection = this.#connections[number % this.#connections.length];
    if (connection === undefined || connection.isClosed) return undefined;
    return connection.openStreams < connection.streamsMax ? connection : undefined;
  }

  #connectOnce(): Connection {
    const { port, isTls, authority } = this.#options;
    const connection: Connection = new Connection({
      ...{ port, isTls, authority },
      onIdle: () => connection.destroy(),
      onClosed: () => undefined,
    });
    return connection;
  }

  #connect(index: number): void {
    if (this.#isOver) return;
    const { port, isTls, authority } = this.#options;
    const reopen = () => {
      if (this.#connections[index] === connection) setTimeout(() => this.#connect(index), reopenMs);
    };
    const connection: Connection = new Connection({
      ...{ port, isTls, authority },
      onLeaving: () => this.#connect(index),
      onClosed: reopen,
    });
    this.#connections[index] = connection;
  }

  /** Starts the calls that are due, again and again until the end. */
  #arrive(nowMs: number): void {
    const gapMs = 1_000 / this.#options.ratePerSecond;
    if (this.#nextDueMs === 0) this.#nextDueMs = nowMs;
    while (this.#nextDueMs <= nowMs && !this.#isOver) {
      if (this.#isMeasured) this.#lateMs = Math.max(this.#lateMs, nowMs - this.#nextDueMs);
      this.#nextDueMs -= gapMs * Math.log(1 - this.#random());
      if (this.#open < openCallsMax) this.#call();
      else this.#unsent += 1;
    }
    if (!this.#isOver) setTimeout(() => this.#arrive(performance.now()), tickMs);
  }

  async #finish(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
      if (this.#open === 0) resolve();
    });
    // Calls that wait in a queue take as long as it is: only a time in which none ends is over.
    let before = Number.POSITIVE_INFINITY;
    for (let tries = 0; this.#open < before && tries < patienceTriesMax; tries += 1) {
      before = this.#open;
      await Promise.race([idle, pause(patienceMs)]);
    }
    if (this.#open > 0) this.#failures["unanswered"] = this.#open;
    if (this.#unsent > 0) this.#failures[`not sent, ${openCallsMax} open`] = this.#unsent;
    for (const connection of this.#connections) connection.destroy();
  }
}

/** Times of one kind, up to a bound. */
class Samples {
  #values = new Float64Array(1_024);
  #count = 0;

  add(value: number): void {
    if (this.#count === samplesMax) return;
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(Math.min(samplesMax, this.#count * 2));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.#count).toSorted();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
