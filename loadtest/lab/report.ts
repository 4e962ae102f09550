import type { CellResult } from "./cells.ts";
import {
  comparedMeasures,
  geometricMeanOf,
  listsBy,
  type Measures,
  medianOf,
  type OfObjective,
} from "../../src/replay/lab/measures.ts";

/** Results of one workload at one load and pool size: one list for each policy, in order of seeds. */
export interface CellGroup {
  readonly workload: string;
  readonly load: number;
  readonly engines: number;
  readonly byPolicy: ReadonlyMap<string, readonly Measures[]>;
}

/** Groups results by cell, in the order in which cells and policies first appear. */
export function groupsOf(results: readonly CellResult[]): readonly CellGroup[] {
  const cells = listsBy(results, ({ workload, load, engines }) =>
    JSON.stringify([workload, load, engines]),
  );
  return [...cells.values()].flatMap((ofCell) => {
    const [first] = ofCell;
    if (first === undefined) return [];
    const bySeed = ofCell.toSorted((a, b) => a.seed - b.seed);
    const policies = listsBy(bySeed, ({ policy }) => policy);
    const order = new Set(ofCell.map(({ policy }) => policy));
    const byPolicy = new Map(
      [...order].map((policy) => {
        return [policy, (policies.get(policy) ?? []).map(({ measures }) => measures)] as const;
      }),
    );
    return { workload: first.workload, load: first.load, engines: first.engines, byPolicy };
  });
}

/** All measures as JSON, the same bytes for the same results. */
export function jsonOf(results: readonly CellResult[]): string {
  return `${JSON.stringify({ results }, undefined, 1)}\n`;
}

type Column = readonly [name: string, of: (measures: Measures) => number, digits: number];

const columns: readonly Column[] = [
  ["TTFT mean s", ({ ttftS }) => ttftS.mean, 2],
  ["p50", ({ ttftS }) => ttftS.p50, 2],
  ["p90", ({ ttftS }) => ttftS.p90, 2],
  ["p99", ({ ttftS }) => ttftS.p99, 2],
  ["TPOT mean ms", ({ tpotMs }) => tpotMs.mean, 0],
  ["p99", ({ tpotMs }) => tpotMs.p99, 0],
  ["e2e mean s", ({ e2eS }) => e2eS.mean, 1],
  ["p50", ({ e2eS }) => e2eS.p50, 1],
  ["p90", ({ e2eS }) => e2eS.p90, 1],
  ["p99", ({ e2eS }) => e2eS.p99, 1],
  ["good %", ({ goodRatio }) => goodRatio * 100, 0],
  ["hits %", ({ hitRatio }) => hitRatio * 100, 1],
  ["ideal %", ({ idealHitRatio }) => idealHitRatio * 100, 1],
  ["imbalance", ({ imbalance }) => imbalance, 2],
  ["slowdown", ({ slowdownMost }) => slowdownMost, 0],
  ["failed", ({ failed }) => failed, 0],
  ["unfinished", ({ unfinished }) => unfinished, 0],
];

/** Medians over seeds, a row for each cell and policy. */
export function measuresTable(groups: readonly CellGroup[]): string {
  const rows = groups.flatMap(({ workload, load, engines, byPolicy }) =>
    [...byPolicy].map(([policy, seeds]) => {
      const cells = columns.map(([, of, digits]) => medianOf(seeds.map(of)).toFixed(digits));
      return [workload, String(load), String(engines), policy].concat(cells);
    }),
  );
  const names = columns.map(([name]) => name);
  return tableOf(["workload", "load", "engines", "policy", ...names], rows);
}

/** Medians over seeds by objective; undefined if no request has one. */
export function objectivesTable(groups: readonly CellGroup[]): string | undefined {
  const rows = groups.flatMap(({ workload, load, engines, byPolicy }) =>
    [...byPolicy].flatMap(([policy, seeds]) => {
      const names = Object.keys(seeds[0]?.byObjective ?? {});
      return names.map((objective) => {
        const all = seeds.flatMap(({ byObjective }) => byObjective?.[objective] ?? []);
        const of = (value: (measures: OfObjective) => number) => medianOf(all.map(value));
        const cells = [
          medianOf(seeds.map((seed) => seed.ttftMeanSByObjective[objective] ?? 0)).toFixed(2),
          of(({ ttftP95S }) => ttftP95S).toFixed(2),
          of(({ tokensPerS }) => tokensPerS).toFixed(0),
        ];
        return [workload, String(load), String(engines), policy, objective].concat(cells);
      });
    }),
  );
  if (rows.length === 0) return undefined;
  const head = ["workload", "load", "engines", "policy", "objective"];
  return tableOf([...head, "TTFT mean s", "p95", "tokens/s"], rows);
}

/**
 * Ratios to the reference: of each cell the median over seeds of the paired ratios, and their geometric mean over cells.
 */
export function ratiosTable(
  groups: readonly CellGroup[],
  reference: string,
  measure: keyof typeof comparedMeasures,
): string {
  const policies = [...new Set(groups.flatMap(({ byPolicy }) => [...byPolicy.keys()]))];
  const ratios = groups.map((group) =>
    policies.map((policy) => ratioOf(group, { policy, reference, measure })),
  );
  const rows = groups.map(({ workload, load, engines }, index) =>
    [`${workload} ${load}, ${engines} engines`].concat((ratios[index] ?? []).map(ratioText)),
  );
  const means = policies.map((_, column) => {
    const known = ratios.flatMap((row) => row[column] ?? []).filter(Number.isFinite);
    return known.length === 0 ? "-" : ratioText(geometricMeanOf(known));
  });
  rows.push(["**geometric mean**", ...means]);
  return tableOf([`${measure} / ${reference}`, ...policies], rows);
}

/** The median over seeds of the ratios of one policy to the reference; NaN where one of both is missing. */
export function ratioOf(
  { byPolicy }: CellGroup,
  {
    policy,
    reference,
    measure,
  }: {
    readonly policy: string;
    readonly reference: string;
    readonly measure: keyof typeof comparedMeasures;
  },
): number {
  const of = comparedMeasures[measure];
  const own = byPolicy.get(policy) ?? [];
  const theirs = byPolicy.get(reference) ?? [];
  const paired = own.flatMap((measures, index) => {
    const other = theirs[index];
    return other === undefined ? [] : of(measures) / of(other);
  });
  return paired.length === 0 ? Number.NaN : medianOf(paired);
}

function ratioText(ratio: number): string {
  if (!Number.isFinite(ratio)) return "-";
  return ratio.toPrecision(ratio < 0.1 ? 2 : 3);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [
    `| ${head.join(" | ")} |`,
    `|${"---|".repeat(head.length)}`,
    ...rows.map((row) => `| ${row.join(" | ")} |`),
  ].join("\n");
}
