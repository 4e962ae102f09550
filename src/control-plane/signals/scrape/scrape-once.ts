import type { Dispatcher } from "undici";
import type { Clock } from "../../../std/clock.ts";
import type { ParsedExposition, PrometheusTextParser } from "./prometheus-text.ts";

/**
 * Why a scrape told nothing. `connect`: no connection, or it broke; `timeout`: not done in time;
 * `status`: not 200; `too-large`: a body over 8 MiB; `parse`: none of the wanted signals in it.
 */
export type ScrapeFailure = "connect" | "timeout" | "status" | "too-large" | "parse";

export type Exposition =
  | { readonly kind: "read"; readonly parsed: ParsedExposition }
  | { readonly kind: "failed"; readonly failure: ScrapeFailure; readonly reason: string }
  /** The signal aborted. */
  | { readonly kind: "stopped" };

export interface ScrapeTarget {
  /** `scheme://ip:port` */
  readonly origin: string;
  readonly path: string;
  /** For headers and body together. */
  readonly timeoutMs: number;
}

export interface ScrapeDeps {
  readonly dispatcher: Dispatcher;
  readonly parser: PrometheusTextParser;
  readonly clock: Clock;
}

const requestHeaders = {
  accept: "text/plain;version=0.0.4",
  // Between neighbours, unpacking costs more than the bytes it saves.
  "accept-encoding": "identity",
  "user-agent": "pointsman",
};

/** Reads one exposition. Never rejects; when it resolves, nothing of the request is left. */
export async function scrapeOnce(
  { origin, path, timeoutMs }: ScrapeTarget,
  { dispatcher, parser, clock }: ScrapeDeps,
  signal: AbortSignal,
): Promise<Exposition> {
  if (signal.aborted) return { kind: "stopped" };
  const exchange = new ScrapeExchange(parser);
  const stop = () => exchange.end({ kind: "stopped" });
  signal.addEventListener("abort", stop, { once: true });
  const cancelTimeout = clock.after(timeoutMs, () =>
    exchange.fail("timeout", `not done after ${timeoutMs} ms`),
  );
  dispatcher.dispatch({ origin, path, method: "GET", headers: requestHeaders }, exchange);
  const exposition = await exchange.ended;
  cancelTimeout();
  signal.removeEventListener("abort", stop);
  return exposition;
}

/** Feeds a response to the parser as it arrives. What comes after the end is ignored. */
class ScrapeExchange implements Dispatcher.DispatchHandler {
  readonly ended: Promise<Exposition>;
  readonly #parser: PrometheusTextParser;
  #resolve: (exposition: Exposition) => void = () => undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #hasEnded = false;

  constructor(parser: PrometheusTextParser) {
    this.#parser = parser;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** The first end counts. One before the response's own end aborts the request. */
  end(exposition: Exposition): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (exposition.kind !== "read") {
      // Empties the parser for the next scrape.
      this.#parser.finish();
      this.#controller?.abort(new Error("scrape given up"));
    }
    this.#resolve(exposition);
  }

  fail(failure: ScrapeFailure, reason: string): void {
    this.end({ kind: "failed", failure, reason });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The connection took longer than the time the scrape had: nothing is sent.
    if (this.#hasEnded) controller.abort(new Error("scrape given up"));
  }

  onResponseStart(_: Dispatcher.DispatchController, statusCode: number): void {
    // 1xx comes before the response itself.
    if (statusCode >= 200 && statusCode !== 200) this.fail("status", `status ${statusCode}`);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#hasEnded) return;
    if (!this.#parser.push(chunk)) this.fail("too-large", "body over 8 MiB");
  }

  onResponseEnd(): void {
    if (!this.#hasEnded) this.end({ kind: "read", parsed: this.#parser.finish() });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const code = "code" in error ? `${String(error.code)}: ` : "";
    this.fail("connect", `${code}${error.message}`);
  }
}
