/** Numbers for people. An unknown value is a dash, and never 0. */

const unknown = "–";
const numbers = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const wholes = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** @typedef {number | null | undefined} Maybe */

/**
 * @param {Maybe} value
 * @returns {value is number}
 */
export function isKnown(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** @param {Maybe} value */
export function number(value) {
  return isKnown(value) ? numbers.format(value) : unknown;
}

/** @param {Maybe} value */
export function whole(value) {
  return isKnown(value) ? wholes.format(value) : unknown;
}

/** @param {Maybe} ratio 0 to 1 */
export function percent(ratio) {
  return isKnown(ratio) ? `${Math.round(ratio * 100)} %` : unknown;
}

/** @param {Maybe} ms */
export function duration(ms) {
  if (!isKnown(ms)) return unknown;
  const length = Math.abs(ms);
  if (length < 10) return `${Math.round(ms * 10) / 10} ms`;
  if (length < 999.5) return `${Math.round(ms)} ms`;
  if (length < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  if (length < 119_500) return `${Math.round(ms / 1_000)} s`;
  if (length < 7_170_000) return `${Math.round(ms / 60_000)} min`;
  return length < 172_000_000
    ? `${Math.round(ms / 3_600_000)} h`
    : `${Math.round(ms / 86_400_000)} days`;
}

/** @param {Maybe} bytes */
export function size(bytes) {
  if (!isKnown(bytes)) return unknown;
  if (bytes < 1_024) return `${whole(bytes)} B`;
  return bytes < 1_048_576 ? `${number(bytes / 1_024)} KiB` : `${number(bytes / 1_048_576)} MiB`;
}

/**
 * @param {number} count
 * @param {string} what
 */
export function counted(count, what) {
  return `${whole(count)} ${what}${count === 1 ? "" : "s"}`;
}

/**
 * The first names of a list, and the number of the others.
 *
 * @param {readonly string[]} names
 */
export function firstFew(names, max = 3) {
  const shown = names.slice(0, max).join(", ");
  return names.length > max ? `${shown} and ${whole(names.length - max)} more` : shown;
}

/**
 * Time of day, in the zone of the reader.
 *
 * @param {string} iso
 */
export function timeOfDay(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return unknown;
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/**
 * Day and time, in the zone of the reader.
 *
 * @param {string} iso
 */
export function dayAndTime(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return unknown;
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((part) => String(part).padStart(2, "0"))
    .join("-");
  return `${day} ${timeOfDay(iso)}`;
}
