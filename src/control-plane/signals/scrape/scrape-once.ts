import { createGunzip, type Gunzip } from "node:zlib";
import type { Dispatcher } from "undici";
import type { Clock } from "../../../std/clock.ts";
import type { scrapeFailures } from "../../../state/signal-board.ts";
import { reasonOf } from "../../../std/reason-of.ts";

/**
 * Reasons why a scrape brought no signals. `connect`: no connection, or it broke; `timeout`: not
 * finished in time; `status`: not 200; `too-large`: a body over 8 MiB; `parse`: none of the wanted
 * signals in it.
 */
export type ScrapeFailure = (typeof scrapeFailures)[number];

/** Converts a body that arrives in pieces; used for one body after another. */
export interface BodyReader<T> {
  /**
   * Reads the next piece; false once the body is too large, so that the rest need not be received.
   */
  push(chunk: Buffer): boolean;
  /** The result of the body; the reader is then ready for the next one. */
  finish(): T;
}

/** Outcome of a scrape; `bytes` counts the body as received, before it is unpacked. */
export type Scraped<T> =
  | {
      readonly kind: "read";
      readonly parsed: T;
      readonly bytes: number;
      readonly contentType?: string;
    }
  | FailedRequest
  /** The signal aborted. */
  | { readonly kind: "stopped" };

export interface FailedRequest {
  readonly kind: "failed";
  readonly failure: ScrapeFailure;
  readonly reason: string;
  readonly bytes: number;
  /** The code of the error that broke the connection, such as ECONNREFUSED. */
  readonly code?: string;
  /** The HTTP status, if there was an answer. */
  readonly httpStatus?: number;
}

type FailureDetail = Pick<FailedRequest, "code" | "httpStatus">;

export interface ScrapeTarget {
  /** `scheme://ip:port` */
  readonly origin: string;
  readonly path: string;
  /** Value of `Host`, whose name certificates must have; undefined for the address. */
  readonly host?: string | undefined;
  readonly accept: string;
  /** Limit for headers and body together, redirects included. */
  readonly timeoutMs: number;
  /** Closes the connection afterwards, so that the next one may reach another process. */
  readonly closes?: boolean;
  /** Credentials: sent to this origin, never to the target of a redirect to another. */
  readonly credentials?: Readonly<Record<string, string>>;
}

export interface ScrapeDeps<T> {
  readonly dispatcher: Dispatcher;
  readonly reader: BodyReader<T>;
  readonly clock: Clock;
}

/** Maximum body of a redirect, which is skipped to keep the connection. */
const redirectBytesMax = 65_536;
/** Redirects that are followed in one scrape. */
const redirectsMax = 3;

/** Reads one body. Never rejects; when it resolves, nothing of the request is left. */
export async function scrapeOnce<T>(
  target: ScrapeTarget,
  deps: ScrapeDeps<T>,
  signal: AbortSignal,
): Promise<Scraped<T>> {
  if (signal.aborted) return { kind: "stopped" };
  let exchange: ScrapeExchange<T> | undefined;
  let isLate = false;
  const { timeoutMs } = target;
  const stop = () => exchange?.stop();
  signal.addEventListener("abort", stop, { once: true });
  const cancelTimeout = deps.clock.after(timeoutMs, () => {
    isLate = true;
    exchange?.fail("timeout", lateReason(timeoutMs));
  });
  // Joined as text, so that a path such as `//host/metrics` stays one of this origin.
  let url = new URL(`${target.origin}${target.path}`);
  let scraped: Exchanged<T>;
  for (let redirects = 0; ; redirects += 1) {
    exchange = new ScrapeExchange(deps.reader);
    exchange.ask(url, target, deps.dispatcher);
    // Each request follows the redirect that names it.
    scraped = await exchange.ended;
    if (scraped.kind !== "redirected") break;
    const next = redirectOf(scraped.location, url, redirects);
    if (typeof next === "string") scraped = failed("status", next);
    else if (signal.aborted) scraped = { kind: "stopped" };
    else if (isLate) scraped = failed("timeout", lateReason(timeoutMs));
    else {
      url = next;
      continue;
    }
    break;
  }
  cancelTimeout();
  signal.removeEventListener("abort", stop);
  return scraped;
}

function failed(failure: ScrapeFailure, reason: string): FailedRequest {
  return { kind: "failed", failure, reason, bytes: 0 };
}

function lateReason(timeoutMs: number): string {
  return `timed out after ${timeoutMs} ms`;
}

/** Target of a redirect; a text with the reason if it is not followed. */
function redirectOf(location: string, from: URL, redirects: number): URL | string {
  const to = URL.parse(location, from);
  if (to === null || !/^https?:$/.test(to.protocol)) return "redirects to an invalid URL";
  if (to.hostname !== from.hostname) return `redirects to another host, ${to.host}`;
  return redirects < redirectsMax ? to : `redirects more than ${redirectsMax} times`;
}

type Exchanged<T> = Scraped<T> | { readonly kind: "redirected"; readonly location: string };

/** Feeds a response to the reader as it arrives. Anything after the end is ignored. */
class ScrapeExchange<T> implements Dispatcher.DispatchHandler {
  readonly ended: Promise<Exchanged<T>>;
  readonly #reader: BodyReader<T>;
  #resolve: (exchanged: Exchanged<T>) => void = () => undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #gunzip: Gunzip | undefined;
  #contentType = "";
  /** Target of a redirecting answer, whose body is skipped. */
  #location: string | undefined;
  #bytes = 0;
  #hasEnded = false;

  constructor(reader: BodyReader<T>) {
    this.#reader = reader;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  ask(url: URL, target: ScrapeTarget, dispatcher: Dispatcher): void {
    const { accept, origin, host, closes = false, credentials } = target;
    const isOwn = url.origin === new URL(origin).origin;
    const headers = {
      ...(isOwn ? credentials : {}),
      ...(isOwn && host !== undefined ? { host } : {}),
      accept,
      // In one cluster, unpacking costs more than the bytes it saves: it is supported but not
      // requested.
      "accept-encoding": "identity",
      "user-agent": "pointsman",
    };
    const path = `${url.pathname}${url.search}`;
    try {
      dispatcher.dispatch(
        { origin: url.origin, path, method: "GET", headers, reset: closes },
        this,
      );
    } catch (error) {
      // Such as a header that cannot be sent. No message of undici contains its value.
      this.fail("connect", reasonOf(error));
    }
  }

  stop(): void {
    this.#giveUp({ kind: "stopped" });
  }

  fail(failure: ScrapeFailure, reason: string, more: FailureDetail = {}): void {
    this.#giveUp({ kind: "failed", failure, reason, bytes: this.#bytes, ...more });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The connection took longer than the time limit of the scrape: nothing is sent.
    if (this.#hasEnded) controller.abort(new Error("scrape given up"));
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    statusCode: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // 1xx comes before the response itself.
    if (statusCode < 200) return;
    const location = headers["location"];
    if (statusCode >= 300 && statusCode < 400 && typeof location === "string") {
      this.#location = location;
      return;
    }
    if (statusCode !== 200) {
      this.fail("status", statusReason(statusCode), { httpStatus: statusCode });
    }
    this.#contentType = String(headers["content-type"] ?? "");
    const encoding = String(headers["content-encoding"] ?? "identity").toLowerCase();
    if (encoding === "gzip") this.#gunzip = this.#createGunzip();
    else if (encoding !== "identity") this.fail("parse", `content-encoding ${encoding}`);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#hasEnded) return;
    this.#bytes += chunk.length;
    if (this.#location !== undefined) {
      if (this.#bytes > redirectBytesMax)
        this.fail("status", "redirects with a body that is too large");
      return;
    }
    if (this.#gunzip === undefined) this.#push(chunk);
    // Undici reuses the chunk, and unpacking happens later.
    else this.#gunzip.write(Buffer.from(chunk));
  }

  onResponseEnd(): void {
    if (this.#gunzip === undefined) this.#finish();
    else this.#gunzip.end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    const code = "code" in error ? String(error.code) : undefined;
    this.fail(
      "connect",
      `${code === undefined ? "" : `${code}: `}${error.message}`,
      code === undefined ? {} : { code },
    );
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
    const parsed = this.#reader.finish();
    this.#resolve(
      this.#location === undefined
        ? { kind: "read", parsed, bytes: this.#bytes, contentType: this.#contentType }
        : { kind: "redirected", location: this.#location },
    );
  }

  /** The first end counts. One before the response's own end aborts the request. */
  #giveUp(exchanged: Exchanged<T>): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // Empties the reader for the next scrape.
    this.#reader.finish();
    this.#gunzip?.destroy();
    this.#controller?.abort(new Error("scrape given up"));
    this.#resolve(exchanged);
  }
}

function statusReason(status: number): string {
  if (status === 401) return "status 401: credentials are missing or wrong";
  if (status === 403) return "status 403: access denied with these credentials, or without any";
  return `status ${status}`;
}
