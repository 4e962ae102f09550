import { createGunzip, type Gunzip } from "node:zlib";
import { Agent, type Dispatcher } from "undici";
import type { Clock } from "../../../std/clock.ts";
import type { scrapeFailures } from "../../../state/signal-board.ts";

/**
 * Why a scrape told nothing. `connect`: no connection, or it broke; `timeout`: not done in time;
 * `status`: not 200; `too-large`: a body over 8 MiB; `parse`: none of the wanted signals in it.
 */
export type ScrapeFailure = (typeof scrapeFailures)[number];

/** Makes something of a body that comes in pieces; used for one body after another. */
export interface BodyReader<T> {
  /** Reads the next piece; false once the body is too large, and the rest not worth receiving. */
  push(chunk: Buffer): boolean;
  /** What the body told; the reader is then ready for the next one. */
  finish(): T;
}

/** How a scrape ended; `bytes` is what came over the wire of the body. */
export type Scraped<T> =
  | { readonly kind: "read"; readonly parsed: T; readonly bytes: number }
  | {
      readonly kind: "failed";
      readonly failure: ScrapeFailure;
      readonly reason: string;
      readonly bytes: number;
    }
  /** The signal aborted. */
  | { readonly kind: "stopped" };

export interface ScrapeTarget {
  /** `scheme://ip:port` */
  readonly origin: string;
  readonly path: string;
  readonly accept: string;
  /** For headers and body together. */
  readonly timeoutMs: number;
}

export interface ScrapeDeps<T> {
  readonly dispatcher: Dispatcher;
  readonly reader: BodyReader<T>;
  readonly clock: Clock;
}

/** The connections of everything that is read of endpoints in one way. */
export function scrapeAgentOf({
  timeoutMs,
  insecureSkipVerify,
}: {
  readonly timeoutMs: number;
  /** With `https`, accepts any certificate. */
  readonly insecureSkipVerify: boolean;
}): Agent {
  return new Agent({
    // Scrapes of one endpoint come one after another, so one connection serves them all.
    connections: 1,
    allowH2: false,
    // A scrape has a time limit of its own, for all of it.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: timeoutMs, rejectUnauthorized: !insecureSkipVerify },
  });
}

/** Reads one body. Never rejects; when it resolves, nothing of the request is left. */
export async function scrapeOnce<T>(
  { origin, path, accept, timeoutMs }: ScrapeTarget,
  { dispatcher, reader, clock }: ScrapeDeps<T>,
  signal: AbortSignal,
): Promise<Scraped<T>> {
  if (signal.aborted) return { kind: "stopped" };
  const exchange = new ScrapeExchange(reader);
  const stop = () => exchange.stop();
  signal.addEventListener("abort", stop, { once: true });
  const cancelTimeout = clock.after(timeoutMs, () =>
    exchange.fail("timeout", `not done after ${timeoutMs} ms`),
  );
  // Between neighbours, unpacking costs more than the bytes it saves: it is done, but not asked for.
  const headers = { accept, "accept-encoding": "identity", "user-agent": "pointsman" };
  dispatcher.dispatch({ origin, path, method: "GET", headers }, exchange);
  const scraped = await exchange.ended;
  cancelTimeout();
  signal.removeEventListener("abort", stop);
  return scraped;
}

/** Feeds a response to the reader as it arrives. What comes after the end is ignored. */
class ScrapeExchange<T> implements Dispatcher.DispatchHandler {
  readonly ended: Promise<Scraped<T>>;
  readonly #reader: BodyReader<T>;
  #resolve: (scraped: Scraped<T>) => void = () => undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #gunzip: Gunzip | undefined;
  #bytes = 0;
  #hasEnded = false;

  constructor(reader: BodyReader<T>) {
    this.#reader = reader;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  stop(): void {
    this.#giveUp({ kind: "stopped" });
  }

  fail(failure: ScrapeFailure, reason: string): void {
    this.#giveUp({ kind: "failed", failure, reason, bytes: this.#bytes });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The connection took longer than the time the scrape had: nothing is sent.
    if (this.#hasEnded) controller.abort(new Error("scrape given up"));
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    statusCode: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // 1xx comes before the response itself.
    if (statusCode < 200) return;
    if (statusCode !== 200) this.fail("status", `status ${statusCode}`);
    const encoding = String(headers["content-encoding"] ?? "identity").toLowerCase();
    if (encoding === "gzip") this.#gunzip = this.#createGunzip();
    else if (encoding !== "identity") this.fail("parse", `content-encoding ${encoding}`);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#hasEnded) return;
    this.#bytes += chunk.length;
    if (this.#gunzip === undefined) this.#push(chunk);
    // The chunk is undici's and is used again, while unpacking is done later.
    else this.#gunzip.write(Buffer.from(chunk));
  }

  onResponseEnd(): void {
    if (this.#gunzip === undefined) this.#finish();
    else this.#gunzip.end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const code = "code" in error ? `${String(error.code)}: ` : "";
    this.fail("connect", `${code}${error.message}`);
  }

  #createGunzip(): Gunzip {
    const gunzip = createGunzip();
    gunzip.on("data", (chunk: Buffer) => {
      if (!this.#hasEnded) this.#push(chunk);
    });
    gunzip.on("end", () => this.#finish());
    gunzip.on("error", (error) => this.fail("parse", `gzip: ${error.message}`));
    return gunzip;
  }

  #push(chunk: Buffer): void {
    if (!this.#reader.push(chunk)) this.fail("too-large", "body over 8 MiB");
  }

  #finish(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#resolve({ kind: "read", parsed: this.#reader.finish(), bytes: this.#bytes });
  }

  /** The first end counts. One before the response's own end aborts the request. */
  #giveUp(scraped: Scraped<T>): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // Empties the reader for the next scrape.
    this.#reader.finish();
    this.#gunzip?.destroy();
    this.#controller?.abort(new Error("scrape given up"));
    this.#resolve(scraped);
  }
}
