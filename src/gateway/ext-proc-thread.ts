import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import type { BodyUse } from "../core/parse-result.ts";
import type { RequestHead } from "../core/request.ts";
import { HealthService } from "../data-plane/ingress/grpc/health.ts";
import type { Ingress } from "../data-plane/ingress/ingress.ts";
import { Outbox } from "../data-plane/ingress/workers/outbox.ts";
import { RemoteDataPlane } from "../data-plane/ingress/workers/remote-exchange.ts";
import { StreamCounts } from "../data-plane/ingress/workers/stream-counts.ts";
import type {
  FromWorker,
  ToWorker,
  WorkerStart,
} from "../data-plane/ingress/workers/thread-messages.ts";
import { bodyUseBy } from "../data-plane/body-use.ts";
import type { Accepted } from "../listening/port-listener.ts";
import type { IdentityOptions } from "../listening/server-identity.ts";
import { systemClock } from "../std/clock.ts";
import { reasonOf } from "../std/reason-of.ts";
import { RoundTrips } from "../std/round-trips.ts";
import type { ThreadOptions } from "./ext-proc-front.ts";
import { type MakeTransport, transportBy } from "./ext-proc-transport.ts";

/** Interval at which the counts of streams are told while the process drains. */
const countMs = 25;

/** An identity that the main thread follows. */
class ToldIdentity {
  options: IdentityOptions;
  #follow: ((options: IdentityOptions) => void) | undefined;

  constructor(options: IdentityOptions) {
    this.options = options;
  }

  onReplaced(follow: (options: IdentityOptions) => void): void {
    this.#follow = follow;
  }

  replace(options: IdentityOptions): void {
    this.options = options;
    this.#follow?.(options);
  }
}

type Post = (message: FromWorker, moved?: readonly ArrayBuffer[]) => void;

/** The parts of this thread that the main thread's messages change. */
class StreamServer {
  readonly #start: WorkerStart<ThreadOptions>;
  readonly #counts: StreamCounts;
  readonly #dataPlane: RemoteDataPlane;
  readonly #health = new HealthService();
  readonly #identity: ToldIdentity | undefined;
  readonly #ingress: Ingress;
  /** To the main thread and back. */
  readonly #trips = new RoundTrips();
  readonly #post: Post;
  #bodyUse: (head: RequestHead) => BodyUse;

  constructor(start: WorkerStart<ThreadOptions>, post: Post, make: MakeTransport) {
    this.#start = start;
    this.#post = post;
    this.#counts = new StreamCounts(start.counts);
    this.#bodyUse = bodyUseBy(start.rules);
    this.#health.setReady(start.isReady);
    this.#dataPlane = new RemoteDataPlane({
      steps: new Outbox((steps, moved) => {
        this.#count();
        post({ kind: "steps", steps }, moved);
        const nowMs = systemClock.nowMs();
        if (this.#trips.isDue(nowMs)) post({ kind: "probe", probeAtMs: nowMs });
      }),
      bodyUse: (head) => this.#bodyUse(head),
      nowMs: () => systemClock.nowMs(),
      delayMs: () => this.#trips.delayMs(systemClock.nowMs()),
    });
    const { tls } = start.options;
    this.#identity = tls.kind === "cleartext" ? undefined : new ToldIdentity(tls.options);
    this.#ingress = make({
      accepted: acceptedBy(tls.kind, this.#identity),
      health: this.#health,
      dataPlane: this.#dataPlane,
      clock: systemClock,
      log: { warn: (fields, message) => post({ kind: "log", fields, message }) },
      sharesPort: true,
    });
  }

  listen(): Promise<number> {
    const { address, port } = this.#start;
    return this.#ingress.listen(address, port);
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case "verdicts":
        return this.#dataPlane.receive(message.verdicts);
      case "answered": {
        const nowMs = systemClock.nowMs();
        return this.#trips.answered(nowMs - message.probeAtMs, nowMs);
      }
      case "rules":
        this.#bodyUse = bodyUseBy(message.rules);
        return undefined;
      case "ready":
        return this.#health.setReady(message.isReady);
      case "identity":
        return this.#identity?.replace(message.options);
      case "ping":
        return this.#post({ kind: "pong" });
      case "drain":
        return void this.#keepCounting();
      case "go-away":
        return this.#ingress.goAway();
    }
  }

  #count(): void {
    const { openRequests: open, requestsTotal: total } = this.#ingress;
    this.#counts.set(this.#start.index, { open, total });
  }

  /** Keeps the counts current until the process ends the thread: the drain ends by them. */
  async #keepCounting(): Promise<void> {
    for (;;) {
      this.#count();
      await systemClock.sleep(countMs);
    }
  }
}

function acceptedBy(
  kind: ThreadOptions["tls"]["kind"],
  identity: ToldIdentity | undefined,
): Accepted {
  if (kind === "cleartext" || identity === undefined) return { kind: "cleartext" };
  return { kind, identity };
}

assert(parentPort !== null, "this file runs on a worker thread");
const port = parentPort;
const post: Post = (message, moved = []) => port.postMessage(message, [...moved]);
// The main thread starts it with this type.
const start = workerData as WorkerStart<ThreadOptions>;
const server = new StreamServer(start, post, await transportBy(start.options));
port.on("message", (message: ToWorker) => server.receive(message));
try {
  post({ kind: "listening", port: await server.listen() });
} catch (cause) {
  post({ kind: "not-listening", reason: reasonOf(cause) });
}
