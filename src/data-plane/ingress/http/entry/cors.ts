import type { HeaderValues } from "../../../../core/request.ts";

/** Characters of lists of header names; anything else is not repeated in an answer. */
const headerNames = /^[A-Za-z0-9!#$%&'*+\-.^_`|~, ]{1,2048}$/u;

/** Seconds for which browsers keep a permission. */
const maxAgeSeconds = 600;

/** The web pages that may use the gateway from a browser. */
export class CorsPolicy {
  readonly #origins: ReadonlySet<string>;
  readonly #allowsAll: boolean;

  /** `origins`: such as `https://chat.example.com`, or `*` for all. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
    this.#allowsAll = origins.includes("*");
  }

  /** Headers of every answer, names and values in turn; empty if the page may not read it. */
  headersFor(headers: HeaderValues): readonly string[] {
    const vary = this.#allowsAll ? [] : ["vary", "Origin"];
    const origin = headers.get("origin");
    if (origin === undefined || !this.#allows(origin)) return vary;
    const allowed = this.#allowsAll ? "*" : origin;
    const expose = "access-control-expose-headers";
    return ["access-control-allow-origin", allowed, expose, "*", ...vary];
  }

  /** Further headers for a browser that asks before it sends a request; undefined if this is no such question. */
  preflightFor(method: string, headers: HeaderValues): readonly string[] | undefined {
    const origin = headers.get("origin");
    const wanted = headers.get("access-control-request-method");
    if (method !== "OPTIONS" || origin === undefined || wanted === undefined) return undefined;
    if (!this.#allows(origin)) return [];
    const names = headers.get("access-control-request-headers") ?? "";
    const isLocal = headers.get("access-control-request-private-network") === "true";
    return [
      "access-control-allow-methods",
      "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
      "access-control-max-age",
      String(maxAgeSeconds),
      ...(headerNames.test(names) ? ["access-control-allow-headers", names] : []),
      ...(isLocal ? ["access-control-allow-private-network", "true"] : []),
    ];
  }

  #allows(origin: string): boolean {
    return this.#allowsAll || this.#origins.has(origin);
  }
}
