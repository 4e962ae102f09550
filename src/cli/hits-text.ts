import { tokensText } from "../admin/hit-findings.ts";
import type { HitsPage } from "../admin/hits-page.ts";
import { percentText, spanText } from "../admin/number-texts.ts";

const barCharacters = 20;
const groupsShownMax = 10;
const lineCharactersMax = 100;

type Rungs = readonly {
  readonly name: HitsPage["rungs"][number]["name"] | "counted";
  readonly ratio: number | null;
  readonly meaning: string;
}[];

/** The hit-rate ladder for a terminal: the rungs, the gaps with their remedies, models and tenants. */
export function hitsText(page: HitsPage): string {
  const { requests, promptTokens, watchedMs, windowMs, findings } = page;
  if (requests === 0) return "no request with a prompt has come yet\n";
  const spanMs = Math.min(watchedMs, windowMs);
  const sections = [
    `hit rates of the last ${spanText(spanMs)}: ${requests.toLocaleString("en-US")} requests, ${tokensText(promptTokens)} of prompts\n`,
    ladderText([...page.rungs, ...countedRungs(page)]),
    findings.map(findingText).join("\n"),
    groupsText(page),
    sampleText(page),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

/** The engines' own count, next to what answers report. */
function countedRungs({ counted, deliveredBy, cache }: HitsPage): Rungs {
  if (counted.ratio === null || deliveredBy === "engines") return [];
  const { ratio, endpoints } = counted;
  const of = `${endpoints} of ${cache.endpoints} endpoints`;
  return [{ name: "counted", ratio, meaning: `hits by the engines' own counters, ${of}` }];
}

function ladderText(rungs: Rungs): string {
  return rungs
    .map(({ name, ratio, meaning }) => {
      const filled = Math.round((ratio ?? 0) * barCharacters);
      const bar = `${"█".repeat(filled)}${"░".repeat(barCharacters - filled)}`;
      const share = ratio === null ? "unknown" : percentText(ratio);
      return `  ${name.padEnd(9)}  ${bar}  ${share.padStart(7)}  ${meaning}\n`;
    })
    .join("");
}

function findingText({ isProblem, text, remedy }: HitsPage["findings"][number]): string {
  const mark = isProblem ? "!" : "-";
  return `${wrapped(`${mark} ${text}`, "  ")}${wrapped(`> ${remedy}`, "  ")}`;
}

function groupsText({ groups, groupCount }: HitsPage): string {
  if (groups.length < 2) return "";
  const rows = groups.slice(0, groupsShownMax).map((group) => groupRow(group));
  const head = ["MODEL", "TENANT", "TOKENS", ...rungsIn(groups).map((name) => name.toUpperCase())];
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const hidden = groupCount - rows.length;
  if (hidden > 0) lines.push(`and ${hidden} more`);
  return `${lines.join("\n")}\n`;
}

function groupRow({ model, tenant, isOthers, promptTokens, rungs }: HitsPage["groups"][number]) {
  const names = isOthers ? ["others", ""] : [model, tenant];
  const shares = rungs.map(({ ratio }) => (ratio === null ? "-" : percentText(ratio)));
  return [...names, tokensText(promptTokens).replace(" tokens", ""), ...shares];
}

function rungsIn(groups: HitsPage["groups"]): readonly string[] {
  return groups[0]?.rungs.map(({ name }) => name) ?? [];
}

function sampleText({ sample, answers, otherBlockSize }: HitsPage): string {
  const rate = sample.rate === 1 ? "all blocks" : `one block in ${Math.round(1 / sample.rate)}`;
  const others =
    otherBlockSize === 0
      ? ""
      : `; ${otherBlockSize} requests had another block size and are left out`;
  const text =
    `estimated from ${rate} of ${sample.blockTokens} tokens; ` +
    `${answers.reporting} of ${answers.answers} answers report cached tokens${others}`;
  return wrapped(text, "");
}

/** Lines of a width for terminals, those after the first one further in. */
function wrapped(text: string, indent: string): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    const isFull = line.length + word.length > lineCharactersMax && line.trim() !== "";
    if (isFull) lines.push(line.trimEnd());
    line = isFull ? `${indent}  ${word} ` : `${line}${word} `;
  }
  return `${[...lines, line.trimEnd()].join("\n")}\n`;
}
