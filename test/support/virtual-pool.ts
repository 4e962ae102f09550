import { EventQueue } from "../../src/replay/lab/event-queue.ts";
import { signalsOf, specOf } from "../../src/replay/lab/virtual-endpoint.ts";
import { buildConfig } from "../../src/gateway/build-config.ts";
import type { Pipeline } from "../../src/data-plane/pipeline.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import type { EngineEvent } from "../../src/simulator/engine-contract.ts";
import { EngineModel } from "../../src/simulator/engine-model.ts";
import type { EngineOptions } from "../../src/simulator/engine-options.ts";
import { parseCall } from "../../src/simulator/http/inference-call.ts";
import { parseJsonRecord } from "../../src/simulator/json.ts";
import { createDataPlane } from "../../src/gateway/data-plane.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { ReportWriter } from "../../src/state/report-writer.ts";
import { routedIn, throwsDefects } from "./exchanges.ts";
import { quietPool } from "./quiet-pool.ts";
import { type Random, seededRandom } from "../../src/std/random.ts";

const baseModel = "sim-model";
const bodyBytesMax = 2 ** 20;

/** Milliseconds between two reports of a busy engine, as the scraper reads them. */
const reportMs = 50;

const answerHead = {
  httpStatus: 200,
  headers: new Map([["content-type", "text/event-stream"]]),
  servedBy: undefined,
  showsBody: true,
  showsWholeBody: true,
};
const firstToken = Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');

type FirstTokenListener = (ttftMs: number) => unknown;

export interface VirtualPoolOptions {
  readonly document: string;
  readonly engines: number;
  readonly adapters: readonly string[];
  readonly engineOptions: Partial<EngineOptions>;
  readonly seed: number;
}

/**
 * A picker and simulated engines in virtual time: the decisions, the running view and the engines are the real ones,
 * with nothing of a network between them. A minute of traffic takes a second, and the same seed gives the same result.
 */
export class VirtualPool {
  readonly #pool = quietPool();
  readonly #store = this.#pool.store;
  readonly #writer = new ReportWriter(this.#store.board, new Map());
  readonly #engines: readonly EngineModel[];
  readonly #listeners: readonly Map<number, (event: EngineEvent) => void>[];
  readonly #stepAtMs: number[];
  readonly #adapters: readonly string[];
  readonly #dataPlane: Pipeline;
  readonly #random: Random;
  readonly #queue = new EventQueue();
  #requests = 0;

  constructor({ document, engines, adapters, engineOptions, seed }: VirtualPoolOptions) {
    this.#random = seededRandom(seed);
    this.#adapters = adapters;
    this.#engines = Array.from({ length: engines }, () => new EngineModel(engineOptions));
    this.#listeners = this.#engines.map(() => new Map());
    this.#stepAtMs = this.#engines.map(() => Number.POSITIVE_INFINITY);
    this.#store.apply(this.#engines.map((_, index) => specOf(index)));
    this.#dataPlane = this.#dataPlaneOf(document);
    for (const [index] of this.#engines.entries()) {
      this.#queue.add(this.#random() * reportMs, () => this.#report(index));
    }
  }

  /** Sends a chat completion at `atMs`; `onFirstToken` hears how long it took. */
  send(atMs: number, body: string, onFirstToken: FirstTokenListener): void {
    this.#queue.add(atMs, () => this.#send(body, onFirstToken));
  }

  /** Gives one engine other options from a moment on. */
  change(atMs: number, index: number, options: Partial<EngineOptions>): void {
    this.#queue.add(atMs, () => {
      const engine = this.#engines[index];
      engine?.reconfigure({ ...engine.options, ...options }, atMs);
      this.#planStep(index);
    });
  }

  runUntil(endMs: number): void {
    while (this.#queue.runNext(endMs));
  }

  #dataPlaneOf(document: string): Pipeline {
    const random = seededRandom(1);
    const memory = new PluginMemory();
    const result = buildConfig(document, { memory, random, allowsTestOnly: false });
    if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
    result.build.keepMemory();
    const options = { ignoresSubset: false, bodyBytesMax, log: new DecisionLog() };
    const routing = new Routing(result.build.dataPlane, options);
    return createDataPlane({
      clock: { nowMs: () => this.#queue.nowMs, wallMs: () => this.#queue.nowMs },
      pool: this.#pool,
      routing: () => routing,
      followers: [throwsDefects],
    });
  }

  #send(body: string, onFirstToken: FirstTokenListener): void {
    const sentMs = this.#queue.nowMs;
    const headers = new Map([["content-type", "application/json"]]);
    const id = this.#requests;
    this.#requests += 1;
    const path = "/v1/chat/completions";
    const head = { id: String(id), method: "POST", path, headers, subset: undefined };
    const exchange = this.#dataPlane.begin(head, true);
    const { slot } = routedIn(exchange.decide(Buffer.from(body))).decision.targets[0].endpoint;
    this.#advance(slot);
    this.#listeners[slot]?.set(id, ({ kind, atMs }) => {
      if (kind === "first-token") {
        onFirstToken(atMs - sentMs);
        exchange.responseHead(answerHead);
        exchange.responseChunk(firstToken, false);
      }
      if (kind !== "finished") return;
      exchange.end("complete");
      this.#listeners[slot]?.delete(id);
    });
    this.#submit(slot, id, body);
  }

  #submit(slot: number, id: number, body: string): void {
    const engine = this.#engines[slot];
    const parsed = parseJsonRecord(body);
    if (engine === undefined || parsed.kind === "invalid") throw new Error("no engine or no JSON");
    const call = parseCall("chat", parsed.record, {
      model: baseModel,
      adapters: this.#adapters,
      blockTokens: engine.options.blockTokens,
      outputTokens: 1,
    });
    if (call.kind === "refused") throw new Error(call.error.message);
    const { prompts, outputTokens, adapter } = call.call;
    const [prompt = { promptTokens: 1, promptBlocks: [] }] = prompts;
    engine.submit({ id, ...prompt, outputTokens, adapter }, this.#queue.nowMs);
    this.#planStep(slot);
  }

  #advance(slot: number): void {
    for (const event of this.#engines[slot]?.advance(this.#queue.nowMs) ?? []) {
      this.#listeners[slot]?.get(event.id)?.(event);
    }
    this.#planStep(slot);
  }

  #planStep(slot: number): void {
    const atMs = this.#engines[slot]?.nextStepAtMs() ?? Number.POSITIVE_INFINITY;
    if (atMs === this.#stepAtMs[slot]) return;
    this.#stepAtMs[slot] = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#queue.add(atMs, () => {
      // The engine may have got something else to do first.
      if (this.#stepAtMs[slot] !== atMs) return;
      this.#stepAtMs[slot] = Number.POSITIVE_INFINITY;
      this.#advance(slot);
    });
  }

  #report(slot: number): void {
    this.#advance(slot);
    const engine = this.#engines[slot];
    if (engine === undefined) return;
    const holder = { slot, generation: this.#store.board.generations[slot] ?? 0 };
    const signals = signalsOf(engine.options, engine.snapshot(), undefined);
    const asked = this.#writer.askedAt(slot, this.#queue.nowMs);
    this.#writer.publish(holder, signals, { asked, intervalMs: reportMs });
    this.#pool.facts.setAdapters(holder, signals.adapters);
    // With a jitter, as the scraper has one.
    this.#queue.add(this.#queue.nowMs + reportMs * (0.9 + 0.2 * this.#random()), () =>
      this.#report(slot),
    );
  }
}
