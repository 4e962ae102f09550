import { Agent } from "undici";
import { aborted } from "../../../std/abort.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { type EngineChoice, engineChooser } from "./engines/registry.ts";
import { ScrapeLoop, type ScrapeLoopOptions, type ScraperDeps } from "./scrape-loop.ts";

export interface ScraperOptions {
  /** Default `http`. */
  readonly scheme?: "http" | "https";
  /** Default `/metrics`. */
  readonly path?: string;
  /** One port for the metrics of every endpoint. Default: the port the endpoint serves on. */
  readonly port?: number | undefined;
  /** With `https`, accepts any certificate. Default true: engines have self-signed ones. */
  readonly insecureSkipVerify?: boolean;
  /**
   * Milliseconds between the starts of two scrapes of one endpoint, give or take 10 %.
   * Default 50. Own in-flight counts tell most of the load at once, so a longer interval costs
   * little where engines serve nobody else, and saves CPU on both sides.
   */
  readonly intervalMs?: number;
  /** Milliseconds for one scrape, headers and body. Default 1,000. */
  readonly timeoutMs?: number;
  /** Milliseconds: the longest pause after failures in a row. Default 1,000. */
  readonly backoffMsMax?: number;
  /** Which metrics tell what. Default: vLLM's, and what labels say. */
  readonly engines?: EngineChoice | undefined;
}

interface RunningLoop {
  readonly loop: ScrapeLoop;
  readonly stop: AbortController;
}

/** Reads the load of every endpoint of the store from its metrics, and writes it to the store. */
export class Scraper {
  readonly #options: ScrapeLoopOptions;
  readonly #insecureSkipVerify: boolean;
  readonly #deps: ScraperDeps;

  constructor(options: ScraperOptions, deps: ScraperDeps) {
    const { scheme = "http", path = "/metrics", port, insecureSkipVerify = true } = options;
    const { intervalMs = 50, timeoutMs = 1_000, backoffMsMax = 1_000, engines = {} } = options;
    const engineOf = engineChooser(engines);
    this.#options = { scheme, path, port, intervalMs, timeoutMs, backoffMsMax, engineOf };
    this.#insecureSkipVerify = insecureSkipVerify;
    this.#deps = deps;
  }

  /** Scrapes until `signal` aborts; resolves when no scrape and no connection is left. */
  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { store } = this.#deps;
    const dispatcher = this.#createAgent();
    const loops = new Map<number, RunningLoop>();
    const running = new Set<Promise<void>>();

    const start = (endpoint: Endpoint) => {
      const stop = new AbortController();
      const loop = new ScrapeLoop(endpoint, this.#options, { ...this.#deps, dispatcher });
      loops.set(endpoint.slot, { loop, stop });
      const ended = loop.run(stop.signal).finally(() => running.delete(ended));
      running.add(ended);
    };
    const unsubscribe = store.onChange(({ added, removed, relabelled }) => {
      // First: an endpoint that comes may have the slot of one that goes.
      for (const { slot } of removed) {
        loops.get(slot)?.stop.abort();
        loops.delete(slot);
      }
      for (const endpoint of relabelled) loops.get(endpoint.slot)?.loop.relabel(endpoint);
      for (const endpoint of added) start(endpoint);
    });
    for (const endpoint of store.endpoints()) start(endpoint);

    await aborted(signal);
    unsubscribe();
    for (const { stop } of loops.values()) stop.abort();
    await Promise.all(running);
    await dispatcher.destroy();
  }

  #createAgent(): Agent {
    return new Agent({
      // Scrapes of one endpoint come one after another, so one connection serves them all.
      connections: 1,
      allowH2: false,
      // A scrape has a time limit of its own, for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: this.#options.timeoutMs,
        rejectUnauthorized: !this.#insecureSkipVerify,
      },
    });
  }
}
