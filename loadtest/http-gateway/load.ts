import { connect, type Socket } from "node:net";
import { AnswerReader } from "./answer-reader.ts";

/** Bounds of one load. */
const answersMax = 2_000_000;
const failuresMax = 200;

/** Milliseconds for what is under way when the time is over, and before a broken connection is replaced. */
const patienceMs = 5_000;
const reopenMs = 20;

const readBufferBytes = 64 * 1024;

export interface LoadOptions {
  readonly port: number;
  /** Whole requests with head and body, sent in turn. */
  readonly requests: readonly Buffer[];
  readonly connections: number;
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

/** Sends a request on each connection as soon as the one before is answered. Loopback only. */
export class Load {
  readonly options: LoadOptions;
  readonly #latenciesMs = new Float64Array(answersMax);
  readonly #firstBytesMs = new Float64Array(answersMax);
  readonly #failures: Record<string, number> = {};
  #answers = 0;
  #failed = 0;
  #next = 0;
  #open = 0;
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
    this.#send();
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
  }

  destroy(): void {
    this.#isWaiting = false;
    this.#socket?.destroy();
  }

  #send(): void {
    if (this.#load.isOver) return;
    this.#reader.reset();
    this.#isWaiting = true;
    this.#firstByteMs = 0;
    this.#sentMs = performance.now();
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
    else this.#send();
  }

  #closed(): void {
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
