import { parseArgs } from "node:util";
import { medianOf } from "../src/replay/lab/measures.ts";
import { workloadNames } from "./lab/options.ts";
import { auditOf, meanErrorOf } from "./lab/prediction-audit.ts";
import { runProgram, say } from "./run-program.ts";

const help = `Usage: node loadtest/prediction-error.ts [options]

Runs workloads of the lab under the default policy, 8 engines in virtual time, and prints how far its
predicted times to first token are from the actual ones: the mean absolute error in percent of the
actual time, as median of the seeds. Requests of the first 30 s do not count.

  --workload LIST   names (default all but conv, which needs --trace)
  --load LIST       shares of the rate at which a good policy saturates (default 0.5,0.7,0.85)
  --seeds N         runs of each cell (default 3)
  --trace FILE      for the workload conv
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workload: { type: "string" },
      load: { type: "string", default: "0.5,0.7,0.85" },
      seeds: { type: "string", default: "3" },
      trace: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const traceFile = values.trace;
  const all = workloadNames().filter((name) => name !== "conv" || traceFile !== undefined);
  const workloads = values.workload?.split(",") ?? all;
  const loads = values.load.split(",").map((text) => numberIn(text, "--load"));
  const seeds = numberIn(values.seeds, "--seeds");
  process.stdout.write(
    `| workload | ${loads.join(" | ")} |\n|---|${"---|".repeat(loads.length)}\n`,
  );
  for (const workload of workloads) {
    const errors: string[] = [];
    for (const load of loads) {
      const ofSeeds: number[] = [];
      for (let seed = 1; seed <= seeds; seed += 1) {
        ofSeeds.push(meanErrorOf(await auditOf({ workload, load, seed, traceFile })));
        say(`${workload} ${load}, seed ${seed}: ${percent(ofSeeds.at(-1) ?? 0)} %`);
      }
      errors.push(`${percent(medianOf(ofSeeds))} %`);
    }
    process.stdout.write(`| ${workload} | ${errors.join(" | ")} |\n`);
  }
}

function percent(ratio: number): string {
  return (ratio * 100).toFixed(1);
}

function numberIn(text: string, flag: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`${flag}: ${JSON.stringify(text)} is no number above 0`);
}

await runProgram(main);
