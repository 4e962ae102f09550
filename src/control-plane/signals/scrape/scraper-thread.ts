import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { SecretSource, SecretValues } from "../../../core/secrets.ts";
import type { ReadingState } from "../../../core/signals.ts";
import { aborted } from "../../../std/abort.ts";
import type { Clock } from "../../../std/clock.ts";
import { programFile } from "../../../std/program-file.ts";
import type { EndpointStore } from "../../../state/endpoint-store.ts";
import type { EngineFacts } from "../../../state/engine-facts.ts";
import type { RequestCounts } from "../../../state/request-counts.ts";
import type { RunningView } from "../../../state/running-view.ts";
import type { SlotHolder } from "../../../state/report-writer.ts";
import type { ScrapedEndpoint } from "./scrape-address.ts";
import { attributeNamesOf } from "./engines/engine-choice.ts";
import {
  type FromThread,
  processMs,
  type ScrapesDone,
  type ThreadStart,
  type ToThread,
} from "./thread-messages.ts";
import type { ScraperOptions } from "./scraper.ts";

/**
 * Delay before a failed thread is started again, so that a lasting cause does not use up the
 * machine.
 */
const restartMs = 1_000;
/**
 * Scrapes mostly leave short-lived garbage. Without a limit, and with a thousand endpoints, V8 lets
 * it grow to about 100 MB before it collects.
 */
const maxYoungGenerationSizeMb = 12;
/** Longest time for a thread to end its scrapes. */
const stopMs = 2_000;

interface ThreadLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ScraperThreadDeps {
  readonly store: EndpointStore;
  readonly facts: EngineFacts;
  readonly counts: RequestCounts;
  readonly view: RunningView;
  readonly clock: Clock;
  readonly log: ThreadLog;
  /** Called with the result of an active check. */
  readonly onCheck: (holder: SlotHolder, isWell: boolean) => void;
  /** State of an endpoint's scrapes, when it changes. */
  readonly onReading: (holder: SlotHolder, state: ReadingState) => void;
  /** Values of Secrets; undefined if no cluster is followed. */
  readonly secrets: SecretSource | undefined;
  readonly metrics: { scraped(done: ScrapesDone): void };
}

/**
 * Scrapes the endpoints of the store on a thread of its own, apart from the one that serves
 * requests.
 */
export class ScraperThread {
  readonly #options: ScraperOptions;
  readonly #deps: ScraperThreadDeps;

  constructor(options: ScraperOptions, deps: ScraperThreadDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /**
   * Scrapes until `signal` aborts; resolves when the thread has ended. A failed thread is replaced.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    while (!signal.aborted) {
      const failure = await this.#runOnce(signal);
      if (signal.aborted) return;
      log.error({ err: failure }, "scraper thread failed");
      await clock.sleep(restartMs, signal);
    }
  }

  /** Resolves when the thread has ended, with its error if it failed. */
  async #runOnce(signal: AbortSignal): Promise<unknown> {
    const { store, counts } = this.#deps;
    const worker = new Worker(programFile("thread", import.meta.url), {
      workerData: this.#start(),
      name: "scraper",
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    let failure: unknown;
    worker.on("message", (message: FromThread) => this.#receive(message));
    worker.on("error", (error) => {
      failure = error;
    });
    const post = (message: ToThread) => worker.postMessage(message);
    const ended = once(worker, "exit").catch(() => undefined);
    const unsubscribe = store.onChange(({ added, removed, updated }) => {
      const change = {
        added: added.map((endpoint) => this.#scraped(endpoint)),
        removed: removed.map(({ slot }) => ({ slot })),
        updated: updated.map((endpoint) => this.#scraped(endpoint)),
      };
      post({ kind: "change", change });
    });
    const stopWaking = counts.onAwake(() => post({ kind: "wake" }));
    this.#followSecrets((values) => post({ kind: "secrets", values }));
    const added = store.endpoints().map((endpoint) => this.#scraped(endpoint));
    post({ kind: "change", change: { added, removed: [], updated: [] } });
    await Promise.race([aborted(signal), ended]);
    unsubscribe();
    stopWaking();
    this.#deps.secrets?.follow([], () => undefined);
    if (signal.aborted) await this.#stop(worker, ended);
    return failure;
  }

  #followSecrets(tell: (values: SecretValues) => void): void {
    const refs = (this.#options.headers ?? []).flatMap(({ from }) =>
      from.kind === "secret" ? [from.secret] : [],
    );
    const { secrets, log } = this.#deps;
    if (refs.length === 0) return;
    if (secrets !== undefined) return secrets.follow(refs, tell);
    const names = refs.map(({ name }) => name);
    log.warn({ secrets: names, reason: "not connected to a cluster" }, "scrape secrets ignored");
  }

  async #stop(worker: Worker, ended: Promise<unknown>): Promise<void> {
    worker.postMessage({ kind: "stop" });
    const cancel = this.#deps.clock.after(stopMs, () => void worker.terminate());
    await ended;
    cancel();
  }

  #start(): ThreadStart {
    const { store, view, clock } = this.#deps;
    const { engines, probes } = this.#options;
    const probedNames = probes.flatMap((probe) => (probe.kind === "dcgm" ? [probe.attribute] : []));
    return {
      options: this.#options,
      board: store.board.shared,
      attributes: view.attributeColumns(attributeNamesOf(engines ?? {})),
      probeAttributes: view.attributeColumns(probedNames),
      clockMs: clock.nowMs(),
      processMs: processMs(),
    };
  }

  #scraped(endpoint: Endpoint): ScrapedEndpoint {
    const { slot, id, address, port, labels, tls, podName, nodeAddress, metrics } = endpoint;
    const generation = this.#deps.store.board.generations[slot] ?? 0;
    return { slot, generation, id, address, port, labels, tls, podName, nodeAddress, metrics };
  }

  #receive(message: FromThread): void {
    const { facts, log, metrics } = this.#deps;
    switch (message.kind) {
      case "adapters":
        return facts.setAdapters(message.holder, message.adapters);
      case "engine":
        return facts.setEngine(message.holder, message.name);
      case "models":
        return facts.setModels(message.holder, message.models);
      case "reading":
        return this.#deps.onReading(message.holder, message.state);
      case "check":
        return this.#deps.onCheck(message.holder, message.isWell);
      case "log":
        return log[message.level](message.fields, message.message);
      case "scrapes":
        return metrics.scraped(message.scrapes);
    }
  }
}
