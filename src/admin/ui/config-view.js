/** @import { LivePage } from "../live-page.ts" */
/** @import { Column } from "./table.js" */
import { dayAndTime, duration, whole } from "./format.js";
import { html, nothing } from "./lit/lit-html.js";
import { plainTable, tile } from "./table.js";

/** @typedef {LivePage["config"]["history"][number]} ReadDocument */

const meanings = {
  started: "in force from the start",
  applied: "put in force",
  restored: "same as the one in force",
  refused: "refused",
};

/** @param {string} outcome */
function meaningOf(outcome) {
  return Object.entries(meanings).find(([name]) => name === outcome)?.[1] ?? outcome;
}

/** @type {readonly Column<ReadDocument>[]} */
const columns = [
  { title: "Time", isLine: true, cell: ({ at }) => dayAndTime(at) },
  {
    title: "Outcome",
    cell: ({ outcome, mistakes, mistakeCount }) =>
      html`<span class="standing ${outcome === "refused" ? "bad" : "good"}"
          ><span class="mark" aria-hidden="true"></span>${meaningOf(outcome)}</span
        >
        ${
          mistakes.length === 0
            ? nothing
            : html`<ul class="mistakes">
                ${mistakes.map((mistake) => html`<li>${mistake}</li>`)}
                ${mistakeCount > mistakes.length ? html`<li>and ${whole(mistakeCount - mistakes.length)} more</li>` : nothing}
              </ul>`
        }`,
  },
  { title: "Source", cell: ({ source }) => source ?? "–" },
  { title: "Hash", isLine: true, cell: ({ hash }) => html`<code>${hash.slice(0, 12)}</code>` },
];

/**
 * @param {LivePage} page
 * @param {string | undefined} text of the document; undefined until it is there
 */
export function configView({ config, at }, text) {
  const ageMs = Date.parse(at) - Date.parse(config.appliedAt);
  return html`
    <dl class="tiles">
      ${tile("In force since", dayAndTime(config.appliedAt), `for ${duration(ageMs)}`)}
      ${tile("Hash", html`<code>${config.hash.slice(0, 12)}</code>`)}
      ${tile("Last document", config.isRefused ? "refused" : "in force")}
    </dl>
    ${config.standIn ? html`<p class="finding bad"><span class="mark" aria-hidden="true"></span>The default configuration stands in: its source has given none yet.</p>` : nothing}
    ${
      config.warnings.length === 0
        ? nothing
        : html`<h2>Warnings</h2>
            <ul>
              ${config.warnings.map((warning) => html`<li>${warning}</li>`)}
            </ul>`
    }
    ${plainTable("Documents read, newest first", columns, config.history)}
    <h2>Document in force</h2>
    ${text === undefined ? html`<p>Loading…</p>` : text === "" ? html`<p>The default configuration, as the document is empty.</p>` : html`<pre tabindex="0">${text}</pre>`}
  `;
}
