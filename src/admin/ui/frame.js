/** @import { TemplateResult } from "lit-html" */
/** @import { FeedState } from "./live-feed.js" */
import { duration } from "./format.js";
import { html, nothing } from "./lit/lit-html.js";
import { submitted } from "./table.js";

/** Views by the first part of the address's hash. */
export const views = [
  { name: "pool", title: "Pool" },
  { name: "decisions", title: "Decisions" },
  { name: "queues", title: "Queues" },
  { name: "hits", title: "Hits" },
  { name: "config", title: "Configuration" },
  { name: "shadow", title: "Shadow" },
];

/**
 * @typedef {object} FrameParts
 * @property {FeedState} feed
 * @property {number} nowMs
 * @property {string} view name of the view in `views`
 * @property {string} title
 * @property {unknown} content
 * @property {(isPaused: boolean) => void} onPause
 * @property {(token: string) => void} onToken
 */

/**
 * @param {FrameParts} parts
 * @returns {TemplateResult}
 */
export function frame({ feed, nowMs, view, title, content, onPause, onToken }) {
  const { page, pageAtMs, kind, isPaused } = feed;
  const ageMs = pageAtMs === undefined ? undefined : nowMs - pageAtMs;
  return html`
    <a class="skip" href="#content" @click=${skip}>Skip to the content</a>
    <header>
      <p class="brand">Pointsman <span class="pool">${page?.pool.name ?? ""}</span></p>
      <nav aria-label="Views">
        ${views.map(
          ({ name, title: shown }) =>
            html`<a href="#/${name}" aria-current=${name === view ? "page" : nothing}>${shown}</a>`,
        )}
      </nav>
      <p class="feed">
        ${connection(feed)}
        <button type="button" aria-pressed=${String(isPaused)} @click=${() => onPause(!isPaused)}>
          Pause
        </button>
      </p>
    </header>
    <p class="lost" role="status" ?hidden=${kind !== "lost"}>
      ${kind === "lost" ? html`<strong>Connection lost:</strong> ${feed.problem}. ${lostText(ageMs)}` : nothing}
    </p>
    <main
      id="content"
      tabindex="-1"
      aria-busy=${String(kind === "loading")}
      class=${kind === "lost" ? "old" : nothing}
    >
      <h1>${title}</h1>
      ${kind === "locked" ? tokenForm(feed.problem, onToken) : (content ?? html`<p class="empty">Loading…</p>`)}
    </main>
    <footer>This page only reads. It shows no prompts and no answers.</footer>
  `;
}

/** @param {number | undefined} ageMs */
function lostText(ageMs) {
  return ageMs === undefined
    ? "The page tries again."
    : `This is its state of ${duration(ageMs)} ago; the page tries again.`;
}

/** The address's hash names the view, so a link to a place would leave it. */
function skip(/** @type {Event} */ event) {
  event.preventDefault();
  document.querySelector("main")?.focus();
}

/** @param {FeedState} feed */
function connection({ kind, isPaused }) {
  const severity = kind === "live" && !isPaused ? "good" : kind === "lost" ? "bad" : "warn";
  const words = { loading: "Connecting", live: "Live", lost: "Lost", locked: "Locked" };
  return html`<span class="standing ${severity}"
    ><span class="mark" aria-hidden="true"></span>${isPaused ? "Paused" : words[kind]}</span
  >`;
}

/**
 * @param {string} problem
 * @param {(token: string) => void} onToken
 */
function tokenForm(problem, onToken) {
  return html`<form
    class="token"
    @submit=${(/** @type {SubmitEvent} */ event) => onToken(submitted(event, "token"))}
  >
    <p>
      This picker asks for a Kubernetes bearer token that may <code>get</code>
      <code>/debug/*</code>, for example from <code>kubectl create token ACCOUNT</code>. The page
      keeps it until it is closed or loaded again.
    </p>
    ${problem === "" ? nothing : html`<p role="alert" class="finding bad"><span class="mark" aria-hidden="true"></span>${problem}</p>`}
    <label>Token <input name="token" type="password" required autocomplete="off" /></label>
    <button type="submit">Show the picker</button>
  </form>`;
}
