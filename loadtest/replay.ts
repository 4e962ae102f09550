import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Crew } from "../src/demo/crew.ts";
import type { Outcome } from "../src/replay/outcomes.ts";
import { readRecording } from "../src/replay/recording.ts";
import { replayerOf } from "../src/replay/replay.ts";
import { errorRatioOf, summaryOf } from "../src/replay/summary.ts";
import { defaultSetup } from "../src/replay/lab/setup.ts";
import type { Plan } from "../src/replay/lab/conversation.ts";
import { systemClock } from "../src/std/clock.ts";
import { planOfCell } from "./lab/cells.ts";
import { policyOf } from "./lab/policies.ts";
import { documentWithPool, wallConversationOf } from "./lab/validate.ts";
import { ownServeCommand } from "./reliability/stack.ts";
import { runOnce } from "./routing/run.ts";
import { numberOf, runProgram, say } from "./run-program.ts";

/** Bounds of what one command may ask of a machine. */
const secondsMax = 600;
const enginesMax = 64;
const documentsMax = 6;

/** Milliseconds for conversations to end: a run that is cut off has others than its replay. */
const drainMsMax = 300_000;

const help = `Usage: node loadtest/replay.ts [options]

Tells how well recordings predict. Runs requests on the wall clock through serve --record, under
each of several documents; replays the recording of the first one under all of them; and compares
what the replays say with what the runs were. Engines are simulated in this process. Loopback only.

  --workload NAME     of the lab (default groups)
  --load RATIO        share of the rate at which a good policy saturates (default 0.5)
  --documents LIST    of the lab, or paths; the first one is recorded
                      (default peer-default,pointsman,loadtest/replay/random.yaml)
  --seconds N         length of each run (default 60)
  --engines N         (default 8)
  --seed N            of the requests (default 1)
  --trace FILE        for the workload conv
  --keep FILE         copy the recording of the first document here
`;

const { values } = parseArgs({
  options: {
    workload: { type: "string", default: "groups" },
    load: { type: "string", default: "0.5" },
    documents: {
      type: "string",
      default: "peer-default,pointsman,loadtest/replay/random.yaml",
    },
    seconds: { type: "string", default: "60" },
    engines: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    trace: { type: "string" },
    keep: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

/** A run on the wall clock, as its own recording has it. */
interface WallRun {
  readonly name: string;
  readonly document: string;
  readonly file: string;
  readonly outcomes: readonly Outcome[];
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const names = values.documents.split(",");
  if (names.length > documentsMax) throw new Error(`--documents: at most ${documentsMax}`);
  const engines = Math.round(numberOf("engines", values.engines, enginesMax));
  const plan = planOf(engines);
  const folder = mkdtempSync(path.join(tmpdir(), "pointsman-replay-"));
  try {
    const runs: WallRun[] = [];
    for (const [index, name] of names.entries()) {
      const file = path.join(folder, `${index}.jsonl`);
      const document = policyOf(name).document;
      await record(plan, { document, file, engines });
      const outcomes = await outcomesIn(file);
      const { ttftS } = summaryOf(outcomes, engines);
      say(`${name}: TTFT mean ${ttftS?.mean.toFixed(3)} s on the wall clock`);
      runs.push({ name: path.basename(name, ".yaml"), document, file, outcomes });
    }
    const [first] = runs;
    if (first !== undefined && values.keep !== undefined) copyFileSync(first.file, values.keep);
    process.stdout.write(await tableOf(runs, engines));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function planOf(engines: number): Plan {
  return planOfCell({
    workload: values.workload,
    load: numberOf("load", values.load, 20),
    seed: Math.round(numberOf("seed", values.seed, 2 ** 31)),
    policies: [],
    setup: { ...defaultSetup, engines },
    lengthMs: numberOf("seconds", values.seconds, secondsMax) * 1_000,
    drainMs: 0,
    warmUpMs: 0,
    traceFile: values.trace,
  });
}

interface RecordOptions {
  readonly document: string;
  readonly file: string;
  readonly engines: number;
}

async function record(plan: Plan, { document, file, engines }: RecordOptions): Promise<void> {
  const crew = await Crew.open(systemClock);
  try {
    const options = {
      engines,
      loraSeriesMax: 1,
      adapters: plan.adapters,
      plan: plan.conversations.map(wallConversationOf),
      command: [...ownServeCommand, "--record", file],
      document: documentWithPool(document),
      drainMsMax,
      say,
    };
    const { lateMsMost } = await runOnce(options, crew);
    if (lateMsMost > 100) say(`  requests were sent up to ${Math.round(lateMsMost)} ms late`);
  } finally {
    // With patience, so that the recording ends in order.
    await crew.close(new AbortController().signal);
  }
}

const replayOptions = {
  given: { runningRequestsMax: 128 },
  calibrates: true,
  warmUpShare: 0.1,
  waits: true,
};

async function outcomesIn(file: string): Promise<readonly Outcome[]> {
  const options = { ...replayOptions, calibrates: false, seed: 1 };
  return (await replayerOf(await readRecording(file), options)).recorded;
}

/** The runs, and what the recording of the first one says about them. */
async function tableOf(runs: readonly WallRun[], engines: number): Promise<string> {
  const [first] = runs;
  if (first === undefined) return "";
  const replayer = await replayerOf(await readRecording(first.file), { ...replayOptions, seed: 1 });
  const { stepBaseMs, decodeMsPerSequence, prefillTokensPerSecond } =
    replayer.engines.options[0] ?? {};
  say(
    `engines: ${prefillTokensPerSecond?.toFixed(0)} tokens/s, steps of ${stepBaseMs?.toFixed(1)} ms + ${decodeMsPerSequence?.toFixed(2)} ms, ${replayer.calibrated.overheadMs.toFixed(1)} ms besides`,
  );
  const placed = summaryOf(replayer.placed, engines).ttftS?.mean;
  say(`${replayer.waiting} of ${replayer.requests} requests wait for an earlier answer`);
  say(`engines alone, requests placed as recorded: TTFT mean ${placed?.toFixed(3)} s`);
  const rows: string[] = [];
  let [wasFirst, isFirst] = [0, 0];
  for (const { name, document, outcomes } of runs) {
    const replayed = await replayer.run(document);
    const [was, is] = [summaryOf(outcomes, engines), summaryOf(replayed, engines)];
    const [wasMean, isMean] = [was.ttftS?.mean ?? 0, is.ttftS?.mean ?? 0];
    if (rows.length === 0) {
      [wasFirst, isFirst] = [wasMean, isMean];
      say(`error bar: ${(errorRatioOf(outcomes, replayed, true) * 100).toFixed(1)} %`);
    }
    const [wasChange, isChange] = [wasMean / wasFirst, isMean / isFirst];
    const cells = [
      ...[name, `${wasMean.toFixed(3)} s`, `${isMean.toFixed(3)} s`, (isMean / wasMean).toFixed(3)],
      ...[`${was.ttftS?.p90.toFixed(3)} s`, `${is.ttftS?.p90.toFixed(3)} s`],
      ...[wasChange.toFixed(2), isChange.toFixed(2), (isChange / wasChange).toFixed(3)],
      ...[was.hitRatio?.toFixed(3) ?? "-", is.hitRatio?.toFixed(3) ?? "-"],
    ];
    rows.push(`| ${cells.join(" | ")} |`);
  }
  const head = [
    ...["document", "mean TTFT", "replayed", "ratio", "p90", "replayed"],
    ...["change", "replayed", "ratio", "hits", "replayed"],
  ];
  return `| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}\n${rows.join("\n")}\n`;
}

await runProgram(main);
