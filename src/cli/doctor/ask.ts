import { type Dispatcher, fetch, type Response } from "undici";
import type { Clock } from "../../std/clock.ts";
import { engineFlagNames, type TlsFault, tlsFaultOf } from "../../std/tls-failure.ts";
import { connectErrorOf, connectReasonOf } from "../connect-reason.ts";

/** The way to an engine. */
export interface AskOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A larger answer is not read to its end; default 8 MiB. */
  readonly bodyBytesMax?: number;
}

/** Time for a page, and for a completion, which may have to wait for others. */
const pageMs = 5_000;
const completionMs = 60_000;
const mebibyte = 2 ** 20;
const bodyBytesMaxUsual = 8 * mebibyte;

/** A whole answer, or the reason that it failed. */
export type Asked =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly text: string;
      readonly clockAheadMs: number | undefined;
    }
  | {
      readonly kind: "failed";
      readonly reason: string;
      /** Undefined if TLS is not to blame. */
      readonly tls: TlsFault | undefined;
    };

/** Sends a GET, or a POST if there is a body. Never rejects. */
export async function textAt(url: URL, options: AskOptions, body?: string): Promise<Asked> {
  const { headers, dispatcher, clock, signal, bodyBytesMax = bodyBytesMaxUsual } = options;
  const sentMs = clock.wallMs();
  try {
    const response = await fetch(url, {
      dispatcher,
      signal: AbortSignal.any([
        signal,
        AbortSignal.timeout(body === undefined ? pageMs : completionMs),
      ]),
      headers: {
        ...headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { method: "POST", body }),
    });
    // The date was written at some time between the two, in whole seconds that are rounded down.
    const ownMs = (sentMs + clock.wallMs()) / 2;
    const dateMs = Date.parse(response.headers.get("date") ?? "");
    const clockAheadMs = Number.isNaN(dateMs) ? undefined : dateMs + 500 - ownMs;
    return {
      kind: "answered",
      status: response.status,
      text: await bodyOf(response, bodyBytesMax),
      clockAheadMs,
    };
  } catch (cause) {
    const isSecure = url.protocol === "https:";
    const tls = isSecure ? tlsFaultOf(connectErrorOf(cause), engineFlagNames) : undefined;
    return { kind: "failed", reason: connectReasonOf(cause), tls };
  }
}

async function bodyOf({ body }: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new Error(`the answer is larger than ${bytesMax / mebibyte} MiB`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Undefined for a text that is not JSON. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
