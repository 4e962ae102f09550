/** @import { HitsPage } from "../hits-page.ts" */
/** @import { Column } from "./table.js" */
import { counted, duration, isKnown, number, percent, whole } from "./format.js";
import { html, nothing } from "./lit/lit-html.js";
import { bar, plainTable, tile } from "./table.js";

/** @typedef {HitsPage["rungs"][number]} Rung */
/** @typedef {HitsPage["groups"][number]} Group */
/** @typedef {HitsPage["endpoints"][number]} Endpoint */
/** @typedef {HitsPage["cache"]["steps"][number]} Step */

/** @param {number | null | undefined} ratio */
function share(ratio) {
  return isKnown(ratio) ? bar(ratio, percent(ratio)) : "–";
}

/** @type {readonly Column<Rung>[]} */
const rungColumns = [
  {
    title: "Rung",
    cell: ({ name, meaning }) => html`${titled(name)}<small>${meaning}</small>`,
  },
  { title: "Share of prompt tokens", cell: ({ ratio }) => share(ratio) },
];

/** @type {readonly Column<Step>[]} */
const stepColumns = [
  {
    title: "Size",
    isLine: true,
    cell: ({ factor }) => (factor === 1 ? "as it is" : `${number(factor)} times`),
  },
  { title: "Tokens", isNumber: true, cell: ({ tokens }) => whole(tokens) },
  { title: "Hits in one cache of this size", cell: ({ ratio }) => share(ratio) },
];

/** @type {readonly Column<Endpoint>[]} */
const endpointColumns = [
  { title: "Endpoint", cell: ({ id }) => html`<span class="name">${id}</span>` },
  {
    title: "Answers",
    isNumber: true,
    cell: ({ answers, reporting }) =>
      html`${whole(answers)}<small>${whole(reporting)} report hits</small>`,
  },
  { title: "Predicted", cell: ({ predicted }) => share(predicted) },
  { title: "Delivered", cell: ({ delivered }) => share(delivered) },
  {
    title: "Counted",
    hint: "Hits by the engine's own counters, of all traffic that reaches it",
    cell: ({ counted: own }) => share(own?.ratio),
  },
];

/** @param {string} name */
function titled(name) {
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}

/**
 * @param {readonly Rung[]} rungs
 * @returns {readonly Column<Group>[]}
 */
function groupColumns(rungs) {
  return [
    {
      title: "Model and tenant",
      cell: ({ model, tenant, isOthers }) =>
        isOthers ? "All others" : html`<span class="name">${model}</span><small>${tenant}</small>`,
    },
    { title: "Requests", isNumber: true, cell: ({ requests }) => whole(requests) },
    { title: "Prompt tokens", isNumber: true, cell: ({ promptTokens }) => whole(promptTokens) },
    ...rungs.map(({ name }, index) => ({
      title: titled(name),
      isNumber: true,
      cell: (/** @type {Group} */ group) => percent(group.rungs[index]?.ratio),
    })),
  ];
}

/** @param {HitsPage["findings"][number]} finding */
function findingView({ isProblem, text, remedy }) {
  return html`<li class="finding ${isProblem ? "warn" : "good"}">
    <span class="mark" aria-hidden="true"></span>
    <span>${text} <small>${remedy}</small></span>
  </li>`;
}

/** @param {HitsPage | undefined} page undefined until it is there */
export function hitsView(page) {
  if (page === undefined) return html`<p class="empty">Loading…</p>`;
  const { requests, promptTokens, rungs, findings, cache, sample, answers } = page;
  if (requests === 0) {
    return html`<p class="empty">No request with a prompt has come in the last hour.</p>`;
  }
  const rate = sample.rate === 1 ? "all blocks" : `one block in ${whole(1 / sample.rate)}`;
  return html`
    <dl class="tiles">
      ${tile("Requests", whole(requests), `in the last ${duration(Math.min(page.watchedMs, page.windowMs))}`)}
      ${tile("Prompt tokens", whole(promptTokens))}
      ${tile("Caches", isKnown(cache.tokens) ? `${whole(cache.tokens)} tokens` : "–", `in ${counted(cache.endpoints, "endpoint")}`)}
      ${tile("Sample", rate, `of ${whole(sample.blockTokens)} tokens`)}
      ${tile("Answers", whole(answers.answers), `${whole(answers.reporting)} report cached tokens`)}
      ${isKnown(page.counted.ratio) ? tile("Counted by engines", percent(page.counted.ratio), `${counted(page.counted.endpoints, "endpoint")}, all traffic`) : nothing}
    </dl>
    ${plainTable("Hit-rate ladder", rungColumns, rungs)}
    <h2>Gaps</h2>
    ${
      findings.length === 0
        ? html`<p class="finding good">
            <span class="mark" aria-hidden="true"></span>No gap that matters, or too few requests
            yet.
          </p>`
        : html`<ul class="findings">
            ${findings.map((finding) => findingView(finding))}
          </ul>`
    }
    ${page.groups.length < 2 ? nothing : plainTable("Models and tenants", groupColumns(rungs), page.groups)}
    ${cache.steps.length === 0 ? nothing : plainTable("Caches of other sizes", stepColumns, cache.steps)}
    ${page.endpoints.length === 0 ? nothing : plainTable("Answers by endpoint, the largest loss first", endpointColumns, page.endpoints)}
  `;
}
