/** @import { LivePage } from "../live-page.ts" */

/** Time between an answer and the next question, and its longest after failures. */
const intervalMs = 2_000;
const intervalMsMax = 10_000;
/** A picker that does not answer for this long counts as gone. */
const timeoutMs = 5_000;

/**
 * @typedef {object} FeedState
 * @property {"loading" | "live" | "lost" | "locked"} kind `locked`: the picker wants a token
 * @property {LivePage | undefined} page the last one
 * @property {number | undefined} pageAtMs
 * @property {string} problem the reason that the feed is lost or locked; empty while it is not
 * @property {boolean} isPaused
 * @property {boolean} isHidden
 */

/**
 * @typedef {object} FeedDeps
 * @property {(url: string, options: { headers: Record<string, string>, signal: AbortSignal }) => Promise<Response>} fetch
 * @property {(run: () => void, ms: number) => () => void} after starts a timer; the result stops it
 * @property {() => number} nowMs
 * @property {(state: FeedState) => void} onChange
 */

/**
 * Asks the picker for its state again and again, one question at a time. It asks nothing while the page is hidden or paused.
 */
export class LiveFeed {
  /** @type {FeedDeps} */
  #deps;
  /** @type {FeedState} */
  #state = {
    kind: "loading",
    page: undefined,
    pageAtMs: undefined,
    problem: "",
    isPaused: false,
    isHidden: false,
  };
  #token = "";
  #failures = 0;
  /** @type {() => void} */
  #stopTimer = () => {};
  /** @type {AbortController | undefined} */
  #asking;

  /** @param {FeedDeps} deps */
  constructor(deps) {
    this.#deps = deps;
  }

  get state() {
    return this.#state;
  }

  /** Begins, or asks at once. */
  ask() {
    this.#stopTimer();
    if (this.#isStill || this.#asking !== undefined) return;
    void this.#ask();
  }

  /** @param {boolean} isPaused */
  pause(isPaused) {
    this.#set({ isPaused });
    this.#changed();
  }

  /** @param {boolean} isHidden */
  hide(isHidden) {
    this.#set({ isHidden });
    this.#changed();
  }

  /**
   * The token is kept in memory alone, and is gone with the page.
   *
   * @param {string} token
   */
  unlock(token) {
    this.#token = token.trim();
    this.ask();
  }

  /**
   * Asks for another page of the picker, with the same token. Undefined if the picker has no such page, or does not answer.
   *
   * @param {string} url
   * @param {string} accept
   */
  async other(url, accept = "application/json") {
    try {
      const response = await this.#deps.fetch(url, {
        headers: { ...this.#headers, accept },
        signal: AbortSignal.timeout(timeoutMs),
      });
      return response.ok ? response : undefined;
    } catch {
      return undefined;
    }
  }

  /** @returns {Record<string, string>} */
  get #headers() {
    return this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` };
  }

  get #isStill() {
    return this.#state.isPaused || this.#state.isHidden;
  }

  #changed() {
    if (!this.#isStill) return this.ask();
    this.#stopTimer();
    this.#asking?.abort();
    this.#asking = undefined;
  }

  async #ask() {
    const asking = new AbortController();
    this.#asking = asking;
    const result = await this.#answer(asking.signal);
    // The page was hidden or paused meanwhile, and may have asked again since.
    if (this.#asking !== asking) return;
    this.#asking = undefined;
    this.#failures = result.kind === "lost" ? this.#failures + 1 : 0;
    this.#set(result);
    if (result.kind === "locked") return;
    const waitMs = Math.min(intervalMs * 2 ** this.#failures, intervalMsMax);
    this.#stopTimer = this.#deps.after(
      () => this.ask(),
      result.kind === "live" ? intervalMs : waitMs,
    );
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Pick<FeedState, "kind" | "problem"> & Partial<FeedState>>}
   */
  async #answer(signal) {
    const { fetch, nowMs } = this.#deps;
    try {
      const response = await fetch("debug/live", {
        headers: this.#headers,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      if (response.status === 401 || response.status === 403) {
        const problem = this.#token === "" ? "" : (await response.text()).trim().slice(0, 300);
        return { kind: "locked", problem };
      }
      if (!response.ok) {
        const text = (await response.text()).trim().slice(0, 300);
        return { kind: "lost", problem: `${response.status} ${text}` };
      }
      /** @type {LivePage} */
      const page = await response.json();
      return { kind: "live", problem: "", page, pageAtMs: nowMs() };
    } catch (cause) {
      return { kind: "lost", problem: reasonOf(cause) };
    }
  }

  /** @param {Partial<FeedState>} changes */
  #set(changes) {
    this.#state = { ...this.#state, ...changes };
    this.#deps.onChange(this.#state);
  }
}

/** @param {unknown} cause */
function reasonOf(cause) {
  if (cause instanceof DOMException && cause.name === "TimeoutError") {
    return `no answer in ${timeoutMs / 1_000} s`;
  }
  return cause instanceof SyntaxError
    ? "the answer is not that of a picker"
    : "the picker cannot be reached";
}
