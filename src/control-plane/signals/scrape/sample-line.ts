/** One line of an exposition. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const labelName = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*/y;
/** Only these three escapes exist, and a label value never spans lines. */
const labelValue = /"([^"\\]*(?:\\["\\n][^"\\]*)*)"\s*/y;
/** A value, then perhaps a timestamp, then perhaps an exemplar after a `#`. */
const valueAndRest =
  /\s*([+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan))(?:\s+[+-]?[\d.]+(?:e[+-]?\d+)?)?(?:\s+#.*)?\s*$/iy;
const noLabels: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Reads what follows the name of a family: `{label="value",…} value [timestamp] [# exemplar]`.
 * Undefined for anything else.
 */
export function parseSample(text: string): Sample | undefined {
  const labelled = text.trimStart();
  if (!labelled.startsWith("{")) return sampleOf(noLabels, labelled, 0);

  const labels: Record<string, string> = {};
  let at = 1;
  for (;;) {
    const close = closingBraceAt(labelled, at);
    if (close !== -1) return sampleOf(labels, labelled, close + 1);
    const name = matchAt(labelName, labelled, at);
    const value = name && matchAt(labelValue, labelled, labelName.lastIndex);
    if (name === undefined || value === undefined) return undefined;
    labels[name] = unescaped(value);
    at = labelValue.lastIndex;
    if (labelled[at] === ",") at += 1;
    else if (labelled[at] !== "}") return undefined;
  }
}

function sampleOf(labels: Sample["labels"], text: string, at: number): Sample | undefined {
  const value = matchAt(valueAndRest, text, at);
  return value === undefined ? undefined : { labels, value: numberOf(value) };
}

/** Index of a `}` that only white space precedes from `at` on, or -1. */
function closingBraceAt(text: string, at: number): number {
  let index = at;
  while (text[index] === " " || text[index] === "\t") index += 1;
  return text[index] === "}" ? index : -1;
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
