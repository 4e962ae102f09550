import { writeFileSync } from "node:fs";
import { type CellResult, runCell } from "./lab/cells.ts";
import { helpText, type LabOptions, readCommand } from "./lab/options.ts";
import { groupsOf, measuresTable, ratiosTable } from "./lab/report.ts";

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2));
  if (command.kind === "help") {
    process.stdout.write(helpText());
    return;
  }
  await run(command.options);
}

async function run({ cells, reference, jsonFile }: LabOptions): Promise<void> {
  const results: CellResult[] = [];
  const runs = cells.reduce((sum, { policies }) => sum + policies.length, 0);
  for (const cell of cells) {
    await runCell(cell, (result) => {
      results.push(result);
      const { workload, load, engines, seed, policy, measures } = result;
      const ttft = measures.ttftS;
      say(
        `${results.length} of ${runs}: ${workload} ${load}, ${engines} engines, seed ${seed}, ` +
          `${policy}: TTFT mean ${ttft.mean.toFixed(2)} s, p99 ${ttft.p99.toFixed(2)} s`,
      );
    });
  }
  if (jsonFile !== undefined)
    writeFileSync(jsonFile, `${JSON.stringify({ results }, undefined, 1)}\n`);
  const groups = groupsOf(results);
  process.stdout.write(`${measuresTable(groups)}\n`);
  if ((cells[0]?.policies.length ?? 0) < 2) return;
  for (const measure of ["ttftMeanS", "ttftP90S", "ttftP99S", "e2eMeanS"] as const) {
    process.stdout.write(`\n${ratiosTable(groups, reference, measure)}\n`);
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

try {
  await main();
} catch (cause) {
  say(cause instanceof Error ? cause.message : String(cause));
  process.exitCode = 1;
}
