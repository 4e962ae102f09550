import type { RolloutPage, ShadowNumbers, ShadowPage, Spread } from "../admin/shadow-page.ts";
import { textTable } from "./text-table.ts";

/** Rows of models and tenants, and differences, that are shown. */
const [setsMax, differencesMax] = [30, 10];

/** The comparison for a terminal. */
export function shadowText(page: ShadowPage | { readonly enabled: false }): string {
  if (!page.enabled) return "no shadow document: the picker runs without --shadow-config-file\n";
  const { document, refused } = page;
  const sections = [
    headOf(page),
    refused === null
      ? ""
      : `refused ${refused.refusedAt}\n${refused.mistakes.map((line) => `  ${line}\n`).join("")}`,
    page.rollout === null ? "" : rolloutText(page.rollout),
    document === null ? "" : numbersOf(page),
    textTable(
      ["MODEL", "TENANT", "PRIORITY", "DECISIONS", "EQUAL", "TTFT", "CACHED TOKENS"],
      page.sets
        .slice(0, setsMax)
        .map((set) => [
          set.model === set.targetModel ? set.model : `${set.model} as ${set.targetModel}`,
          set.fairnessId,
          set.priority,
          String(set.decisions),
          percentOf(set.agreementRatio),
          signedMs(set.ttftDifferenceMs),
          signed(set.hitDifferenceTokens),
        ]),
    ),
    textTable(
      ["REASON OF THE DIFFERENCE", "DECISIONS"],
      page.reasons.map(({ reason, decisions }) => [reason, String(decisions)]),
    ),
    textTable(
      ["REQUEST", "PICKED", "SHADOW PICK", "REASON", "TTFT", "CACHED TOKENS"],
      page.differences
        .slice(0, differencesMax)
        .map((each) => [
          each.requestId,
          each.picked,
          each.shadowPick ?? "refused",
          each.reason,
          signedMs(each.ttftDifferenceMs),
          signed(each.hitDifferenceTokens),
        ]),
    ),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function headOf({ document, ...page }: ShadowPage): string {
  if (document === null) return "no shadow document: its file is missing or empty\n";
  const same = document.isInForce ? ", the text in force" : "";
  const warnings = document.warnings.map((line) => `warning: ${line}\n`).join("");
  const failures = page.failures === 0 ? "" : `, ${page.failures} failures`;
  return (
    `shadow document ${document.source} (${document.hash.slice(0, 12)}${same}), since ${document.appliedAt}\n` +
    `compares ${percentOf(page.comparedRatio)} of the requests, learns from ${percentOf(page.learnedRatio)}; ` +
    `uses ${percentOf(page.cpuUsedRatio)} of the picker's CPU${budgetOf(page)}${failures}\n${warnings}`
  );
}

function budgetOf({ rollout, cpuBudgetRatio }: Omit<ShadowPage, "document">): string {
  const isOn = rollout !== null && rollout.shareRatio > 0;
  return isOn ? ", a rollout has no budget" : `, and may use ${percentOf(cpuBudgetRatio)}`;
}

function rolloutText(rollout: RolloutPage): string {
  const { requests, errors, rises } = rollout;
  const states = {
    comparing: "compares the two documents",
    promoted: "promoted",
    rolledBack: "rolled back",
  };
  const lines = [
    `rollout: ${states[rollout.state]} since ${rollout.since}; the shadow document decides about ${percentOf(rollout.shareRatio)} of the requests`,
    ...rollout.reasons.map((reason) => `  because of ${reason}`),
    ...rollout.waitsFor.map((wait) => `  waits for ${wait}`),
    ...(rollout.advice === null ? [] : [`  ${rollout.advice}`]),
    `  errors: ${errors.shadow} in ${requests.shadow} requests, ${errors.inForce} in ${requests.inForce} with the document in force`,
    ...rises.flatMap(({ measure, rise }) =>
      rise === null
        ? []
        : [
            `  ${measure}: ${risen(rise.mean)}, between ${risen(rise.lower)} and ${risen(rise.upper)}`,
          ],
    ),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function risen(ratio: number): string {
  const percent = Math.round(ratio * 1_000) / 10;
  return `${percent > 0 ? "+" : ""}${percent} %`;
}

function numbersOf({ total }: ShadowPage): string {
  if (total.decisions === 0) return "no decision was compared yet\n";
  const refused = total.refused === 0 ? "" : `, it would refuse ${total.refused}`;
  return (
    `${total.decisions} decisions compared, ${percentOf(total.agreementRatio)} equal${refused}\n` +
    `expected TTFT at its picks: ${signedMs(total.ttftDifferenceMs)} in the mean\n` +
    spreadLine("slower", total.slowerMs, total) +
    spreadLine("faster", total.fasterMs, total)
  );
}

function spreadLine(word: string, spread: Spread | null, { decisions }: ShadowNumbers): string {
  if (spread === null) return "";
  const [mean, p50, p90, p99] = [spread.mean, spread.p50, spread.p90, spread.p99].map(msOf);
  const share = percentOf(spread.count / decisions);
  return `  ${word} in ${share}: mean ${mean}, p50 ${p50}, p90 ${p90}, p99 ${p99}\n`;
}

function percentOf(ratio: number | null): string {
  if (ratio === null) return "-";
  const percent = ratio * 100;
  return `${percent < 10 && percent > 0 ? percent.toFixed(1) : Math.round(percent)} %`;
}

function msOf(ms: number): string {
  return `${Math.abs(ms) < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function signedMs(ms: number | null): string {
  return ms === null ? "-" : `${ms > 0 ? "+" : ""}${msOf(ms)}`;
}

function signed(tokens: number | null): string {
  return tokens === null ? "-" : `${tokens > 0 ? "+" : ""}${Math.round(tokens)}`;
}
