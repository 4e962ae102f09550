/** The format in which exemplars can be written. */
export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** The last line of a page. */
export const openMetricsEnd = "# EOF\n";

const head = /^# (HELP|TYPE) (\S+) ?(.*)$/u;
const counterEnd = "_total";

/** Whole lines of the Prometheus text format, as OpenMetrics has them. */
export function openMetricsOf(text: string): string {
  let changed = "";
  for (const line of text.split("\n")) if (line !== "") changed += `${lineOf(line)}\n`;
  return changed;
}

function lineOf(line: string): string {
  if (!line.startsWith("# ")) return line;
  const [, kind, name = "", rest = ""] = head.exec(line) ?? [];
  // The name of a family is that of its counter without the end.
  const family = name.endsWith(counterEnd) ? name.slice(0, -counterEnd.length) : name;
  if (kind === "HELP") return `# HELP ${family} ${rest.replaceAll('"', String.raw`\"`)}`;
  if (kind !== "TYPE") return line;
  // A counter whose samples have no such end is of no type that OpenMetrics has.
  const type = rest === "counter" && family === name ? "unknown" : rest;
  return `# TYPE ${family} ${type}`;
}

/** True if a scraper wants OpenMetrics at least as much as the older format, by its `Accept`. */
export function prefersOpenMetrics(accept: string): boolean {
  let [open, plain] = [0, 0];
  for (const part of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = part.split(";").map((each) => each.trim());
    const quality = Number(parameters.find((each) => each.startsWith("q="))?.slice(2) ?? 1);
    if (type === "application/openmetrics-text") open = Math.max(open, quality);
    else if (type === "text/plain") plain = Math.max(plain, quality);
  }
  return open > 0 && open >= plain;
}
