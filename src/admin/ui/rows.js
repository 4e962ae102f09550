/** The rows of a table that are shown: sorted, searched and cut into pages. */

/** Rows of one page: a browser draws this many at once without a pause. */
export const pageRows = 50;

/**
 * @typedef {object} Sort
 * @property {string} key name of a column
 * @property {boolean} isDescending
 */

/**
 * A sorted copy; unknown values come last in both directions, and equal ones keep their order.
 *
 * @template Row
 * @param {readonly Row[]} rows
 * @param {(row: Row) => string | number | null | undefined} valueOf
 * @param {boolean} isDescending
 * @returns {Row[]}
 */
export function sorted(rows, valueOf, isDescending) {
  const sign = isDescending ? -1 : 1;
  return rows
    .map((row) => ({ row, value: known(valueOf(row)) }))
    .toSorted((a, b) => {
      if (a.value === undefined || b.value === undefined) {
        return Number(a.value === undefined) - Number(b.value === undefined);
      }
      return sign * compared(a.value, b.value);
    })
    .map(({ row }) => row);
}

/** @param {string | number | null | undefined} value */
function known(value) {
  return value === null || (typeof value === "number" && Number.isNaN(value)) ? undefined : value;
}

/**
 * `engine-2` comes before `engine-10`.
 *
 * @param {string | number} a
 * @param {string | number} b
 */
function compared(a, b) {
  return typeof a === "number" && typeof b === "number"
    ? a - b
    : order.compare(String(a), String(b));
}

const order = new Intl.Collator("en", { numeric: true });

/**
 * Rows with every word of the search in one of their texts, in upper or lower case.
 *
 * @template Row
 * @param {readonly Row[]} rows
 * @param {string} search
 * @param {(row: Row) => string} textOf
 * @returns {readonly Row[]}
 */
export function searched(rows, search, textOf) {
  const words = search
    .toLowerCase()
    .split(/\s+/u)
    .filter((word) => word !== "");
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/**
 * One page of the rows. A page that no longer exists becomes the last one.
 *
 * @template Row
 * @param {readonly Row[]} rows
 * @param {number} wanted from 0
 */
export function pageOf(rows, wanted) {
  const last = Math.max(0, Math.ceil(rows.length / pageRows) - 1);
  const page = Math.min(Math.max(0, wanted), last);
  const start = page * pageRows;
  return { page, last, start, rows: rows.slice(start, start + pageRows) };
}
