/** @import { TemplateResult } from "lit-html" */
/** @import { Sort } from "./rows.js" */
import { html, nothing } from "./lit/lit-html.js";

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} title
 * @property {string} [hint] the meaning, for a person who points at the title
 * @property {(row: Row) => unknown} cell text or a template
 * @property {boolean} [isNumber]
 * @property {boolean} [isLine] does not break; a long name is cut
 * @property {(row: Row) => string | number | null | undefined} [sortBy] to sort by; without it, the column is not sorted
 */

/**
 * @template Row
 * @typedef {object} TableOptions
 * @property {string} caption
 * @property {readonly Column<Row>[]} columns the first one names the row
 * @property {unknown} body rows
 * @property {Sort | undefined} [sort]
 * @property {((sort: Sort) => void) | undefined} [onSort]
 */

/**
 * A table that scrolls by itself if the window is narrow.
 *
 * @template Row
 * @param {TableOptions<Row>} options
 * @returns {TemplateResult}
 */
export function table({ caption, columns, body, sort, onSort }) {
  return html`<div class="scroll" role="region" aria-label=${caption} tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map((column) => heading(column, { sort, onSort }))}
        </tr>
      </thead>
      <tbody>
        ${body}
      </tbody>
    </table>
  </div>`;
}

/**
 * @template Row
 * @param {Column<Row>} column
 * @param {Pick<TableOptions<Row>, "sort" | "onSort">} order
 */
function heading({ title, hint, isNumber, sortBy }, { sort, onSort }) {
  const kind = isNumber ? "number" : nothing;
  if (onSort === undefined || sortBy === undefined) {
    return html`<th scope="col" class=${kind} title=${hint ?? nothing}>${title}</th>`;
  }
  const isSorted = sort?.key === title;
  const direction = sort?.isDescending ? "descending" : "ascending";
  const next = { key: title, isDescending: isSorted ? !sort.isDescending : isNumber === true };
  return html`<th
    scope="col"
    class=${kind}
    title=${hint ?? nothing}
    aria-sort=${isSorted ? direction : nothing}
  >
    <button type="button" @click=${() => onSort(next)}>
      ${title}<span class="arrow" aria-hidden="true"
        >${isSorted ? (sort.isDescending ? "▾" : "▴") : ""}</span
      >
    </button>
  </th>`;
}

/**
 * @template Row
 * @param {readonly Column<Row>[]} columns
 * @param {Row} row
 */
export function rowOf(columns, row) {
  return html`<tr>
    ${columns.map(({ cell, isNumber, isLine }, index) =>
      index === 0
        ? html`<th scope="row" class=${isLine ? "line" : nothing}>${cell(row)}</th>`
        : html`<td class=${isNumber ? "number" : isLine ? "line" : nothing}>${cell(row)}</td>`,
    )}
  </tr>`;
}

/**
 * A table of few rows, in their order.
 *
 * @template Row
 * @param {string} caption
 * @param {readonly Column<Row>[]} columns
 * @param {readonly Row[]} rows
 */
export function plainTable(caption, columns, rows) {
  return table({ caption, columns, body: rows.map((row) => rowOf(columns, row)) });
}

/**
 * One figure with its name.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {unknown} [more]
 */
export function tile(name, value, more = nothing) {
  return html`<div class="tile">
    <dt>${name}</dt>
    <dd>${value}${more === nothing ? nothing : html`<small>${more}</small>`}</dd>
  </div>`;
}

/**
 * A share as a bar with its text.
 *
 * @param {number} ratio
 * @param {string} text
 */
export function bar(ratio, text) {
  const share = Math.max(0, Math.min(1, ratio));
  return html`<span class="bar" aria-hidden="true"
      ><span .style=${`width:${share * 100}%`}></span></span
    ><span class="share">${text}</span>`;
}

/**
 * The text in a field of a form.
 *
 * @param {Event} event of submission, which goes nowhere else
 * @param {string} name
 */
export function submitted(event, name) {
  event.preventDefault();
  if (!(event.target instanceof HTMLFormElement)) return "";
  const value = new FormData(event.target).get(name);
  return typeof value === "string" ? value.trim() : "";
}
