import { Worker } from "node:worker_threads";
import type { BodyRules } from "../../../core/parse-result.ts";
import type { CancelTimer, Clock } from "../../../std/clock.ts";
import type { EventLoopTurn } from "../../../std/event-loop-turn.ts";
import { TurnQueue } from "../../../std/turn-queue.ts";
import type { Pipeline } from "../../pipeline.ts";
import { HostedExchanges } from "./hosted-exchanges.ts";
import { Outbox } from "./outbox.ts";
import type { FromWorker, ToWorker, Verdict, WorkerStart } from "./thread-messages.ts";

/** Milliseconds between two pings, and pings without an answer after which a worker counts as hung. */
const pingMs = 1_000;
const unansweredMax = 10;

/** Messages of which there are more, the more requests there are. */
type OfRequests = Extract<FromWorker, { kind: "steps" | "probe" }>;

interface ThreadParts {
  /** The program of a worker. */
  readonly entry: URL;
  readonly dataPlane: Pick<Pipeline, "begin">;
  /** Runs before the worker's requests take their next steps. */
  readonly onSteps: () => void;
  /** Shared by all workers. */
  readonly turn: EventLoopTurn;
  readonly clock: Pick<Clock, "after">;
  readonly log: { warn(fields: object, message: string): void };
}

/** A worker thread, and its requests on this one. */
export class WorkerThread {
  readonly #thread: Worker;
  readonly #hosted: HostedExchanges;
  readonly #verdicts: Outbox<Verdict>;
  readonly #parts: ThreadParts;
  readonly #inTurn: TurnQueue<OfRequests>;
  readonly #listening = Promise.withResolvers<number>();
  #cancelPing: CancelTimer | undefined;
  /** Of a thread that is ended here; undefined if it failed by itself. */
  #failure: unknown;
  /** Pings since its last answer. Not a time: this thread may be what stood still. */
  #unanswered = 0;
  /** Resolves when the thread has ended, to its error if it failed. */
  readonly ended: Promise<unknown>;
  /** The rules that it was told last. */
  rules: BodyRules;

  constructor(start: WorkerStart, parts: ThreadParts) {
    this.#parts = parts;
    this.rules = start.rules;
    this.#thread = new Worker(parts.entry, { workerData: start, name: `worker ${start.index}` });
    this.#verdicts = new Outbox((verdicts, moved) =>
      this.tell({ kind: "verdicts", verdicts }, moved),
    );
    const { dataPlane } = parts;
    const worker = start.index;
    this.#hosted = new HostedExchanges({ worker, dataPlane, verdicts: this.#verdicts });
    this.#inTurn = new TurnQueue(parts.turn, (message) => this.#handle(message));
    this.#thread.on("message", (message: FromWorker) => this.#receive(message));
    this.ended = this.#end();
  }

  /** Resolves to the port; rejects with one readable line if it cannot listen. */
  get listening(): Promise<number> {
    return this.#listening.promise;
  }

  tell(message: ToWorker, moved: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, moved);
  }

  /** Its requests on this thread. */
  get openRequests(): number {
    return this.#hosted.size;
  }

  /** Cuts off its requests. */
  abort(): void {
    this.#hosted.endAll("drain");
    void this.#thread.terminate();
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "steps":
      case "probe":
        return this.#inTurn.add(message);
      case "pong":
        this.#unanswered = 0;
        return undefined;
      case "listening":
        this.#listening.resolve(message.port);
        return this.#pingLater();
      case "not-listening":
        return this.#listening.reject(new Error(message.reason));
      case "log":
        return this.#parts.log.warn(message.fields, message.message);
    }
  }

  #handle(message: OfRequests): void {
    // The answer to a probe tells how long steps wait here.
    if (message.kind === "probe") {
      return this.tell({ kind: "answered", probeAtMs: message.probeAtMs });
    }
    this.#parts.onSteps();
    this.#hosted.receive(message.steps);
    this.#verdicts.flush();
  }

  /** Asks for a sign of life again and again; ends a thread that gives none. */
  #pingLater(): void {
    this.#cancelPing = this.#parts.clock.after(pingMs, () => {
      if (this.#unanswered >= unansweredMax) {
        this.#failure = new Error(`it answered none of ${unansweredMax} pings`);
        return void this.#thread.terminate();
      }
      this.#unanswered += 1;
      this.tell({ kind: "ping" });
      this.#pingLater();
    });
  }

  #end(): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#thread.on("error", (error) => {
      this.#failure = error;
    });
    this.#thread.on("exit", () => {
      this.#cancelPing?.();
      this.#inTurn.clear();
      // Its proxies have lost their connections, and counts must not outlive their requests.
      this.#hosted.endAll("unknown");
      this.#listening.reject(this.#failure ?? new Error("the worker ended before it listened"));
      resolve(this.#failure);
    });
    return promise;
  }
}
