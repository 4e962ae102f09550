import { connect, type Socket } from "node:net";
import { seededRandom } from "../../src/std/random.ts";
import { AnswerReader } from "./answer-reader.ts";

/** Bounds of one load. */
const answersMax = 2_000_000;
const failuresMax = 200;
const waitingMax = 100_000;

/** Milliseconds for what is under way when the time is over, and before a broken connection is replaced. */
const patienceMs = 5_000;
const reopenMs = 20;

const readBufferBytes = 64 * 1024;

export interface LoadOptions {
  readonly port: number;
  /** Whole requests with head and body, sent in turn. */
  readonly requests: readonly Buffer[];
  readonly connections: number;
  /** Requests that arrive a second; 0 if each connection sends its next one after an answer. */
  readonly ratePerSecond: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** Bytes that the body of each answer has at least. */
  readonly bodyBytesMin: number;
  /** Called at the start and the end of the measured time. */
  readonly onMark: (mark: "start" | "end") => void;
}

export interface LoadResult {
  /** Times of answers in the measured time, in order of length. */
  readonly latenciesMs: Float64Array;
  /** Times until their first bytes. */
  readonly firstBytesMs: Float64Array;
  readonly measuredMs: number;
  readonly failures: Readonly<Record<string, number>>;
  /** CPU time of this process over the measured time. */
  readonly loadCpuMs: number;
}

/**
 * Sends a request on each connection as soon as the one before is answered, or as requests arrive at a rate, at random
 * moments: one that finds no free connection waits for one, and its wait counts. Loopback only.
 */
export class Load {
  readonly options: LoadOptions;
  readonly #latenciesMs = new Float64Array(answersMax);
  readonly #firstBytesMs = new Float64Array(answersMax);
  readonly #failures: Record<string, number> = {};
  #answers = 0;
  #failed = 0;
  #next = 0;
  #open = 0;
  readonly #free: LoadConnection[] = [];
  /** Times of arrival of requests that wait for a connection. */
  readonly #waiting: number[] = [];
  readonly #random = seededRandom(1);
  #isMeasured = false;
  isOver = false;
  #idle = () => {};

  constructor(options: LoadOptions) {
    this.options = options;
  }

  async run(): Promise<LoadResult> {
    const { connections, warmUpMs, measuredMs, onMark } = this.options;
    const open = Array.from({ length: connections }, () => new LoadConnection(this));
    for (const connection of open) connection.open();
    this.#arrive(performance.now());
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
    this.isOver = true;
    await Promise.race([
      new Promise<void>((resolve) => this.#whenIdle(resolve)),
      pause(patienceMs),
    ]);
    for (const connection of open) connection.destroy();
    return {
      latenciesMs: this.#latenciesMs.slice(0, this.#answers).toSorted(),
      firstBytesMs: this.#firstBytesMs.slice(0, this.#answers).toSorted(),
      measuredMs: endMs - startMs,
      failures: this.#failures,
      loadCpuMs: (user + system) / 1_000,
    };
  }

  /** A connection is ready for its next request. */
  ready(connection: LoadConnection): void {
    if (this.options.ratePerSecond === 0) return connection.send(performance.now());
    const arrivedMs = this.#waiting.shift();
    if (arrivedMs === undefined) this.#free.push(connection);
    else connection.send(arrivedMs);
  }

  /** A connection is closed. */
  gone(connection: LoadConnection): void {
    const place = this.#free.indexOf(connection);
    if (place !== -1) this.#free.splice(place, 1);
  }

  /** Lets the requests arrive that are due, and comes back for the next ones. */
  #arrive(dueMs: number): void {
    const { ratePerSecond } = this.options;
    if (ratePerSecond === 0 || this.isOver) return;
    const nowMs = performance.now();
    let nextMs = dueMs;
    while (nextMs <= nowMs && this.#waiting.length < waitingMax) {
      const connection = this.#free.pop();
      if (connection === undefined) this.#waiting.push(nowMs);
      else connection.send(nowMs);
      nextMs -= (Math.log(1 - this.#random()) / ratePerSecond) * 1_000;
    }
    setTimeout(() => this.#arrive(nextMs), 1);
  }

  /** The next request to send. */
  take(): Buffer {
    const { requests } = this.options;
    const request = requests[this.#next++ % requests.length];
    if (request === undefined) throw new Error("a load needs requests");
    this.#open += 1;
    return request;
  }

  answered(latencyMs: number, firstByteMs: number): void {
    this.#end();
    if (!this.#isMeasured) return;
    this.#latenciesMs[this.#answers] = latencyMs;
    this.#firstBytesMs[this.#answers] = firstByteMs;
    this.#answers += 1;
    if (this.#answers >= answersMax) this.isOver = true;
  }

  failed(reason: string): void {
    this.#end();
    this.#failures[reason] = (this.#failures[reason] ?? 0) + 1;
    this.#failed += 1;
    if (this.#failed >= failuresMax) this.isOver = true;
  }

  #end(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#idle();
  }

  #whenIdle(resolve: () => void): void {
    this.#idle = resolve;
    if (this.#open === 0) resolve();
  }
}

class LoadConnection {
  readonly #load: Load;
  readonly #reader = new AnswerReader();
  readonly #buffer = Buffer.allocUnsafe(readBufferBytes);
  #socket: Socket | undefined;
  #sentMs = 0;
  #firstByteMs = 0;
  #isWaiting = false;

  constructor(load: Load) {
    this.#load = load;
  }

  open(): void {
    // One buffer for all reads: no allocation on the way of an answer.
    const callback = (bytes: number, buffer: Uint8Array) => {
      this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
      return true;
    };
    const socket = connect({
      port: this.#load.options.port,
      host: "127.0.0.1",
      noDelay: true,
      onread: { buffer: this.#buffer, callback },
    });
    this.#socket = socket;
    this.#load.ready(this);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
  }

  destroy(): void {
    this.#isWaiting = false;
    this.#socket?.destroy();
  }

  /** `arrivedMs`: the time from which its answer counts. */
  send(arrivedMs: number): void {
    if (this.#load.isOver) return;
    this.#reader.reset();
    this.#isWaiting = true;
    this.#firstByteMs = 0;
    this.#sentMs = arrivedMs;
    this.#socket?.write(this.#load.take());
  }

  #read(piece: Buffer): void {
    if (this.#firstByteMs === 0) this.#firstByteMs = performance.now();
    if (this.#reader.push(piece)) this.#answered();
  }

  #answered(): void {
    const { status, bodyBytes, isLast } = this.#reader;
    this.#isWaiting = false;
    if (status !== 200) this.#load.failed(`status ${status}`);
    else if (bodyBytes < this.#load.options.bodyBytesMin) this.#load.failed("short answer");
    else {
      const latencyMs = performance.now() - this.#sentMs;
      this.#load.answered(latencyMs, this.#firstByteMs - this.#sentMs);
    }
    if (isLast) this.#socket?.destroy();
    else this.#load.ready(this);
  }

  #closed(): void {
    this.#load.gone(this);
    if (this.#isWaiting && this.#reader.close()) this.#answered();
    else if (this.#isWaiting) {
      this.#isWaiting = false;
      this.#load.failed("connection closed");
    }
    if (!this.#load.isOver) setTimeout(() => this.open(), reopenMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
