import { Registry } from "prom-client";
import { someAdapters } from "./builders.ts";
import { routedIn, throwsDefects } from "./exchanges.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { Exchange } from "../../src/data-plane/exchange.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import {
  type EndpointWork,
  type LatencyModel,
  latencyModelMemory,
} from "../../src/data-plane/scheduling/producers/latency/latency-model.ts";
import type { Clock } from "../../src/std/clock.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { buildConfig } from "../../src/gateway/build-config.ts";
import { createDataPlane } from "../../src/gateway/data-plane.ts";
import { createPool } from "../../src/gateway/pool.ts";

const slots = [0, 1, 2, 3];
const token = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n';
export const chunks = {
  token,
  error: 'data: {"error":{"message":"no","code":500}}\n\n',
  role: 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
  comment: ": ping\n\n",
  end: 'data: {"choices":[],"usage":{"prompt_tokens":900,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":800}}}\n\ndata: [DONE]\n\n',
  json: '{"usage":{"prompt_tokens":0,"completion_tokens":0}}',
};

const own = "pointsman.dev/v1alpha1";
const predictors = ["a", "b"].map((name) => ({ name, type: "predicted-latency-producer" }));
const scorers = ["a", "b"].map((producer) => ({
  name: `by-${producer}`,
  type: "expected-latency-scorer",
  parameters: { latencyPredictionInfoProducerName: producer },
}));
const profile = (name: string, ...plugins: readonly string[]) => ({
  name,
  plugins: plugins.map((pluginRef) => ({ pluginRef })),
});
/** Two targets for each request, so that a proxy can fall back. */
const picker = { type: "max-score-picker", parameters: { maxNumOfEndpoints: 2 } };

/** Documents by which requests are counted in different ways. */
const documents = {
  default: { apiVersion: own, plugins: [picker] },
  named: { apiVersion: own, plugins: [...predictors, ...scorers, picker] },
  disaggregated: {
    apiVersion: own,
    plugins: [
      { type: "disagg-profile-handler", parameters: { deciders: { prefill: "always" } } },
      { name: "always", type: "always-disagg-pd-decider" },
      { type: "expected-latency-scorer" },
      picker,
    ],
    schedulingProfiles: [
      profile("prefill", "expected-latency-scorer", "max-score-picker"),
      profile("decode", "expected-latency-scorer", "max-score-picker"),
    ],
  },
  ranks: {
    apiVersion: own,
    plugins: [
      { type: "data-parallel-profile-handler" },
      { type: "expected-latency-scorer" },
      picker,
    ],
    schedulingProfiles: [profile("default", "expected-latency-scorer", "max-score-picker")],
  },
  without: { apiVersion: own, plugins: [{ type: "queue-scorer" }] },
} as const;

export type DocumentName = keyof typeof documents;

interface SentBody {
  readonly words: number;
  readonly isStreaming: boolean;
  readonly model: string;
}

/** A request under way, and the facts by which it counts. */
export interface Sent {
  readonly exchange: Exchange;
  readonly targets: readonly { readonly hostPort: string; readonly endpoint: Endpoint }[];
  /** Model in force at its decision. */
  readonly model: LatencyModel | undefined;
  /** Where its output is counted. */
  work: EndpointWork | undefined;
  hasHead: boolean;
  isStream: boolean;
  isOver: boolean;
  hasToken: boolean;
}

const spec = (index: number, incarnation: number) => ({
  id: `default/e${index}`,
  namespace: "default",
  name: `e${index}`,
  address: "10.0.0.1",
  port: 8_000 + index,
  labels: {},
  incarnation: String(incarnation),
});

/** A picker in virtual time, with everything that counts predicted work, past and present. */
export class WorkedPicker {
  #nowMs = 0;
  /** Nothing here waits for a time. */
  readonly #clock: Clock = {
    nowMs: () => this.#nowMs,
    wallMs: () => this.#nowMs,
    after: () => () => undefined,
    sleep: () => new Promise(() => undefined),
  };
  readonly #memory = new PluginMemory();
  readonly #pool = createPool({
    clock: this.#clock,
    log: createLogger("warn", { write: () => undefined }).logger,
    registry: new Registry(),
    memory: this.#memory,
  });
  readonly #models = new Set<LatencyModel>();
  readonly #works = new Set<EndpointWork>();
  readonly #incarnations = [0, 0, 0, 0];
  readonly requests: Sent[] = [];
  #routing: Routing;
  readonly #dataPlane = createDataPlane({
    clock: this.#clock,
    pool: this.#pool,
    routing: () => this.#routing,
    followers: [throwsDefects],
  });

  constructor(document: DocumentName) {
    this.#routing = this.#routingOf(document);
    this.#apply(slots);
  }

  wait(ms: number): void {
    this.#nowMs += ms;
  }

  reload(document: DocumentName): void {
    this.#routing = this.#routingOf(document);
    this.#note();
  }

  /** Replaces an endpoint by another one in its slot. */
  replace(index: number): void {
    this.#incarnations[index] = (this.#incarnations[index] ?? 0) + 1;
    this.#apply(slots);
  }

  /** Takes all endpoints away but one. */
  shrink(index: number): void {
    this.#apply([index]);
  }

  send({ words, isStreaming, model: name }: SentBody): void {
    const head = {
      id: String(this.requests.length),
      method: "POST",
      path: "/v1/chat/completions",
      headers: new Map(),
      subset: undefined,
    };
    const content = "word ".repeat(words);
    const body = { model: name, stream: isStreaming, messages: [{ role: "user", content }] };
    const exchange = this.#dataPlane.begin(head, true);
    const outcome = exchange.decide(Buffer.from(JSON.stringify(body)));
    if (!(outcome instanceof Promise) && outcome.kind === "refused") {
      exchange.end("refused");
      return;
    }
    const { targets } = routedIn(outcome).decision;
    const model = this.#model();
    const { slot } = targets[0].endpoint;
    const work = model?.workAt(slot);
    this.requests.push({
      ...{ exchange, targets, model, work },
      ...{ hasHead: false, isStream: false, isOver: false, hasToken: false },
    });
    this.#note();
  }

  answer(sent: Sent, httpStatus: number, head: { type: string; server: number | undefined }): void {
    if (sent.isOver || sent.hasHead) return;
    sent.hasHead = true;
    const { exchange, targets, model } = sent;
    const target = head.server === undefined ? undefined : targets[head.server % targets.length];
    exchange.responseHead({
      httpStatus,
      headers: new Map([["content-type", head.type]]),
      servedBy: target?.hostPort,
      showsBody: true,
      showsWholeBody: true,
    });
    sent.isStream = httpStatus < 400 && head.type === "text/event-stream";
    // Ranks of one address have one host and port, which names the first of them.
    const named = targets.find(({ hostPort }) => hostPort === target?.hostPort);
    const served = named && this.#pool.store.current(named.endpoint);
    if (served === undefined || served.id === targets[0]?.endpoint.id) return;
    sent.work = model?.workAt(served.slot);
    this.#note();
  }

  body(sent: Sent, chunk: keyof typeof chunks): void {
    if (sent.isOver) return;
    sent.exchange.responseChunk(Buffer.from(chunks[chunk]), false);
    if (!sent.isStream || sent.hasToken) return;
    if (chunk === "token") sent.hasToken = true;
    // A token after an error or after the end says nothing.
    else if (chunk !== "role" && chunk !== "comment") sent.isStream = false;
  }

  end(sent: Sent, end: "complete" | "aborted"): void {
    sent.isOver = true;
    sent.exchange.end(end, "client");
  }

  /** Ends what is under way, and forgets it. */
  endAll(): void {
    for (const sent of this.requests) if (!sent.isOver) this.end(sent, "aborted");
    this.requests.length = 0;
  }

  /** Counts that are left after the time for which refused requests count, by kind. */
  left() {
    this.wait(600_000);
    const nowMs = this.#nowMs;
    const works = [...this.#works];
    const tokens = works.filter(({ queue }) => queue.tokensAhead(nowMs, 1) !== 0).length;
    const reported = someAdapters({ adaptersMax: 1 });
    const inputs = { reported, isShared: false, requestMs: 1e9, queued: 0, nowMs };
    const waits = [...this.#models].flatMap(({ adapters }) =>
      slots.map((slot) => adapters.wait("another", slot, inputs).ms),
    );
    return {
      queued: works.filter(({ queue }) => queue.count !== 0).length,
      tokens,
      refusals: works.filter((work) => work.refusalsAt(nowMs) !== 0).length,
      decoding: works.filter(({ decoding }) => decoding !== 0).length,
      adapters: waits.filter((ms) => ms >= 1e9).length,
    };
  }

  /** Requests that decode by slot: as counted, those with a token that this test has sent there, and all. */
  decoding() {
    const model = this.#model();
    return slots.map((slot) => {
      const work = model?.workAt(slot);
      const open = this.requests.filter((sent) => sent.work === work && !sent.isOver);
      return {
        counted: work?.decoding ?? 0,
        least: work === undefined ? 0 : open.filter(({ hasToken }) => hasToken).length,
        most: open.length,
      };
    });
  }

  /** Numbers that decisions are made of. */
  numbers(): readonly number[] {
    return [...this.#models].flatMap(({ rates, pace, trust, ttft, durationMs, copies }) =>
      slots
        .flatMap((slot) => [rates.tokensPerMs(slot), pace.tpotMs(slot, 5), trust.of(slot)])
        .concat([ttft.ttftMs(10), durationMs, copies.scarcity]),
    );
  }

  #model(): LatencyModel | undefined {
    for (const { memory } of this.#memory.ofKind(latencyModelMemory)) return memory;
    return undefined;
  }

  #note(): void {
    for (const { memory } of this.#memory.ofKind(latencyModelMemory)) {
      this.#models.add(memory);
      for (const slot of slots) this.#works.add(memory.workAt(slot));
    }
  }

  #apply(indexes: readonly number[]): void {
    const { store, facts } = this.#pool;
    store.apply(indexes.map((index) => spec(index, this.#incarnations[index] ?? 0)));
    for (const { slot } of store.endpoints()) {
      const holder = { slot, generation: store.board.generations[slot] ?? 0 };
      facts.setAdapters(holder, someAdapters({ active: ["sql"], adaptersMax: 1 }));
    }
    this.#note();
  }

  #routingOf(document: DocumentName): Routing {
    const text = JSON.stringify({ kind: "EndpointPickerConfig", ...documents[document] });
    const deps = { memory: this.#memory, random: () => 0.5, allowsTestOnly: false };
    const result = buildConfig(text, deps);
    if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
    result.build.keepMemory();
    const options = {
      ignoresSubset: true,
      bodyBytesMax: 2 ** 20,
      log: new DecisionLog({ recordsMax: 2, numbersMax: 64 }),
    };
    return new Routing(result.build.dataPlane, options);
  }
}
