import type { Refusal } from "../../../../core/errors.ts";
import type { HeaderValues } from "../../../../core/request.ts";
import type { KnownHosts } from "../../../../listening/known-hosts.ts";

/** Characters of a host or an origin that an error shows. */
const shownMax = 256;

/** Keeps web pages of other sites from using the gateway through the browser of a person who can reach it. */
export class BrowserGuard {
  readonly #hosts: KnownHosts;
  readonly #origins: ReadonlySet<string>;

  /** `origins`: those of web pages that may use the gateway; `*` for all. */
  constructor(hosts: KnownHosts, origins: readonly string[]) {
    this.#hosts = hosts;
    this.#origins = new Set(origins);
  }

  refusalOf(authority: string, headers: HeaderValues): Refusal | undefined {
    if (!this.#hosts.knows(authority)) {
      const message = `the host ${shown(authority)} is not known: --allowed-hosts names further ones`;
      return { code: "host_not_allowed", message };
    }
    const origin = headers.get("origin");
    const isAllowed =
      origin === undefined ? !isOfOtherPage(headers) : this.#allows(origin, authority);
    if (isAllowed) return undefined;
    const page = origin === undefined ? "this web page" : `the web page ${shown(origin)}`;
    return {
      code: "origin_not_allowed",
      message: `${page} may not use the gateway: --cors-origins names those that may`,
    };
  }

  #allows(origin: string, authority: string): boolean {
    if (this.#origins.has("*") || this.#origins.has(origin)) return true;
    const [, scheme = "", host = ""] = /^([a-z][\w+.-]*):\/\/(.*)$/iu.exec(origin) ?? [];
    // Extensions and desktop applications have schemes of their own; "null" is any page that hides its origin.
    if (!/^https?$/iu.test(scheme)) return scheme !== "";
    return host.toLowerCase() === authority.toLowerCase() || this.#hosts.knows(host);
  }
}

/** True for an image, a frame or a script of another site, which browsers ask for without an origin. */
function isOfOtherPage(headers: HeaderValues): boolean {
  if (headers.get("sec-fetch-site") !== "cross-site") return false;
  // A person who follows a link may see the answer; the other page may not.
  const isFollowed =
    headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-user") === "?1";
  return !isFollowed;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, shownMax));
}
