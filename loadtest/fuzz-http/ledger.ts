import { createHash } from "node:crypto";
import type { StrictRequest } from "./strict-http.ts";

/** A request by what an engine must get unchanged. */
export type Sent = Pick<StrictRequest, "method" | "target" | "headers" | "body">;

interface Allowed {
  /** Times that an engine may still get it. */
  left: number;
  readonly lines: ReadonlySet<string>;
}

/** Headers that the gateway itself sets, or that belong to its connection. */
const ofGateway = new Set([
  ..."connection content-length expect host te trailer transfer-encoding upgrade".split(" "),
  ..."traceparent x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id".split(" "),
]);

const requestsMax = 2_000_000;
const violationsMax = 50;
const originsMax = 50_000;
const shownBytesMax = 800;

/** Holds what engines get to what clients have sent: each request at most once, and nothing else. */
export class Ledger {
  readonly #allowed = new Map<string, Allowed>();
  readonly #origins = new Map<string, string>();
  /** Requests of the gateway itself, such as reading metrics. */
  readonly #own = new Set<string>();
  readonly violations: string[] = [];
  #isLearning = true;
  #allowedTotal = 0;
  #seenTotal = 0;

  get allowedTotal(): number {
    return this.#allowedTotal;
  }

  /** Requests of clients that reached an engine. */
  get seenTotal(): number {
    return this.#seenTotal;
  }

  /** What was seen up to now is the gateway's own. */
  stopLearning(): void {
    this.#isLearning = false;
  }

  /** Bytes with which the request of this id was sent, to show with a violation. */
  noteOrigin(id: string, bytes: Buffer): void {
    if (this.#origins.size >= originsMax) this.#origins.clear();
    this.#origins.set(id, bytes.toString("latin1", 0, shownBytesMax));
  }

  /** Call it before the request is sent. */
  allow(request: Sent): void {
    if (this.#allowed.size >= requestsMax) throw new Error("too many requests for one run");
    const key = keyOf(request);
    const lines = request.headers.map(([name, value]) => lineOf(name, value));
    const before = this.#allowed.get(key);
    this.#allowed.set(key, {
      left: (before?.left ?? 0) + 1,
      lines: new Set([...(before?.lines ?? []), ...lines]),
    });
    this.#allowedTotal += 1;
  }

  /** An engine has got the whole of this request. */
  saw(request: Sent): void {
    const own = `${request.method} ${request.target}`;
    if (this.#isLearning) this.#own.add(own);
    if (this.#own.has(own)) return;
    this.#seenTotal += 1;
    const allowed = this.#allowed.get(keyOf(request));
    if (allowed === undefined) return this.violated("no client sent", request);
    allowed.left -= 1;
    if (allowed.left < 0) return this.violated("an engine got more than once", request);
    for (const [name, value] of request.headers) {
      const isSent = allowed.lines.has(lineOf(name, value));
      if (!ofGateway.has(name.toLowerCase()) && !isSent) {
        this.violated(`has a header that no client sent (${name})`, request);
      }
    }
  }

  violated(what: string, { method, target, headers, body }: Sent): void {
    const [id = ""] = /fz\d+/u.exec(target) ?? [];
    const sent = this.#origins.get(id);
    this.note(JSON.stringify({ what, method, target, headers, body: body.slice(0, 200), sent }));
  }

  note(violation: string): void {
    if (this.violations.length < violationsMax) this.violations.push(violation);
  }
}

function lineOf(name: string, value: string): string {
  return `${name.toLowerCase()}: ${value.trim()}`;
}

function keyOf({ method, target, body }: Sent): string {
  const digest = createHash("sha1").update(body, "latin1").digest("base64");
  return `${method} ${originForm(target)} ${digest}`;
}

function originForm(target: string): string {
  const [, path] = /^https?:\/\/[^/?#]*(.*)$/iu.exec(target) ?? [];
  if (path === undefined) return target;
  return path.startsWith("/") ? path : `/${path}`;
}
