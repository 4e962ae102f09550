import { parseArgs } from "node:util";
import { exactHits } from "./hit-ladder/exact.ts";
import { type EstimateOptions, estimatedHits } from "./hit-ladder/estimated.ts";
import { promptsOf, type TimedPrompt } from "./hit-ladder/prompts.ts";
import { workloadNames } from "./lab/options.ts";
import { readTrace } from "../src/replay/lab/trace.ts";
import { numberOf, runProgram, say } from "./run-program.ts";

const help = `Usage: node loadtest/hit-ladder.ts [options]

Compares the hit-rate ladder's estimates from sampled blocks with exact simulations of caches, on the workloads of
the lab: a cache without an end, one of the size of all, and one for each engine behind a router that knows what they
hold. Shares are percent of prompt tokens, errors are percentage points.

  --workload LIST   names (default all but conv, which needs --trace)
  --trace FILE      for the workload conv
  --engines N       engines (default 8)
  --cache LIST      tokens in the cache of each (default 50000,200000)
  --sample LIST     blocks of the sample (default 16384)
  --seconds N       length (default 1500)
  --seeds N         runs of each (default 3)
`;

const blockTokens = 64;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workload: { type: "string" },
      trace: { type: "string" },
      engines: { type: "string", default: "8" },
      cache: { type: "string", default: "50000,200000" },
      sample: { type: "string", default: "16384" },
      seconds: { type: "string", default: "1500" },
      seeds: { type: "string", default: "3" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const all = workloadNames().filter((name) => name !== "conv" || values.trace !== undefined);
  const traceLines = values.trace === undefined ? undefined : readTrace(values.trace);
  const engines = numberOf("engines", values.engines, 1_024);
  const lengthMs = numberOf("seconds", values.seconds, 86_400) * 1_000;
  const seeds = numberOf("seeds", values.seeds, 100);
  const caches = numbersIn(values.cache, "cache");
  const samples = numbersIn(values.sample, "sample");
  process.stdout.write(`${columns.join(" | ")}\n${columns.map(() => "---").join("|")}\n`);
  const errors: Errors[] = [];
  for (const workload of values.workload?.split(",") ?? all) {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const prompts = promptsOf({ workload, engines, lengthMs, seed, blockTokens, traceLines });
      say(`${workload}, seed ${seed}: ${prompts.length} prompts`);
      for (const engineTokens of caches) {
        const pool = { blockTokens, engines, engineTokens };
        errors.push(...compared(prompts, { pool, samples, name: `${workload} | ${seed}` }));
      }
    }
  }
  for (const rung of ["ceiling", "capacity", "reachable"] as const) {
    const sizes = errors.map((error) => Math.abs(error[rung]) * 100);
    const mean = sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length);
    const [inTheMean, most] = [mean.toFixed(2), Math.max(...sizes).toFixed(2)];
    process.stdout.write(`\n${rung}: error ${inTheMean} points in the mean, ${most} at most\n`);
  }
}

interface Compared {
  readonly name: string;
  readonly pool: Omit<EstimateOptions, "blocksMax">;
  /** Blocks of each sample. */
  readonly samples: readonly number[];
}

/** Prints a row for each sample; returns its errors. */
function compared(
  prompts: readonly TimedPrompt[],
  { name, pool, samples }: Compared,
): readonly Errors[] {
  const exact = exactHits(prompts, pool);
  // Every block is looked at: the same formulas without a sample.
  const whole = { ...pool, blocksMax: 4_000_000, usesPerSecondMax: Number.MAX_VALUE };
  const { reachable = 0 } = estimatedHits(prompts, whole).total.rungs;
  return samples.map((blocksMax) => {
    const { total, sample } = estimatedHits(prompts, { ...pool, blocksMax });
    const { rungs } = total;
    const found: Errors = {
      ceiling: (rungs.ceiling ?? 0) - exact.ceiling,
      capacity: (rungs.capacity ?? 0) - exact.capacity,
      reachable: (rungs.reachable ?? 0) - reachable,
    };
    const cells = [
      ...[name, pool.engineTokens, `1/${Math.round(1 / sample.rate)}`],
      ...[percent(exact.ceiling), signed(found.ceiling)],
      ...[percent(exact.capacity), signed(found.capacity)],
      ...[percent(reachable), signed(found.reachable), percent(exact.routed)],
    ];
    process.stdout.write(`${cells.join(" | ")}\n`);
    return found;
  });
}

const columns = [
  ...["workload", "seed", "cache", "rate", "ceiling", "error"],
  ...["capacity", "error", "reachable", "error", "routed"],
];

type Errors = Record<"ceiling" | "capacity" | "reachable", number>;

function percent(ratio: number): string {
  return (ratio * 100).toFixed(1);
}

function signed(ratio: number): string {
  return `${ratio < 0 ? "" : "+"}${(ratio * 100).toFixed(2)}`;
}

function numbersIn(list: string, name: string): readonly number[] {
  return list.split(",").map((text) => numberOf(name, text, 1e9));
}

await runProgram(main);
