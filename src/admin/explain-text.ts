import { msText, percentText } from "./number-texts.ts";
import { modelsNowTexts } from "./models-now.ts";
import type { ExplainedEndpoint, ExplainedProfile, Explanation } from "./explanation.ts";

/** Columns of a terminal. */
const width = 80;
/** Endpoints of a profile that get a row of their own; the others are in groups. */
const rowsMax = 8;
/** Endpoints of a group that are named. */
const namedMax = 3;

/** An explanation for a person at a terminal. */
export function explainText(given: Explanation): string {
  const explanation = withShortNames(given);
  const { requestId, decision, at, ageMs, outcome, notes, rollout } = explanation;
  const head = [
    wrapped(`request ${plain(requestId)}`),
    `decision ${decision}, ${at}, ${msText(ageMs)} ago`,
    wrapped(requestText(explanation)),
    wrapped(plain(outcome), "=> "),
    ...(rollout === null ? [] : [wrapped(plain(rollout.why))]),
  ];
  const sections = [
    head.join("\n"),
    refusalText(explanation),
    queueText(explanation),
    ...explanation.profiles.map((profile) => profileText(profile, explanation)),
    baselinesText(explanation),
    turnText(explanation),
    notes.map((note) => wrapped(note)).join("\n"),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

/** Drops the namespace of endpoints if it is the same for all. */
function withShortNames(explanation: Explanation): Explanation {
  const { profiles, picked, outcome, baselines } = explanation;
  const names = profiles.flatMap(({ endpoints }) => endpoints.map(({ endpoint }) => endpoint));
  const namespace = names[0]?.replace(/\/.*/s, "/") ?? "";
  if (!names.every((name) => name.startsWith(namespace))) return explanation;
  const short = (name: string) => name.slice(name.startsWith(namespace) ? namespace.length : 0);
  return {
    ...explanation,
    outcome: outcome.replaceAll(namespace, ""),
    picked: picked.map(short),
    baselines: baselines.map(({ policy, picks, note }) => ({
      policy,
      picks: picks.map(short),
      note,
    })),
    profiles: profiles.map(({ profile, filters, endpoints }) => ({
      profile,
      filters,
      endpoints: endpoints.map((each) =>
        Object.assign({}, each, { endpoint: short(each.endpoint) }),
      ),
    })),
  };
}

function requestText({ api, model, targetModel, priority, promptTokens }: Explanation): string {
  const target = targetModel === model ? "" : `, sent as ${plain(targetModel)}`;
  const named = model === "" ? "no model" : `model ${plain(model)}`;
  const band = priority === 0 ? "" : `, priority ${priority}`;
  return `${api}, ${named}${target}, ${count(promptTokens)} prompt tokens${band}`;
}

/** The steps at which a refused request lost its candidates, and what to do about it. */
function refusalText({ picked, stages, models, advice }: Explanation): string {
  const counts = stages.map(({ stage, left }) => `${count(left)} ${stage}`).join(", ");
  const lines = [
    ...(picked.length > 0 ? [] : [wrapped(`endpoints: ${counts}`)]),
    ...(models === null ? [] : modelsNowTexts(models).map((text) => wrapped(plain(text)))),
    ...advice.map((step) => wrapped(`next: ${step}`)),
  ];
  return lines.join("\n");
}

export function queueText({ queue }: Pick<Explanation, "queue">): string {
  if (queue === null) return "";
  const { band, position, waitedMs, sentMeanwhile, heldBy, outcome } = queue;
  const held = heldBy === undefined ? "" : `, held by ${holdText(heldBy)}`;
  const text =
    `queue: waited ${msText(waitedMs)} in band ${band}${held}; ${position} were before it, ` +
    `${sentMeanwhile} were sent meanwhile; ${outcome}`;
  return wrapped(text);
}

function holdText(hold: NonNullable<NonNullable<Explanation["queue"]>["heldBy"]>): string {
  switch (hold.kind) {
    case "saturation":
      return `the pool's saturation of ${percentText(hold.saturation)}`;
    case "engine-wait":
      return `the wait in its engine, ${percentText(hold.fullness)} of the longest`;
    case "no-endpoints":
      return "a pool without endpoints";
    case "no-suitable-endpoint":
      return "the lack of a suitable endpoint";
  }
}

function profileText(
  { profile, endpoints, filters }: ExplainedProfile,
  { profiles }: Explanation,
): string {
  const scorers = endpoints.find(({ scores }) => scores.length > 0)?.scores ?? [];
  const weights = scorers.map(({ scorer, weight }) => `${scorer} x ${weight}`).join(", ");
  const title = profiles.length === 1 ? "candidates" : `profile ${profile}`;
  const filterText = filters
    .filter(({ dropped }) => dropped.length > 0)
    .map(({ name, keptCount, dropped }) => `${name} dropped ${dropped.length}, kept ${keptCount}`);
  const heading = [title, weights, ...filterText].filter((part) => part !== "").join("; ");
  const shown = endpoints.slice(0, endpoints.length <= rowsMax + 1 ? rowsMax + 1 : rowsMax);
  const rest = endpoints.slice(shown.length);
  const lines = [
    wrapped(heading),
    ...table(shown),
    "",
    ...shown.map((each) => wrapped(`${plain(each.endpoint)}: ${each.why}`, "  ", "    ")),
    ...groupsText(rest),
  ];
  return lines.join("\n");
}

/** The numbers by which most decisions are made; a column is shown if a candidate has it. */
const columns: readonly {
  readonly title: string;
  readonly of: (endpoint: ExplainedEndpoint) => string;
}[] = [
  { title: "TOTAL", of: ({ total }) => (total === null ? "" : total.toFixed(3)) },
  { title: "AHEAD", of: (each) => differenceText(each, "prefillMs", "ownPrefillMs") },
  { title: "OWN", of: (each) => timeText(each, "ownPrefillMs") },
  { title: "COPY", of: (each) => timeText(each, "copyMs") },
  { title: "DECODING", of: (each) => numberText(each, "decodingRequests") },
  { title: "WAITING", of: (each) => numberText(each, "waitingRequests") },
  { title: "IN FLIGHT", of: (each) => numberText(each, "inFlightRequests") },
  { title: "KV", of: (each) => ratioText(each, "kvCacheUsedRatio") },
  { title: "CACHED", of: cachedText },
  { title: "AGE", of: ageText },
];

function table(endpoints: readonly ExplainedEndpoint[]): string[] {
  const used = columns.filter(({ of }) => endpoints.some((each) => of(each) !== ""));
  const nameRoom = Math.max(8, ...endpoints.map(({ endpoint }) => plain(endpoint).length));
  const rows = [
    used.map(({ title }) => title),
    ...endpoints.map((each) => used.map(({ of }) => of(each) || "-")),
  ];
  const widths = used.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  // Columns that do not fit are left out, from the last one on.
  let room = width - Math.min(nameRoom, 30) - 2;
  const fitting = widths.filter((each) => (room -= each + 2) >= 0).length;
  return rows.map((row, index) => {
    const each = endpoints[index - 1];
    const mark = each?.result === "picked" ? "*" : " ";
    const name = each === undefined ? "ENDPOINT" : shortened(plain(each.endpoint), 30);
    const cells = row.slice(0, fitting).map((cell, at) => cell.padStart(widths[at] ?? 0));
    return [`${mark} ${name.padEnd(Math.min(nameRoom, 30))}`, ...cells].join("  ").trimEnd();
  });
}

function valueOf({ inputs }: ExplainedEndpoint, name: string): number | undefined {
  const value = inputs.find(({ input }) => input === name)?.value;
  return typeof value === "number" ? value : undefined;
}

function timeText(endpoint: ExplainedEndpoint, name: string): string {
  const ms = valueOf(endpoint, name);
  return ms === undefined ? "" : msText(ms);
}

function differenceText(endpoint: ExplainedEndpoint, whole: string, part: string): string {
  const [all, own] = [valueOf(endpoint, whole), valueOf(endpoint, part)];
  return all === undefined || own === undefined ? "" : msText(Math.max(0, all - own));
}

function numberText(endpoint: ExplainedEndpoint, name: string): string {
  const value = valueOf(endpoint, name);
  return value === undefined ? "" : count(Math.round(value * 10) / 10);
}

function ratioText(endpoint: ExplainedEndpoint, name: string): string {
  const ratio = valueOf(endpoint, name);
  return ratio === undefined ? "" : percentText(ratio);
}

function cachedText(endpoint: ExplainedEndpoint): string {
  const [matched, total] = [
    valueOf(endpoint, "prefixMatchedBlocks"),
    valueOf(endpoint, "prefixTotalBlocks"),
  ];
  return matched === undefined || !total ? "" : percentText(matched / total);
}

function ageText({ inputs }: ExplainedEndpoint): string {
  const ageMs = inputs.find((each) => each.ageMs !== null)?.ageMs;
  return typeof ageMs === "number" ? msText(ageMs) : "";
}

/** Those that lost for one reason, largest group first, with the sentence of the first of them. */
function groupsText(endpoints: readonly ExplainedEndpoint[]): string[] {
  if (endpoints.length === 0) return [];
  const groups = new Map<string, ExplainedEndpoint[]>();
  for (const each of endpoints) groups.set(each.kind, [...(groups.get(each.kind) ?? []), each]);
  const lines = [...groups]
    .toSorted(([, a], [, b]) => b.length - a.length)
    .map(([kind, group]) => {
      const named = group.slice(0, namedMax).map(({ endpoint }) => plain(endpoint));
      const more = group.length > namedMax ? ", …" : "";
      const why = group[0]?.why ?? "";
      return wrapped(
        `${group.length} x ${kind} (${named.join(", ")}${more}): ${why}`,
        "  ",
        "    ",
      );
    });
  return [`and ${endpoints.length} others, of each group the reason of the first:`, ...lines];
}

function baselinesText({ baselines, picked }: Explanation): string {
  if (baselines.length === 0) return "";
  const lines = baselines.map(({ policy, picks, note }) => {
    const isSame = picks.includes(picked[0] ?? "");
    const few = picks.slice(0, namedMax).map(plain).join(", ");
    const more = picks.length > namedMax ? ` and ${picks.length - namedMax} more` : "";
    const remarks = [...(isSame ? ["the same"] : []), ...(note === undefined ? [] : [note])];
    const remark = remarks.length === 0 ? "" : ` (${remarks.join("; ")})`;
    return wrapped(`${policy}: ${picks.length === 0 ? "-" : few}${more}${remark}`, "  ", "    ");
  });
  return ["other policies would have picked", ...lines].join("\n");
}

function turnText({ predicted, actual, picked }: Explanation): string {
  if (picked.length === 0) return "";
  const expected = predicted === null ? "nothing" : latencyText(predicted);
  const lines = [`predicted: ${expected}`];
  if (actual === null) lines.push("actual: the request has not ended");
  else {
    const { servedBy, attempt, httpStatus, promptTokens } = actual;
    const parts = [
      latencyText(actual),
      ...(promptTokens === undefined ? [] : [`${count(promptTokens)} prompt tokens`]),
      attempt ?? endText(actual),
      ...(httpStatus === undefined ? [] : [`status ${httpStatus}`]),
      ...(servedBy === undefined ? [] : [`served by ${servedBy}`]),
    ];
    lines.push(`actual: ${parts.filter((part) => part !== "").join(", ")}`);
  }
  return lines.map((line) => wrapped(line)).join("\n");
}

function endText({ end, endedBy, failure }: NonNullable<Explanation["actual"]>): string {
  const by = endedBy === undefined ? end : `${end} by the ${endedBy}`;
  return failure === undefined ? by : `${by}, error ${failure}`;
}

function latencyText({
  ttftMs,
  tpotMs,
  cachedTokens,
}: NonNullable<Explanation["predicted"]>): string {
  return [
    ...(ttftMs === undefined ? [] : [`first token after ${msText(ttftMs)}`]),
    ...(tpotMs === undefined ? [] : [`${msText(tpotMs)} for each further one`]),
    ...(cachedTokens === undefined ? [] : [`${count(cachedTokens)} tokens cached`]),
  ].join(", ");
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** A client chooses some names: control characters would reach the terminal. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
}

function shortened(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `…${text.slice(1 - charactersMax)}`;
}

/** Breaks a line at spaces. */
export function wrapped(text: string, first = "", others = first === "" ? "" : "   "): string {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      [line, isEmpty] = [others, true];
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line].join("\n");
}
