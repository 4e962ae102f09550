import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { CellResult } from "./lab/cells.ts";
import { runCells } from "./lab/jobs.ts";
import { helpText, type LabOptions, readCommand } from "./lab/options.ts";
import { plotsOf } from "./lab/plots.ts";
import { validate, validationTable } from "./lab/validate.ts";
import {
  type CellGroup,
  groupsOf,
  jsonOf,
  measuresTable,
  objectivesTable,
  ratiosTable,
} from "./lab/report.ts";
import { runProgram, say } from "./run-program.ts";

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2));
  if (command.kind === "help") {
    process.stdout.write(helpText());
    return;
  }
  if (command.kind === "run") return run(command.options);
  process.stdout.write(`${validationTable(await validate(command.cells, say))}\n`);
}

async function run({ cells, reference, jobs, jsonFile, svgFolder }: LabOptions): Promise<void> {
  const runs = cells.reduce((sum, { policies }) => sum + policies.length, 0);
  const heard: CellResult[] = [];
  const hear = (result: CellResult) => {
    heard.push(result);
    say(`${heard.length} of ${runs}: ${lineOf(result)}`);
  };
  let results: readonly CellResult[];
  try {
    results = await runCells(cells, jobs, hear);
  } catch (cause) {
    // Hours of results may be lost with the last cell.
    if (jsonFile !== undefined) writeFileSync(jsonFile, jsonOf(heard));
    throw cause;
  }
  if (jsonFile !== undefined) writeFileSync(jsonFile, jsonOf(results));
  const groups = groupsOf(results);
  if (svgFolder !== undefined) writePlots(svgFolder, groups);
  process.stdout.write(`${measuresTable(groups)}\n`);
  const objectives = objectivesTable(groups);
  if (objectives !== undefined) process.stdout.write(`\n${objectives}\n`);
  if ((cells[0]?.policies.length ?? 0) < 2) return;
  for (const measure of ["ttftMeanS", "ttftP90S", "ttftP99S", "e2eMeanS"] as const) {
    process.stdout.write(`\n${ratiosTable(groups, reference, measure)}\n`);
  }
}

function lineOf({ workload, load, engines, seed, policy, measures }: CellResult): string {
  const { mean, p99 } = measures.ttftS;
  return (
    `${workload} ${load}, ${engines} engines, seed ${seed}, ${policy}: ` +
    `TTFT mean ${mean.toFixed(2)} s, p99 ${p99.toFixed(2)} s`
  );
}

function writePlots(folder: string, groups: readonly CellGroup[]): void {
  mkdirSync(folder, { recursive: true });
  for (const { file, svg } of plotsOf(groups)) writeFileSync(path.join(folder, file), svg);
}

await runProgram(main);
