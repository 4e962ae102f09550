import type { Sent, Stand } from "./stand.ts";

/** Lines of the log are rounded to milliseconds and written in turn. */
const slackMs = 10;

const learnMs = 10_000;

/** The wait of one request, by the picker's log. */
interface Wait {
  readonly group: string;
  readonly arrivedMs: number;
  readonly sentMs: number;
  readonly waitedMs: number;
}

const columns = [
  ...["scenario", "requests of", "sent", "served", "wait p50, s", "p95, s", "max, s"],
  ...["TTFT p95, s", "prompt tokens/s", "served before a higher priority", "failed"],
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
    const ttftMs = sizedOf(answered)
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
      tokensPerSecondOf(all),
      violationsIn(own, waits),
      failuresOf(all.map(({ result }) => result)),
    ];
  });
}

/** Without those of the first seconds, if their prompts have sizes: the picker learns the speed of engines meanwhile. */
function sizedOf(all: readonly Sent[]): readonly Sent[] {
  const fromMs = Math.min(...all.map(({ sentMs }) => sentMs)) + learnMs;
  return all.filter(({ sentMs, promptTokens }) => promptTokens === undefined || sentMs >= fromMs);
}

/** Tokens of prompts that had their first token from then on until the last request was sent; `-` without sizes. */
function tokensPerSecondOf(all: readonly Sent[]): string {
  if (all.some(({ promptTokens }) => promptTokens === undefined)) return "-";
  const fromMs = Math.min(...all.map(({ sentMs }) => sentMs)) + learnMs;
  const untilMs = Math.max(...all.map(({ sentMs }) => sentMs));
  const inTime = all.filter(({ firstMs = 0 }) => fromMs <= firstMs && firstMs < untilMs);
  const tokens = inTime.reduce((sum, { promptTokens = 0 }) => sum + promptTokens, 0);
  return String(Math.round((tokens * 1_000) / (untilMs - fromMs)));
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
