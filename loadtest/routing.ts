import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Crew } from "../src/demo/crew.ts";
import { systemClock } from "../src/std/clock.ts";
import { pickerDocument, scorersIn } from "./picker-document.ts";
import { ownServeCommand } from "./reliability/stack.ts";
import { type Measures, measuresOf, medianOf } from "./routing/measures.ts";
import { endpointsFileMark, runOnce } from "./routing/run.ts";
import { adaptersOf, planOf, type Workload, workloads } from "./routing/workloads.ts";
import { runProgram, say } from "./run-program.ts";

/** Bounds of what one command may ask of a machine. */
const enginesMax = 64;
const requestsPerSecondMax = 500;
const secondsMax = 600;
const roundsMax = 25;

/** Engines that the rates of the workloads are for. */
const ratedEngines = 8;

/** Lateness of the load above which this process is what is measured. */
const lateMsMax = 100;

const defaultScorers =
  "queue-scorer=2,kv-cache-utilization-scorer=2,prefix-cache-scorer=3,lora-affinity-scorer=1";

const help = `Usage: node loadtest/routing.ts [options]

Measures how well pickers route: the time to the first token of the same requests through each, in
turns, with the same document. Engines are simulated in this process, the picker is a process of its
own that is driven over ext_proc as a proxy does in full duplex. Loopback only.

  --workload NAME          what is sent (default lora)
  --load RATIO             of the rate that the engines take for good (default 0.43)
  --rate N                 requests a second instead
  --seconds N              length of a run (default 60), and then up to 20 s for answers
  --warm-up N              seconds at its start that do not count (default 10)
  --rounds N               runs of each contestant (default 1); the table has medians
  --seed N                 of the first round; each round has the next (default 1)
  --engines N              (default ${ratedEngines})
  --contestant NAME=CMD    a picker, may be repeated; CMD is split at spaces and gets --config-file,
                           --grpc-port, --grpc-health-port, --metrics-port and --secure-serving=false.
                           Without CMD: this checkout's serve (default: here)
  --scorers TYPE=WEIGHT,...   of the document
                           (default ${defaultScorers})
  --config [NAME=]FILE     document instead, for one contestant or all; ENDPOINTS_FILE in it becomes
                           the path of the endpoints file
  --trace FILE             for the workload trace: one JSON object a line with timestamp in ms,
                           input_length, output_length and hash_ids
  --lora-series-max N      sets of adapters that an engine's metrics keep (default 1); vLLM keeps all
  --json FILE              write the measures of all runs here

Workloads:
${Object.entries(workloads)
  .map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`)
  .join("\n")}
`;

const { values } = parseArgs({
  options: {
    workload: { type: "string", default: "lora" },
    load: { type: "string", default: "0.43" },
    rate: { type: "string" },
    seconds: { type: "string", default: "60" },
    "warm-up": { type: "string", default: "10" },
    rounds: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    engines: { type: "string", default: String(ratedEngines) },
    contestant: { type: "string", multiple: true, default: ["here"] },
    scorers: { type: "string", default: defaultScorers },
    config: { type: "string", multiple: true, default: [] },
    trace: { type: "string" },
    "lora-series-max": { type: "string", default: "1" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  readonly document: string;
  readonly rounds: Measures[];
}

function numberIn(name: string, text: string | undefined, max: number): number {
  const value = Number(text);
  if (text !== undefined && text !== "" && value > 0 && value <= max) return value;
  throw new Error(`--${name}: must be a number above 0, up to ${max}, got ${String(text)}`);
}

function chosenWorkload(): Workload {
  const found = workloads[values.workload];
  if (found !== undefined) return found;
  throw new Error(
    `--workload ${values.workload}: unknown; known are ${Object.keys(workloads).join(", ")}`,
  );
}

function contestants(): readonly Contestant[] {
  const documents = new Map(values.config.map((entry) => splitAt(entry, "=")));
  const forAll = values.config.find((entry) => !entry.includes("="));
  return values.contestant.map((entry) => {
    const [name, command] = splitAt(entry, "=");
    const file = documents.get(name) ?? forAll;
    return {
      name,
      command: command === "" ? ownServeCommand : command.split(" ").filter((word) => word !== ""),
      document:
        file === undefined || file === ""
          ? pickerDocument(endpointsFileMark, scorersIn(values.scorers))
          : readFileSync(file, "utf8"),
      rounds: [],
    };
  });
}

/** What comes before and after the first `mark`; all of it and nothing without one. */
function splitAt(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

async function main(): Promise<void> {
  const workload = chosenWorkload();
  const engines = numberIn("engines", values.engines, enginesMax);
  const rated = (workload.requestsPerSecondMax * engines) / ratedEngines;
  const requestsPerSecond = numberIn(
    "rate",
    values.rate ?? String(rated * numberIn("load", values.load, 10)),
    requestsPerSecondMax,
  );
  const lengthMs = numberIn("seconds", values.seconds, secondsMax) * 1_000;
  const warmUpMs = Number(values["warm-up"]) * 1_000;
  const rounds = numberIn("rounds", values.rounds, roundsMax);
  const loraSeriesMax = numberIn("lora-series-max", values["lora-series-max"], 1_000_000);
  const adapters = adaptersOf(workload);
  const entrants = contestants();
  for (let round = 0; round < rounds; round += 1) {
    const seed = Number(values.seed) + round;
    const traceFile = values.trace;
    const plan = planOf({ workload, requestsPerSecond, lengthMs, seed, traceFile });
    // In turns, so that none is always the first.
    const order = round % 2 === 0 ? entrants : entrants.toReversed();
    for (const { name, command, document, rounds: results } of order) {
      say(`round ${round + 1} of ${rounds}: ${name}, ${requestsPerSecond.toFixed(1)} requests/s`);
      const options = { engines, loraSeriesMax, adapters, plan, command, document, say };
      // One after another: contestants must not share the machine.
      results.push(await measured(options, warmUpMs));
    }
    writeJson(entrants, requestsPerSecond);
  }
  process.stdout.write(`${tableOf(entrants)}\n`);
}

async function measured(
  options: Parameters<typeof runOnce>[0],
  warmUpMs: number,
): Promise<Measures> {
  const crew = await Crew.open(systemClock);
  try {
    const measures = measuresOf(await runOnce(options, crew), warmUpMs);
    const { ttftMeanS, ttftP99S, failed, unfinished, lateMsMost } = measures;
    say(
      `  TTFT mean ${ttftMeanS.toFixed(2)} s, p99 ${ttftP99S.toFixed(2)} s; ` +
        `${failed} failed, ${unfinished} unfinished`,
    );
    if (lateMsMost > lateMsMax) {
      say(`  warning: requests were sent up to ${Math.round(lateMsMost)} ms late`);
    }
    return measures;
  } finally {
    await crew.close(AbortSignal.abort());
  }
}

function writeJson(entrants: readonly Contestant[], requestsPerSecond: number): void {
  if (values.json === undefined) return;
  const contestantsOf = entrants.map(({ name, rounds }) => ({ name, rounds }));
  const report = { options: values, requestsPerSecond, contestants: contestantsOf };
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
}

function tableOf(entrants: readonly Contestant[]): string {
  const columns: readonly (readonly [string, (measures: Measures) => number, number])[] = [
    ["TTFT mean s", ({ ttftMeanS }) => ttftMeanS, 2],
    ["p50", ({ ttftP50S }) => ttftP50S, 2],
    ["p90", ({ ttftP90S }) => ttftP90S, 2],
    ["p99", ({ ttftP99S }) => ttftP99S, 2],
    ["answer s", ({ answerMeanS }) => answerMeanS, 2],
    ["cached", ({ cachedTokensMean }) => cachedTokensMean, 0],
    ["failed", ({ failed }) => failed, 0],
    ["unfinished", ({ unfinished }) => unfinished, 0],
    ["pick p99 ms", ({ pickP99Ms }) => pickP99Ms, 1],
    ["CPU ms", ({ pickerCpuMsPerRequest }) => pickerCpuMsPerRequest, 1],
    ["least share", ({ shares }) => Math.min(...shares), 3],
    ["most share", ({ shares }) => Math.max(...shares), 3],
  ];
  const rows = entrants.map(({ name, rounds }) => {
    const cells = columns.map(([, of, digits]) => medianOf(rounds, of).toFixed(digits));
    return `| ${[name, ...cells].join(" | ")} |`;
  });
  const names = columns.map(([name]) => name);
  return [
    `| ${["picker", ...names].join(" | ")} |`,
    `|${"---|".repeat(names.length + 1)}`,
    ...rows,
  ].join("\n");
}

if (values.help) process.stdout.write(help);
else await runProgram(main);
