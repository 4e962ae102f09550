import type { Stand } from "./stand.ts";

/** Lines of the log are rounded to milliseconds and written in turn. */
const slackMs = 10;

/** The wait of one request, by the picker's log. */
interface Wait {
  readonly group: string;
  readonly arrivedMs: number;
  readonly sentMs: number;
  readonly waitedMs: number;
}

const columns = [
  ...["scenario", "requests of", "sent", "served", "wait p50, s", "p95, s", "max, s"],
  ...["TTFT p95, s", "served before a higher priority", "failed"],
];

/** One row for each group of a scenario. */
export function rowsOf(scenario: string, { rig, sent }: Stand): readonly (readonly string[])[] {
  const logged = new Map(rig.requestLog().map((line) => [String(line["requestId"]), line]));
  const waits = sent.flatMap(({ id, group, result }): Wait[] => {
    const line = logged.get(id);
    if (line === undefined || result !== "200") return [];
    const numberOf = (name: string) => Number(line[name] ?? 0);
    const arrivedMs = Date.parse(String(line["time"])) - numberOf("durationMs");
    const sentMs = arrivedMs + numberOf("decidedMs");
    return [{ group, arrivedMs, sentMs, waitedMs: numberOf("queuedMs") }];
  });
  const groups = [...new Set(sent.map(({ group }) => group))];
  return groups.map((group) => {
    const all = sent.filter((each) => each.group === group);
    const own = waits.filter((each) => each.group === group);
    const waited = own.map(({ waitedMs }) => waitedMs).toSorted((a, b) => a - b);
    const quantile = (share: number) => waited[Math.floor(share * (waited.length - 1))];
    const answered = all.filter(({ result }) => result === "200");
    const ttftMs = answered
      .flatMap(({ sentMs, firstMs }) => (firstMs === undefined ? [] : firstMs - sentMs))
      .toSorted((a, b) => a - b);
    return [
      scenario,
      group,
      String(all.length),
      String(answered.length),
      seconds(quantile(0.5)),
      seconds(quantile(0.95)),
      seconds(quantile(1)),
      seconds(ttftMs[Math.floor(0.95 * (ttftMs.length - 1))]),
      violationsIn(own, waits),
      failuresOf(all.map(({ result }) => result)),
    ];
  });
}

/** Requests that were sent while one of a higher priority waited; `-` where groups are not priorities. */
function violationsIn(own: readonly Wait[], waits: readonly Wait[]): string {
  const priority = Number(own[0]?.group);
  if (Number.isNaN(priority)) return "-";
  const higher = waits.filter(({ group }) => Number(group) > priority);
  const wrong = own.filter(({ sentMs }) =>
    higher.some((h) => h.arrivedMs + slackMs < sentMs && sentMs < h.sentMs - slackMs),
  );
  return String(wrong.length);
}

function failuresOf(results: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const result of results) {
    if (result !== "200") counts.set(result, (counts.get(result) ?? 0) + 1);
  }
  return [...counts].map(([result, count]) => `${count} x ${result}`).join(", ") || "0";
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? "-" : (ms / 1_000).toFixed(2);
}

export function markdownOf(rows: readonly (readonly string[])[]): string {
  return [columns, columns.map(() => "---"), ...rows]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}
