import { createHash } from "node:crypto";
import type { Clock } from "../std/clock.ts";
import { type AdminPage, textPage } from "./admin-server.ts";

/** Result of a token review. */
export type AccessVerdict =
  | { readonly kind: "allowed" }
  /** The token belongs to no account, or is no longer valid. */
  | { readonly kind: "stranger" }
  | { readonly kind: "denied"; readonly caller: string }
  /** The review failed: `advice` is for the caller, `reason` for the log. */
  | { readonly kind: "unavailable"; readonly advice: string; readonly reason: string };

/** Whose a token is, and whether that caller may read a path. */
type AccessReview = (token: string, path: string) => Promise<AccessVerdict>;

interface AccessLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface AccessDeps {
  readonly review: AccessReview;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: AccessLog;
}

/** Kubelets and load balancers have no token. */
const openPaths: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);
const allowedForMs = 60_000;
const refusedForMs = 10_000;
/** Verdicts kept of each kind; beyond it the one not used for longest goes. */
const verdictsMax = 1_000;
/** Reviews at the same time: who sends made-up tokens must not load the API server through us. */
const reviewsMax = 16;

/**
 * Authorization for the pages of the admin port. Verdicts are cached by a hash of the token and the
 * path; requests that arrive during a review share its result.
 */
export class Access {
  readonly #deps: AccessDeps;
  // Apart, so that made-up tokens cannot push out the good ones.
  readonly #allowed: RecentVerdicts;
  readonly #refused: RecentVerdicts;
  readonly #reviews = new Map<string, Promise<AccessVerdict>>();
  #isUnavailable = false;

  constructor(deps: AccessDeps) {
    this.#deps = deps;
    this.#allowed = new RecentVerdicts(allowedForMs);
    this.#refused = new RecentVerdicts(refusedForMs);
  }

  /** The answer instead of a page; undefined if the caller may read it. */
  async refusal(path: string, authorization: string | undefined): Promise<AdminPage | undefined> {
    if (openPaths.has(path)) return undefined;
    const token = tokenIn(authorization);
    if (token === undefined) return strangerPage;
    const verdict = await this.#verdictOn(token, path);
    switch (verdict.kind) {
      case "allowed":
        return undefined;
      case "stranger":
        return strangerPage;
      case "denied":
        return textPage(403, `${verdict.caller} is not allowed to get ${path}\n`);
      case "unavailable":
        return textPage(503, `${verdict.advice}\n`);
    }
  }

  #verdictOn(token: string, path: string): Promise<AccessVerdict> {
    const key = `${createHash("sha256").update(token).digest("base64")} ${path}`;
    const nowMs = this.#deps.clock.nowMs();
    const kept = this.#allowed.get(key, nowMs) ?? this.#refused.get(key, nowMs);
    if (kept !== undefined) return Promise.resolve(kept);
    const underWay = this.#reviews.get(key);
    if (underWay !== undefined) return underWay;
    if (this.#reviews.size >= reviewsMax) return Promise.resolve(busy);
    const review = this.#review({ token, path, key });
    this.#reviews.set(key, review);
    return review;
  }

  async #review(asked: {
    readonly token: string;
    readonly path: string;
    readonly key: string;
  }): Promise<AccessVerdict> {
    const { token, path, key } = asked;
    const { review, clock } = this.#deps;
    try {
      const verdict = await review(token, path);
      this.#note(verdict);
      const nowMs = clock.nowMs();
      if (verdict.kind === "allowed") this.#allowed.set(key, verdict, nowMs);
      else if (verdict.kind !== "unavailable") this.#refused.set(key, verdict, nowMs);
      return verdict;
    } finally {
      this.#reviews.delete(key);
    }
  }

  /** Logs once that reviews fail, and once that they work again. */
  #note(verdict: AccessVerdict): void {
    const isUnavailable = verdict.kind === "unavailable";
    if (isUnavailable === this.#isUnavailable) return;
    this.#isUnavailable = isUnavailable;
    const { log } = this.#deps;
    if (verdict.kind === "unavailable") {
      const { advice, reason } = verdict;
      log.warn({ reason, advice }, "access review failed");
    } else {
      log.info({}, "access review restored");
    }
  }
}

const strangerPage: AdminPage = {
  ...textPage(401, "a Kubernetes bearer token is required: Authorization: Bearer ...\n"),
  headers: { "www-authenticate": "Bearer" },
};

const busy: AccessVerdict = {
  kind: "unavailable",
  advice: "too many access reviews in progress; try again",
  reason: "",
};

function tokenIn(authorization = ""): string | undefined {
  return /^bearer +([^\s]+) *$/i.exec(authorization)?.[1];
}

/** Verdicts that count for a while, in the order of their last use, which is the order of the map. */
class RecentVerdicts {
  readonly #ttlMs: number;
  readonly #entries = new Map<string, { verdict: AccessVerdict; sinceMs: number }>();

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  get(key: string, nowMs: number): AccessVerdict | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (nowMs - entry.sinceMs >= this.#ttlMs) return undefined;
    this.#entries.set(key, entry);
    return entry.verdict;
  }

  set(key: string, verdict: AccessVerdict, nowMs: number): void {
    this.#entries.set(key, { verdict, sinceMs: nowMs });
    if (this.#entries.size <= verdictsMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
