/** @import { DecisionRecord } from "../../core/decision-record.ts" */
/** @import { Column } from "./table.js" */
import { outcomeOf } from "./decisions-view.js";
import { dayAndTime, duration, firstFew, isKnown, number, percent, whole } from "./format.js";
import { html, nothing } from "./lit/lit-html.js";
import { plainTable, tile } from "./table.js";

/** Candidates in the table; the rest are counted. */
const candidatesMax = 100;

/** @typedef {Omit<DecisionRecord, "atMs"> & { at: string }} ShownRecord a record as `/debug/decisions` has it */

/**
 * @typedef {object} Explanation
 * @property {readonly ShownRecord[]} records newest first; several if a request was tried again, or its ID used twice
 * @property {string} text the explanation in words; empty if the picker gives none
 */

/** @typedef {NonNullable<DecisionRecord["candidates"]>[number]} Candidate */

/** @param {Explanation} explanation */
export function decisionView({ records, text }) {
  if (records.length === 0 && text === "") {
    return html`<p class="empty">
      There is no such decision: the picker keeps only the last ones.
      <a href="#/decisions">All decisions</a>
    </p>`;
  }
  return html`
    <p><a href="#/decisions">All decisions</a></p>
    ${text === "" ? nothing : inWords(text)} ${records.map((each) => oneDecision(each))}
  `;
}

/** @param {string} text */
function inWords(text) {
  return html`<section aria-labelledby="words">
    <h2 id="words">In words</h2>
    <pre tabindex="0">${text}</pre>
  </section>`;
}

/** @param {ShownRecord} record */
function oneDecision(record) {
  const { predicted, actual } = record;
  return html`
    <h2>Decision ${whole(record.id)}: ${sentTo(record)}</h2>
    <p>${whyOf(record)}</p>
    <dl class="tiles">
      ${tile("Request", html`<code>${record.requestId}</code>`)}
      ${tile("Time", dayAndTime(record.at))}
      ${tile("Model", html`<code>${record.model}</code>`, record.targetModel === record.model ? nothing : `sent as ${record.targetModel}`)}
      ${record.rollout === undefined ? nothing : tile("Decided by", documentNames[record.rollout.decidedBy], rolloutNote(record.rollout))}
      ${tile("API", record.api)} ${tile("Priority", number(record.priority))}
      ${tile("Prompt tokens", whole(record.promptTokens), isKnown(actual?.promptTokens) ? `${whole(actual?.promptTokens)} counted by the engine` : "estimated")}
      ${tile("Time to first token", duration(actual?.ttftMs), isKnown(predicted?.ttftMs) ? `${duration(predicted?.ttftMs)} predicted` : nothing)}
      ${tile("Time per further token", duration(actual?.tpotMs), isKnown(predicted?.tpotMs) ? `${duration(predicted?.tpotMs)} predicted` : nothing)}
      ${tile("Cached tokens", whole(actual?.cachedTokens), isKnown(predicted?.cachedTokens) ? `${whole(predicted?.cachedTokens)} predicted` : nothing)}
      ${tile("Outcome", outcomeOf({ actual, picked: record.picked[0] }), actual?.servedBy === undefined ? nothing : `served by ${actual.servedBy}`)}
    </dl>
    ${record.profiles.map(profile)} ${candidates(record)}
  `;
}

const documentNames = { inForce: "document in force", shadow: "shadow document" };

/** @param {NonNullable<DecisionRecord["rollout"]>} rollout */
function rolloutNote({ state, shareRatio }) {
  if (state === "promoted") return "the shadow document was promoted";
  if (state === "rolledBack") return "the shadow document was rolled back";
  return `rollout at ${percent(shareRatio)}`;
}

/** @param {ShownRecord} record */
function sentTo({ picked }) {
  return picked[0] === undefined ? "sent nowhere" : `sent to ${picked[0]}`;
}

/** @param {ShownRecord} record */
function whyOf({ picked, margin, profile: name, profiles, refusal, refusalMessage }) {
  if (picked.length === 0) {
    return `No endpoint was picked: ${refusalMessage ?? refusal ?? "the request was refused"}.`;
  }
  const totals = profiles.find((each) => each.name === name)?.totals ?? [];
  const best = totals.find(({ endpoint }) => endpoint === picked[0]);
  const next = totals.find(({ endpoint }) => endpoint !== picked[0]);
  if (best === undefined) return `Picked by the profile ${name}. The scores have been overwritten.`;
  if (next === undefined || margin === undefined)
    return `Picked by the profile ${name}, with a total of ${score(best.total)} and no other candidate.`;
  const relation =
    margin > 0 ? `${score(margin)} above` : margin < 0 ? `${score(-margin)} below` : "the same as";
  return `Picked by the profile ${name} with a total of ${score(best.total)}, ${relation} ${next.endpoint}.`;
}

/** @param {number} value */
function score(value) {
  return String(Number(value.toPrecision(4)));
}

/** @param {DecisionRecord["profiles"][number]} shown */
function profile({ name, unwell, filters, scorers, totals, picked }) {
  /** @typedef {NonNullable<typeof totals>[number]} Total */
  /** @type {Column<Total>[]} */
  const columns = [
    {
      title: "Endpoint",
      cell: ({ endpoint }) =>
        html`${endpoint}${picked.includes(endpoint) ? html` <strong>picked</strong>` : nothing}`,
    },
    { title: "Total", isNumber: true, cell: ({ total }) => score(total) },
    ...scorers.map((scorer) => ({
      title: `${scorer.name} × ${number(scorer.weight)}`,
      isNumber: true,
      cell: (/** @type {Total} */ { scores }) => {
        const value = scores[scorer.name];
        return value === undefined ? "–" : score(value);
      },
    })),
  ];
  return html`
    <h3>Profile ${name}</h3>
    ${unwell.length === 0 ? nothing : html`<p>Left out for their health: ${firstFew(unwell, 20)}.</p>`}
    ${
      filters.length === 0
        ? html`<p>No filter.</p>`
        : html`<ul>
            ${filters.map(
              (filter) =>
                html`<li>
                  Filter <code>${filter.name}</code> kept
                  ${whole(filter.keptCount)}${
                    filter.dropped.length === 0
                      ? ""
                      : ` and dropped ${firstFew(filter.dropped, 20)}`
                  }.
                </li>`,
            )}
          </ul>`
    }
    ${
      totals === undefined
        ? html`<p>The scores have been overwritten by later decisions.</p>`
        : plainTable(
            `Scores of the profile ${name}, best first`,
            columns,
            totals.slice(0, candidatesMax),
          )
    }
  `;
}

/** @param {Candidate} candidate */
function prefixOf({ prefixMatchedBlocks: matched, prefixTotalBlocks: total }) {
  return isKnown(matched) && isKnown(total) ? `${whole(matched)} of ${whole(total)}` : "–";
}

/** @type {readonly Column<Candidate>[]} */
const candidateColumns = [
  { title: "Candidate", cell: ({ endpoint }) => endpoint },
  { title: "Waiting", isNumber: true, cell: (row) => number(row.waitingRequests) },
  { title: "Running", isNumber: true, cell: (row) => number(row.runningRequests) },
  { title: "KV cache", isNumber: true, cell: (row) => percent(row.kvCacheUsedRatio) },
  { title: "Signals' age", isNumber: true, cell: (row) => duration(row.signalsAgeMs) },
  {
    title: "In flight",
    isNumber: true,
    cell: (row) =>
      html`${whole(row.inFlightRequests)}${isKnown(row.inFlightTokens) ? html`<small>${whole(row.inFlightTokens)} tokens</small>` : nothing}`,
  },
  {
    title: "Prefix",
    hint: "Blocks of the prompt that the endpoint is estimated to have cached",
    isNumber: true,
    cell: prefixOf,
  },
  { title: "Predicted TTFT", isNumber: true, cell: (row) => duration(row.predictedTtftMs) },
  {
    title: "Prefill",
    hint: "Work ahead and the uncached part",
    isNumber: true,
    cell: (row) => duration(row.prefillMs),
  },
  {
    title: "Copy",
    hint: "Price of copying cached blocks",
    isNumber: true,
    cell: (row) => duration(row.copyMs),
  },
  {
    title: "Adapter",
    hint: "Price of the wait for the adapter",
    isNumber: true,
    cell: (row) => duration(row.adapterMs),
  },
  { title: "Decoding", isNumber: true, cell: (row) => number(row.decodingRequests) },
];

/** @param {ShownRecord} record */
function candidates({ candidates: all }) {
  if (all === undefined) return html`<p>The inputs have been overwritten by later decisions.</p>`;
  const more = all.length - candidatesMax;
  return html`
    <h3>What the decision saw</h3>
    ${plainTable("Inputs of the candidates", candidateColumns, all.slice(0, candidatesMax))}
    ${more > 0 ? html`<p>${whole(more)} more are not shown; /debug/decisions has them.</p>` : nothing}
  `;
}
