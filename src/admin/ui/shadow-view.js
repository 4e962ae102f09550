/** @import { RolloutPage, ShadowDifference, ShadowPage } from "../shadow-page.ts" */
/** @import { Column } from "./table.js" */
import { dayAndTime, duration, isKnown, percent, timeOfDay, whole } from "./format.js";
import { html, nothing } from "./lit/lit-html.js";
import { plainTable, tile } from "./table.js";

/** @typedef {ShadowPage["sets"][number]} ShadowSet */

/** @param {number | null} ms */
function more(ms) {
  return isKnown(ms) && ms > 0 ? `+${duration(ms)}` : duration(ms);
}

/** @param {number | null} count */
function tokens(count) {
  return isKnown(count) && count > 0 ? `+${whole(count)}` : whole(count);
}

/** @type {readonly Column<ShadowSet>[]} */
const setColumns = [
  {
    title: "Model",
    cell: ({ model, targetModel }) =>
      html`<code>${model}</code
        >${model === targetModel ? nothing : html`<small>as ${targetModel}</small>`}`,
  },
  { title: "Tenant", cell: ({ fairnessId }) => fairnessId },
  { title: "Priority", isNumber: true, cell: ({ priority }) => priority },
  { title: "Decisions", isNumber: true, cell: ({ decisions }) => whole(decisions) },
  { title: "Equal", isNumber: true, cell: ({ agreementRatio }) => percent(agreementRatio) },
  {
    title: "TTFT",
    hint: "Expected at the shadow document's picks, compared with those in force, in the mean",
    isNumber: true,
    cell: ({ ttftDifferenceMs }) => more(ttftDifferenceMs),
  },
  {
    title: "Slower, p90",
    isNumber: true,
    cell: ({ slowerMs }) => duration(slowerMs?.p90),
  },
  {
    title: "Faster, p90",
    isNumber: true,
    cell: ({ fasterMs }) => duration(fasterMs?.p90),
  },
  {
    title: "Cached tokens",
    isNumber: true,
    cell: ({ hitDifferenceTokens }) => tokens(hitDifferenceTokens),
  },
];

/** @type {readonly Column<ShadowPage["reasons"][number]>[]} */
const reasonColumns = [
  { title: "Reason", cell: ({ reason }) => reason },
  { title: "Decisions", isNumber: true, cell: ({ decisions }) => whole(decisions) },
];

/** @type {readonly Column<ShadowDifference>[]} */
const differenceColumns = [
  { title: "Time", isLine: true, cell: ({ at }) => timeOfDay(at) },
  {
    title: "Request",
    isLine: true,
    cell: ({ requestId }) =>
      html`<a href=${`#/request/${encodeURIComponent(requestId)}`}>${requestId}</a>`,
  },
  { title: "Picked", cell: ({ picked }) => picked },
  { title: "Shadow pick", cell: ({ shadowPick }) => shadowPick ?? "refused" },
  { title: "Reason", cell: ({ reason }) => reason },
  { title: "TTFT", isNumber: true, cell: ({ ttftDifferenceMs }) => more(ttftDifferenceMs) },
  {
    title: "Cached tokens",
    isNumber: true,
    cell: ({ hitDifferenceTokens }) => tokens(hitDifferenceTokens),
  },
];

/** @param {ShadowPage | { enabled: false } | undefined} page undefined until it is there */
export function shadowView(page) {
  if (page === undefined) return html`<p class="empty">Loading…</p>`;
  if (!page.enabled) {
    return html`<p class="empty">
      No second document is compared: <code>--shadow-config-file</code> names one.
    </p>`;
  }
  return html`${refusal(page)}
  ${page.document === null ? html`<p class="empty">The file of the shadow document is missing or empty.</p>` : comparison(page, page.document)}`;
}

const states = {
  comparing: { text: "Comparing both documents", kind: "good" },
  promoted: { text: "Promoted", kind: "good" },
  rolledBack: { text: "Rolled back", kind: "bad" },
};

const measureTitles = {
  ttft: "To the first token",
  answer: "To the first byte, of answers that do not stream",
  tpot: "Per further token",
};

/** @param {number} ratio */
function risen(ratio) {
  const shown = Math.round(ratio * 1_000) / 10;
  return `${shown > 0 ? "+" : ""}${shown} %`;
}

/** @type {readonly Column<RolloutPage["rises"][number]>[]} */
const riseColumns = [
  { title: "Time", cell: ({ measure }) => measureTitles[measure] },
  { title: "Rise", isNumber: true, cell: ({ rise }) => (rise === null ? "–" : risen(rise.mean)) },
  {
    title: "At least",
    isNumber: true,
    cell: ({ rise }) => (rise === null ? "–" : risen(rise.lower)),
  },
  {
    title: "At most",
    isNumber: true,
    cell: ({ rise }) => (rise === null ? "–" : risen(rise.upper)),
  },
];

/** @param {RolloutPage} rollout */
function rolloutPart(rollout) {
  const { text, kind } = states[rollout.state];
  const { requests, errors } = rollout;
  const notes = [...rollout.reasons, ...rollout.waitsFor.map((wait) => `Waits for ${wait}`)];
  return html`<h2>Rollout</h2>
    <p class="finding ${kind}">
      <span class="mark" aria-hidden="true"></span>${text} since ${dayAndTime(rollout.since)}.
      ${rollout.advice ?? nothing}
    </p>
    ${
      notes.length === 0
        ? nothing
        : html`<ul>
            ${notes.map((note) => html`<li>${note}</li>`)}
          </ul>`
    }
    <dl class="tiles">
      ${tile("Shadow decides about", percent(rollout.shareRatio))}
      ${tile("Errors, shadow", whole(errors.shadow), `in ${whole(requests.shadow)} requests`)}
      ${tile("Errors, in force", whole(errors.inForce), `in ${whole(requests.inForce)} requests`)}
    </dl>
    ${plainTable("Times of the shadow's requests, compared", riseColumns, rollout.rises)}`;
}

/** @param {ShadowPage} page */
function refusal({ refused }) {
  if (refused === null) return nothing;
  return html`<p class="finding bad">
      <span class="mark" aria-hidden="true"></span>The last shadow document was refused at
      ${dayAndTime(refused.refusedAt)}.
    </p>
    <ul class="mistakes">
      ${refused.mistakes.map((mistake) => html`<li>${mistake}</li>`)}
    </ul>`;
}

/** @param {ShadowPage} page */
function budgetText({ rollout, cpuBudgetRatio }) {
  if (rollout !== null && rollout.shareRatio > 0) return "of the picker's; a rollout has no budget";
  return `of the picker's, ${(cpuBudgetRatio * 100).toFixed(1)} % at most`;
}

/**
 * @param {ShadowPage} page
 * @param {NonNullable<ShadowPage["document"]>} document
 */
function comparison(page, document) {
  const { total } = page;
  return html`
    <dl class="tiles">
      ${tile("Document", html`<code>${document.hash.slice(0, 12)}</code>`, `since ${dayAndTime(document.appliedAt)}`)}
      ${tile("Equal decisions", percent(total.agreementRatio), `of ${whole(total.decisions)}`)}
      ${tile("Expected TTFT", more(total.ttftDifferenceMs), "at its picks, in the mean")}
      ${tile("Cached tokens", tokens(total.hitDifferenceTokens), "at its picks, in the mean")}
      ${tile("Compared", percent(page.comparedRatio), `learns from ${percent(page.learnedRatio)}`)}
      ${tile("CPU", `${(page.cpuUsedRatio * 100).toFixed(1)} %`, budgetText(page))}
    </dl>
    ${page.rollout === null ? nothing : rolloutPart(page.rollout)}
    ${
      document.warnings.length === 0
        ? nothing
        : html`<h2>Warnings</h2>
            <ul>
              ${document.warnings.map((warning) => html`<li>${warning}</li>`)}
            </ul>`
    }
    ${page.sets.length === 0 ? html`<p class="empty">No decision was compared yet.</p>` : plainTable("By model and tenant", setColumns, page.sets.slice(0, 50))}
    ${page.reasons.length === 0 ? nothing : plainTable("Differences by reason", reasonColumns, page.reasons)}
    ${page.differences.length === 0 ? nothing : plainTable("Last differences", differenceColumns, page.differences)}
  `;
}
