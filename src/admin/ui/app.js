/** @import { LivePage } from "../live-page.ts" */
/** @import { ShadowPage } from "../shadow-page.ts" */
/** @import { HitsPage } from "../hits-page.ts" */
/** @import { Explanation, ShownRecord } from "./decision-view.js" */
/** @import { FeedState } from "./live-feed.js" */
import { configView } from "./config-view.js";
import { decisionView } from "./decision-view.js";
import { decisionsView } from "./decisions-view.js";
import { whole } from "./format.js";
import { frame, views } from "./frame.js";
import { hitsView } from "./hits-view.js";
import { html, render } from "./lit/lit-html.js";
import { LiveFeed } from "./live-feed.js";
import { initialChoice, poolView } from "./pool-view.js";
import { queuesView } from "./queues-view.js";
import { shadowView } from "./shadow-view.js";

/** The age of lost data is drawn again at this interval. */
const tickMs = 1_000;

/**
 * @typedef {object} Route
 * @property {string} view name in `views`
 * @property {string} title
 * @property {string} [id] number of a decision
 * @property {string} [requestId]
 */

/** @returns {Route} */
function routeOf(/** @type {string} */ hash) {
  const [name = "", ...rest] = hash.replace(/^#\/?/u, "").split("/");
  const argument = decoded(rest.join("/"));
  if (name === "decision") return { view: "decisions", title: "Why this endpoint", id: argument };
  if (name === "request")
    return { view: "decisions", title: "Why this endpoint", requestId: argument };
  const { name: view, title } = views.find((each) => each.name === name) ?? {
    name: "pool",
    title: "Pool",
  };
  return { view, title };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The page: what the feed brings, what the reader chose, and one drawing of both. */
export class App {
  #root;
  #feed;
  #route = routeOf(location.hash);
  #choice = initialChoice;
  /** @type {Explanation | undefined} of the decision in the address */
  #explanation;
  /** @type {{ key: string, text: string } | undefined} text of the document, by the time it was put in force */
  #document;
  /** @type {ShadowPage | { enabled: false } | undefined} */
  #shadow;
  /** @type {HitsPage | undefined} */
  #hits;
  #isDrawing = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#feed = new LiveFeed({
      fetch: (url, options) => fetch(url, { ...options, cache: "no-store" }),
      after: (run, ms) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      nowMs: () => performance.now(),
      onChange: (state) => this.#changed(state),
    });
  }

  start() {
    document.addEventListener("visibilitychange", () => this.#feed.hide(document.hidden));
    addEventListener("hashchange", () => this.#routed());
    setInterval(() => this.#tick(), tickMs);
    this.#feed.hide(document.hidden);
    this.#routed(true);
  }

  #routed(isFirst = false) {
    this.#route = routeOf(location.hash);
    this.#explanation = undefined;
    this.#draw();
    void this.#load();
    scrollTo(0, 0);
    // A reader by ear hears where the link led.
    if (!isFirst) document.querySelector("main")?.focus({ preventScroll: true });
  }

  /** @param {FeedState} state */
  #changed({ kind }) {
    if (kind === "live") void this.#load();
    this.#draw();
  }

  #tick() {
    if (!document.hidden && this.#feed.state.kind === "lost") this.#draw();
  }

  /** Loads what the view needs beyond the feed. */
  async #load() {
    const { view, id, requestId } = this.#route;
    if (view === "config") await this.#loadDocument();
    else if (view === "shadow") await this.#loadShadow();
    else if (view === "hits") await this.#loadHits();
    else if (id !== undefined || requestId !== undefined) await this.#loadExplanation(this.#route);
  }

  /** @param {Route} route */
  async #loadExplanation(route) {
    const before = this.#explanation?.records ?? [];
    // It changes until the request has ended.
    if (before.length > 0 && before.every(({ actual }) => actual !== undefined)) return;
    const query = route.id === undefined ? { request: route.requestId ?? "" } : { id: route.id };
    const response = await this.#feed.other(`debug/decisions?${new URLSearchParams(query)}`);
    /** @type {{ decisions: ShownRecord[] } | undefined} */
    const found = await response?.json().catch(() => undefined);
    const records = found?.decisions ?? [];
    const text = await this.#wordsOf(
      route.id === undefined ? (route.requestId ?? "") : `#${route.id}`,
    );
    if (route !== this.#route) return;
    this.#explanation = { records, text };
    this.#draw();
  }

  /** The explanation in words; empty if the picker has no explanation. */
  async #wordsOf(/** @type {string} */ asked) {
    const response = await this.#feed.other(`explain/${encodeURIComponent(asked)}`, "text/plain");
    return (await response?.text().catch(() => "")) ?? "";
  }

  async #loadDocument() {
    const config = this.#feed.state.page?.config;
    if (config === undefined) return;
    const key = `${config.hash} ${config.appliedAt}`;
    if (this.#document?.key === key) return;
    const response = await this.#feed.other("debug/config");
    /** @type {{ document: string } | undefined} */
    const found = await response?.json().catch(() => undefined);
    if (found === undefined) return;
    this.#document = { key, text: found.document };
    this.#draw();
  }

  async #loadShadow() {
    const response = await this.#feed.other("debug/shadow");
    /** @type {ShadowPage | { enabled: false } | undefined} */
    const found = await response?.json().catch(() => undefined);
    if (found === undefined) return;
    this.#shadow = found;
    this.#draw();
  }

  async #loadHits() {
    const response = await this.#feed.other("debug/hits");
    /** @type {HitsPage | undefined} */
    const found = await response?.json().catch(() => undefined);
    if (found === undefined) return;
    this.#hits = found;
    this.#draw();
  }

  /** Draws once before the next frame, whatever number of changes came. */
  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    queueMicrotask(() => {
      this.#isDrawing = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const feed = this.#feed.state;
    const { view, title } = this.#route;
    const takers = feed.page?.endpoints.filter(({ takesRequests }) => takesRequests).length;
    const shown = takers === undefined ? title : `${title} (${whole(takers)})`;
    document.title = `${view === "pool" ? shown : title} – Pointsman ${feed.page?.pool.name ?? ""}`;
    performance.mark("draw");
    render(
      frame({
        feed,
        nowMs: performance.now(),
        view,
        title,
        content: feed.page === undefined ? undefined : this.#content(feed.page),
        onPause: (isPaused) => this.#feed.pause(isPaused),
        onToken: (token) => this.#feed.unlock(token),
      }),
      this.#root,
    );
    performance.measure("draw", "draw");
  }

  /** @param {LivePage} page */
  #content(page) {
    const { view, id, requestId } = this.#route;
    if (id !== undefined || requestId !== undefined) {
      return this.#explanation === undefined
        ? html`<p class="empty">Loading…</p>`
        : decisionView(this.#explanation);
    }
    switch (view) {
      case "decisions":
        return decisionsView(page, (found) => {
          location.hash = `#/request/${encodeURIComponent(found)}`;
        });
      case "queues":
        return queuesView(page);
      case "shadow":
        return shadowView(this.#shadow);
      case "hits":
        return hitsView(this.#hits);
      case "config":
        return configView(page, this.#document?.text);
      default:
        return poolView(page, this.#choice, (changes) => {
          this.#choice = { ...this.#choice, ...changes };
          this.#draw();
        });
    }
  }
}
