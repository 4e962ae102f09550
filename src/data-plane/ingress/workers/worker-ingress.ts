import type { BodyRules } from "../../../core/parse-result.ts";
import type { Clock } from "../../../std/clock.ts";
import { EventLoopTurn } from "../../../std/event-loop-turn.ts";
import type { Pipeline } from "../../pipeline.ts";
import type { Ingress } from "../ingress.ts";
import { StreamCounts } from "./stream-counts.ts";
import type { ToWorker, WorkerStart } from "./thread-messages.ts";
import { WorkerThread } from "./worker-thread.ts";

/** Delay before a worker that has failed is started again, so that a lasting cause does not use up the machine. */
const restartMs = 200;

export interface WorkerIngressOptions {
  readonly workers: number;
  /** The program of a worker. */
  readonly entry: URL;
  /** Options of the protocol, for a worker that starts now. */
  readonly options: () => unknown;
}

interface WorkerIngressDeps {
  readonly dataPlane: Pick<Pipeline, "begin">;
  /** The rules in force; the same object until they change. */
  readonly rules: () => BodyRules;
  readonly clock: Pick<Clock, "after" | "nowMs">;
  readonly log: {
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
}

type Place = Pick<WorkerStart, "index" | "address" | "port">;

/**
 * Requests come in on worker threads that share one port, and are decided here, on the main thread. Workers do what
 * takes time by the byte: TLS, HTTP/2, the codec, bodies, and reading responses.
 */
export class WorkerIngress implements Ingress {
  readonly #options: WorkerIngressOptions;
  readonly #deps: WorkerIngressDeps;
  readonly #counts: StreamCounts;
  readonly #turn: EventLoopTurn;
  readonly #threads = new Map<number, WorkerThread>();
  #isReady = false;
  #isClosed = false;

  constructor(options: WorkerIngressOptions, deps: WorkerIngressDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#counts = StreamCounts.of(options.workers);
    this.#turn = new EventLoopTurn(deps.clock);
  }

  get openRequests(): number {
    let hosted = 0;
    for (const thread of this.#threads.values()) hosted += thread.openRequests;
    // A worker counts a stream before its first step is here, and no more before its last one is.
    return Math.max(this.#counts.open, hosted);
  }

  /** Requests open now on each worker. */
  get counts(): readonly number[] {
    return this.#counts.each;
  }

  get requestsTotal(): number {
    return this.#counts.total;
  }

  async listen(address: string, port: number): Promise<number> {
    // The first one finds a free port if none is given; the others share it.
    const shared = await this.#start({ index: 0, address, port });
    const others = Array.from({ length: this.#options.workers - 1 }, (_, at) =>
      this.#start({ index: at + 1, address, port: shared }),
    );
    await Promise.all(others);
    return shared;
  }

  /** Sets what gRPC health checks answer on the port of the workers. */
  setReady(isReady: boolean): void {
    this.#isReady = isReady;
    this.tellAll({ kind: "ready", isReady });
  }

  tellAll(message: ToWorker): void {
    for (const thread of this.#threads.values()) thread.tell(message);
  }

  /** Tells the rules in force to workers that have older ones. */
  tellRules(): void {
    const rules = this.#deps.rules();
    for (const thread of this.#threads.values()) {
      if (thread.rules === rules) continue;
      thread.rules = rules;
      thread.tell({ kind: "rules", rules });
    }
  }

  announceEnd(): void {
    this.tellAll({ kind: "drain" });
  }

  goAway(): void {
    this.#isClosed = true;
    this.tellAll({ kind: "go-away" });
  }

  abort(): void {
    this.#isClosed = true;
    for (const thread of this.#threads.values()) thread.abort();
  }

  /** Starts a worker, and again each time it fails once it listens. Resolves to its port. */
  async #start(place: Place): Promise<number> {
    const thread = this.#threadAt(place);
    const port = await thread.listening;
    void thread.ended.then((failure) => this.#failed({ ...place, port }, failure));
    return port;
  }

  #threadAt(place: Place): WorkerThread {
    const { entry, options } = this.#options;
    const thread = new WorkerThread(
      {
        ...place,
        rules: this.#deps.rules(),
        isReady: this.#isReady,
        counts: this.#counts.shared,
        options: options(),
      },
      { ...this.#deps, entry, turn: this.#turn, onSteps: () => this.tellRules() },
    );
    this.#threads.set(place.index, thread);
    return thread;
  }

  #failed(place: Place, failure: unknown): void {
    this.#threads.delete(place.index);
    this.#counts.set(place.index, { open: 0, total: 0 });
    if (this.#isClosed) return;
    this.#deps.log.error({ worker: place.index, err: failure }, "worker failed");
    this.#startAgain(place);
  }

  #startAgain(place: Place): void {
    this.#deps.clock.after(restartMs, () => {
      if (this.#isClosed) return;
      this.#start(place).then(
        () => this.#deps.log.warn({ worker: place.index }, "worker restarted"),
        (failure: unknown) => this.#failed(place, failure),
      );
    });
  }
}
