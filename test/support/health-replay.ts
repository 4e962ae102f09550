import { EngineModel } from "../../src/simulator/engine-model.ts";
import type { EngineOptions } from "../../src/simulator/engine-options.ts";
import { BoardSigns } from "../../src/state/health/engine-signs.ts";
import { EndpointHealth } from "../../src/state/health/endpoint-health.ts";
import { defaultHealth, type HealthEvent } from "../../src/state/health/phases.ts";
import type { WatchedRequest } from "../../src/state/health/watched-request.ts";
import { PoolState } from "../../src/state/pool-state.ts";
import { InFlightLedger, type InFlightTicket } from "../../src/state/in-flight.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { HealthSettings } from "../../src/core/health-settings.ts";
import { loadAt, report } from "./reports.ts";
import { wellNow } from "./well-now.ts";

/** Milliseconds between two reports of an engine. */
const reportMs = 50;
const blockTokens = 16;

/** One request of a workload. */
export interface ReplayRequest {
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Prompts with the same one share their first `sharedTokens`. */
  readonly prefix?: number;
  readonly sharedTokens?: number;
  readonly isStreaming?: boolean;
  readonly adapter?: string;
  readonly client?: number;
  /** The engine that its session sticks to. */
  readonly sticksTo?: number;
  /** Milliseconds after its sending at which its client leaves. */
  readonly leavesAfterMs?: number;
}

export interface ReplayOptions {
  readonly engines: readonly Partial<EngineOptions>[];
  readonly requests: readonly ReplayRequest[];
  readonly settings?: Partial<HealthSettings>;
  /** Other options of an engine from a moment on. */
  readonly changes?: readonly {
    readonly atMs: number;
    readonly engine: number;
    readonly options: Partial<EngineOptions>;
  }[];
  /** A moment at which an engine loses its cache without a sign. */
  readonly restarts?: readonly { readonly atMs: number; readonly engine: number }[];
  /** Whether the picker knows what engines hold of prompts. */
  readonly knowsPrefixes?: boolean;
  readonly hasReports?: boolean;
}

export interface Replayed {
  readonly events: readonly (HealthEvent & { readonly atMs: number })[];
  /** Milliseconds of all first tokens. */
  readonly ttftsMs: readonly number[];
}

interface Running {
  readonly request: ReplayRequest;
  readonly engine: number;
  readonly watched: WatchedRequest | undefined;
  readonly ticket: InFlightTicket;
  readonly sentMs: number;
}

/** Runs a workload through engine models, the running view and health in virtual time. */
export function replay(options: ReplayOptions): Replayed {
  const run = new Replay(options);
  return run.run();
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #state = new PoolState({ slotsMax: 64 });
  readonly #ledger = new InFlightLedger(this.#state.counts);
  readonly #events: (HealthEvent & { readonly atMs: number })[] = [];
  readonly #health: EndpointHealth;
  readonly #engines: EngineModel[];
  readonly #held: Set<string>[];
  readonly #running = new Map<number, Running>();
  readonly #leaves: { readonly atMs: number; readonly id: number }[] = [];
  readonly #ttftsMs: number[] = [];
  #endpoints: readonly Endpoint[] = [];
  #nowMs = 0;
  #ids = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const { store, view } = this.#state;
    this.#health = new EndpointHealth({
      onEvent: (event) => this.#events.push({ ...event, atMs: this.#nowMs }),
      signs: new BoardSigns(store.board, (slot) => view.load.adapters[slot]),
    });
    this.#health.settings = { ...defaultHealth, ...options.settings };
    store.onChange((change) => this.#health.follow(change, true, 0));
    store.apply(
      options.engines.map((_, index) => ({
        id: `default/e${index}`,
        namespace: "default",
        name: `e${index}`,
        address: `10.0.0.${index}`,
        port: 8_000,
        labels: {},
      })),
    );
    this.#endpoints = store.endpoints();
    this.#engines = options.engines.map((engine) => new EngineModel(engine));
    this.#held = options.engines.map(() => new Set());
  }

  run(): Replayed {
    const todo: { readonly atMs: number; readonly act: () => void }[] = [
      ...this.#options.requests.map((request) => ({
        atMs: request.atMs,
        act: () => this.#send(request),
      })),
      ...(this.#options.changes ?? []).map(({ atMs, engine, options }) => ({
        atMs,
        act: () => {
          const model = this.#engines[engine];
          model?.reconfigure({ ...model.options, ...options }, this.#nowMs);
        },
      })),
      ...(this.#options.restarts ?? []).map(({ atMs, engine }) => ({
        atMs,
        act: () => this.#restart(engine),
      })),
    ].toSorted((a, b) => a.atMs - b.atMs);
    const endMs = Math.max(...todo.map(({ atMs }) => atMs)) + 1;
    let next = 0;
    for (let reportAtMs = 0; reportAtMs <= endMs; reportAtMs += reportMs) {
      this.#advance(reportAtMs);
      if (this.#options.hasReports !== false) this.#report();
      for (; (todo[next]?.atMs ?? Infinity) < reportAtMs + reportMs; next += 1) {
        this.#advance(todo[next]?.atMs ?? 0);
        todo[next]?.act();
      }
    }
    return { events: this.#events, ttftsMs: this.#ttftsMs };
  }

  #send(request: ReplayRequest): void {
    const engine = this.#pick(request);
    const endpoint = this.#endpoints[engine];
    const model = this.#engines[engine];
    if (endpoint === undefined || model === undefined) throw new Error("an engine of the pool");
    const id = this.#ids;
    this.#ids += 1;
    const blocks = blocksOf(request, id);
    const predicted = this.#predictedOf(engine, blocks, request.promptTokens);
    for (const block of blocks) this.#held[engine]?.add(block);
    const { promptTokens, isStreaming = true, client } = request;
    const knows = this.#options.knowsPrefixes !== false;
    const watched = this.#health.sent(
      endpoint,
      {
        client,
        kind: undefined,
        isStreaming,
        model: request.adapter ?? "base",
        promptTokens,
        tokensMax: promptTokens,
        tokensMin: knows ? promptTokens - predicted : 0,
      },
      this.#nowMs,
    );
    const ticket = this.#ledger.open(endpoint, promptTokens, this.#nowMs);
    this.#running.set(id, { request, engine, watched, ticket, sentMs: this.#nowMs });
    if (request.leavesAfterMs !== undefined) {
      this.#leaves.push({ atMs: this.#nowMs + request.leavesAfterMs, id });
      this.#leaves.sort((a, b) => a.atMs - b.atMs);
    }
    model.submit(
      {
        id,
        promptTokens,
        promptBlocks: blocks,
        outputTokens: request.outputTokens,
        adapter: request.adapter,
      },
      this.#nowMs,
    );
  }

  /** Queue, then prefix, as the default document weighs them; a session goes where it was. */
  #pick(request: ReplayRequest): number {
    const load = loadAt(this.#state, this.#nowMs);
    const now = { inFlight: load.inFlightRequests, nowMs: this.#nowMs };
    const well = wellNow(this.#health, this.#endpoints, now);
    const { sticksTo } = request;
    if (sticksTo !== undefined && well.some(({ slot }) => slot === this.#slotOf(sticksTo))) {
      return sticksTo;
    }
    const blocks = blocksOf(request, -1);
    const waiting = well.map(({ slot }) => load.waitingRequests[slot] ?? 0);
    const [least, most] = [Math.min(...waiting), Math.max(...waiting)];
    let best = -1;
    let bestScore = -1;
    for (const [index, endpoint] of well.entries()) {
      const engine = this.#endpoints.indexOf(endpoint);
      const queue = most === least ? 1 : (most - (waiting[index] ?? 0)) / (most - least);
      const hit = this.#predictedOf(engine, blocks, request.promptTokens) / request.promptTokens;
      const running = load.inFlightRequests[endpoint.slot] ?? 0;
      const score = 2 * queue + 3 * hit - 0.001 * running;
      if (score > bestScore) [best, bestScore] = [engine, score];
    }
    return best;
  }

  #slotOf(engine: number): number | undefined {
    return this.#endpoints[engine]?.slot;
  }

  #predictedOf(engine: number, blocks: readonly string[], promptTokens: number): number {
    let matched = 0;
    while (matched < blocks.length && this.#held[engine]?.has(blocks[matched] ?? "") === true) {
      matched += 1;
    }
    return Math.min(promptTokens - 1, matched * blockTokens);
  }

  /** Everything that engines do, and clients that leave, up to a moment. */
  #advance(toMs: number): void {
    for (;;) {
      const steps = this.#engines.map((model) => model.nextStepAtMs() ?? Infinity);
      const leave = this.#leaves[0];
      const atMs = Math.min(...steps, leave?.atMs ?? Infinity);
      if (atMs > toMs) break;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      if (leave !== undefined && leave.atMs <= this.#nowMs) {
        this.#leaves.shift();
        this.#leave(leave.id);
      }
      for (const model of this.#engines) {
        for (const { kind, id } of model.advance(this.#nowMs)) this.#hear(kind, id);
      }
    }
    this.#nowMs = toMs;
  }

  #hear(kind: string, id: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    const { watched, ticket, sentMs, request } = running;
    if (kind === "first-token" && request.isStreaming !== false) {
      this.#ttftsMs.push(this.#nowMs - sentMs);
      watched?.answered(this.#nowMs);
      watched?.began(this.#nowMs);
      ticket.started();
    }
    if (kind !== "finished") return;
    watched?.answered(this.#nowMs);
    watched?.ended("complete", this.#nowMs);
    ticket.release();
    this.#running.delete(id);
  }

  #leave(id: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#engines[running.engine]?.cancel(id, this.#nowMs);
    running.watched?.ended("broken", this.#nowMs);
    running.ticket.release();
    this.#running.delete(id);
  }

  #restart(engine: number): void {
    const old = this.#engines[engine];
    if (old === undefined) return;
    for (const [id, running] of this.#running) {
      if (running.engine !== engine) continue;
      running.watched?.ended("broken", this.#nowMs);
      running.ticket.release();
      this.#running.delete(id);
    }
    this.#engines[engine] = new EngineModel(old.options);
  }

  #report(): void {
    for (const [index, model] of this.#engines.entries()) {
      const endpoint = this.#endpoints[index];
      if (endpoint === undefined) continue;
      const shown = model.snapshot();
      report(this.#state, endpoint, {
        atMs: this.#nowMs,
        intervalMs: reportMs,
        waitingRequests: shown.waitingRequests,
        runningRequests: shown.runningRequests,
        kvCacheUsedRatio: shown.kvUsedRatio,
        adapters: {
          active: new Set(shown.runningAdapters),
          waiting: new Set(shown.waitingAdapters),
          adaptersMax: model.options.loraSlotsMax,
        },
      });
    }
  }
}

/** Full blocks of a prompt: the shared ones by its prefix, the others its own. */
function blocksOf(request: ReplayRequest, id: number): readonly string[] {
  const { promptTokens, prefix, sharedTokens = 0, adapter = "" } = request;
  return Array.from({ length: Math.floor(promptTokens / blockTokens) }, (_, index) =>
    prefix !== undefined && (index + 1) * blockTokens <= sharedTokens
      ? `${adapter}:${prefix}:${index}`
      : `own:${id}:${index}`,
  );
}
