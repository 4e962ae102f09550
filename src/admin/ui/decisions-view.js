/** @import { LivePage } from "../live-page.ts" */
/** @import { Column } from "./table.js" */
import { duration, timeOfDay, whole } from "./format.js";
import { html } from "./lit/lit-html.js";
import { repeat } from "./lit/directives/repeat.js";
import { rowOf, submitted, table } from "./table.js";

/** @typedef {LivePage["decisions"][number]} DecisionLine */

/**
 * The result of a request in words.
 *
 * @param {Pick<DecisionLine, "actual" | "picked">} decision
 */
export function outcomeOf({ actual, picked }) {
  if (actual === undefined) return picked === undefined ? "refused" : "under way";
  if (actual.attempt !== undefined)
    return actual.attempt === "failed" ? "failed, tried again" : "outrun";
  const status = actual.httpStatus === undefined ? "" : ` (${actual.httpStatus})`;
  return `${actual.end}${status}`;
}

/** @type {readonly Column<DecisionLine>[]} */
const columns = [
  { title: "Decision", cell: ({ id }) => html`<a href="#/decision/${id}">${whole(id)}</a>` },
  { title: "Time", cell: ({ at }) => timeOfDay(at) },
  {
    title: "Request",
    isLine: true,
    cell: ({ requestId }) => html`<code title=${requestId}>${requestId}</code>`,
  },
  { title: "Model", isLine: true, cell: ({ model }) => html`<code title=${model}>${model}</code>` },
  { title: "Endpoint", isLine: true, cell: ({ picked }) => picked ?? "none" },
  { title: "Candidates", isNumber: true, cell: ({ candidates }) => whole(candidates) },
  {
    title: "Prompt",
    hint: "Estimated tokens",
    isNumber: true,
    cell: ({ promptTokens }) => whole(promptTokens),
  },
  {
    title: "Cached tokens",
    hint: "As predicted, and as the engine reported them",
    isNumber: true,
    cell: ({ predicted, actual }) =>
      pair(whole(predicted?.cachedTokens), whole(actual?.cachedTokens)),
  },
  {
    title: "TTFT",
    hint: "Time to first token as predicted, and as it was",
    isNumber: true,
    cell: ({ predicted, actual }) => pair(duration(predicted?.ttftMs), duration(actual?.ttftMs)),
  },
  { title: "Outcome", isLine: true, cell: outcomeOf },
];

/**
 * @param {string} predicted
 * @param {string} actual
 */
function pair(predicted, actual) {
  return html`<span class="visually-hidden">predicted </span>${predicted}<span aria-hidden="true">
      → </span
    ><span class="visually-hidden">, actual </span>${actual}`;
}

/**
 * @param {LivePage} page
 * @param {(requestId: string) => void} onFind
 */
export function decisionsView({ decisions, decisionCount }, onFind) {
  return html`
    <form
      class="controls"
      @submit=${(/** @type {SubmitEvent} */ event) => {
        const requestId = submitted(event, "request");
        if (requestId !== "") onFind(requestId);
      }}
    >
      <label
        >Find a request by its ID
        <input name="request" type="search" maxlength="256" autocomplete="off"
      /></label>
      <button type="submit">Find</button>
    </form>
    ${
      decisions.length === 0
        ? html`<p class="empty">No decisions yet.</p>`
        : html`${table({
            caption: `The last ${whole(decisions.length)} of ${whole(decisionCount)} decisions`,
            columns,
            // By id, so that the keyboard's focus stays with its decision while others come.
            body: repeat(
              decisions,
              ({ id }) => id,
              (row) => rowOf(columns, row),
            ),
          })}`
    }
  `;
}
