import type { Sample } from "./sample-line.ts";

/** A selection of samples: a family, and labels that they must have. */
export interface MetricSpec {
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
}

const familyPattern = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?$/s;
const labelPattern =
  /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}\s]+))\s*(?:,|$)/gy;

/**
 * Parses `family` or `family{label=value,…}`, values bare or in quotes; undefined for any other
 * text.
 */
export function parseMetricSpec(text: string): MetricSpec | undefined {
  const match = familyPattern.exec(text.trim());
  if (match === null) return undefined;
  const [, family = "", selector = ""] = match;
  const labels: Record<string, string> = {};
  let at = 0;
  labelPattern.lastIndex = 0;
  while (at < selector.trimEnd().length) {
    const label = labelPattern.exec(selector);
    if (label === null) return undefined;
    const [, name = "", quoted, bare = ""] = label;
    labels[name] = quoted === undefined ? bare : quoted.replace(/\\(.)/gs, "$1");
    at = labelPattern.lastIndex;
  }
  return { family, labels };
}

/** The samples that have the labels of `spec`; undefined if there are none. */
export function selected(
  { family, labels }: MetricSpec,
  samples: ReadonlyMap<string, readonly Sample[]>,
): readonly Sample[] | undefined {
  const wanted = Object.entries(labels);
  const found = samples
    .get(family)
    ?.filter((sample) => wanted.every(([name, value]) => sample.labels[name] === value));
  return found === undefined || found.length === 0 ? undefined : found;
}
