/** One line of an exposition. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Blanks are spaces and tabs; `\s` would match more. */
const labelName = /([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*/y;
/** Only these three escapes exist, and a label value never spans lines. */
const labelValue = /"([^"\\]*(?:\\["\\n][^"\\]*)*)"[ \t]*/y;
const finite = String.raw`[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?`;
const special = "[+-]?(?:inf(?:inity)?|nan)";
/**
 * A value, then an optional timestamp, then an optional exemplar after a `#`, or a carriage return.
 */
const valueAndRest = new RegExp(
  String.raw`[ \t]*(${finite}|${special})(?:[ \t]+${finite})?(?:[ \t]+#[^]*|[ \t]*\r?)$`,
  "iy",
);
const noLabels: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Parses the rest of a line after the name of a family: `{label="value",…} value [timestamp] [#
 * exemplar]`. Undefined for any other text.
 */
export function parseSample(text: string): Sample | undefined {
  let at = afterBlanks(text, 0);
  if (text[at] !== "{") return sampleOf(noLabels, text, 0);

  const labels: Record<string, string> = {};
  at += 1;
  for (;;) {
    const next = afterBlanks(text, at);
    if (text[next] === "}") return sampleOf(labels, text, next + 1);
    const name = matchAt(labelName, text, next);
    const value = name && matchAt(labelValue, text, labelName.lastIndex);
    if (name === undefined || value === undefined) return undefined;
    labels[name] = unescaped(value);
    at = labelValue.lastIndex;
    if (text[at] === ",") at += 1;
    else if (text[at] !== "}") return undefined;
  }
}

function sampleOf(labels: Sample["labels"], text: string, at: number): Sample | undefined {
  const value = matchAt(valueAndRest, text, at);
  return value === undefined ? undefined : { labels, value: numberOf(value) };
}

/** The index of the first character from `at` on that is neither a space nor a tab. */
function afterBlanks(text: string, at: number): number {
  let index = at;
  while (text[index] === " " || text[index] === "\t") index += 1;
  return index;
}

/** The first group of a sticky `pattern` at `at`; `pattern.lastIndex` is then where it ended. */
function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[1];
}

function unescaped(value: string): string {
  if (!value.includes("\\")) return value;
  return value.replaceAll(/\\(.)/g, (_, escape: string) => (escape === "n" ? "\n" : escape));
}

function numberOf(text: string): number {
  const value = Number(text);
  if (!Number.isNaN(value) || /nan/i.test(text)) return value;
  return text.startsWith("-") ? -Infinity : Infinity;
}
