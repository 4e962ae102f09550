import { readFile } from "node:fs/promises";
import { defaultConfigText } from "../config/default-document.ts";
import { mooncakeLinesOf } from "../replay/mooncake.ts";
import { readRecording, type Recording } from "../replay/recording.ts";
import { reportOf, reportText, type Rerun } from "../replay/report.ts";
import { replayerOf } from "../replay/replay.ts";
import { engineOptionsIn } from "../replay/engine-options-in.ts";
import { reasonOf } from "../std/reason-of.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable, type FlagValues } from "./flags.ts";

/** Name of the document that a picker has without one. */
const defaultName = "default";

export const replayFlags = {
  config: {
    kind: "list",
    initial: [],
    help: "Document to run the requests under, besides the recorded one: a file, or default. May be repeated.",
  },
  engine: {
    kind: "list",
    initial: [],
    help: "Option of all engines that the recording does not tell, as NAME=VALUE, such as runningRequestsMax=128.",
  },
  calibrate: {
    kind: "boolean",
    initial: true,
    help: "Find the engines' speed by the recorded times. false takes the speeds that the picker had learned.",
  },
  "warm-up": {
    kind: "number",
    initial: 0.1,
    min: 0,
    max: 0.9,
    help: "Share of the recording at its start that does not count: caches are empty in a replay.",
  },
  "wait-for-answers": {
    kind: "boolean",
    initial: true,
    help: "Send a further turn of a client after the answer before, as in the recording. false sends all at their recorded times.",
  },
  seed: { kind: "int", initial: 1, min: 0, help: "Seed of random choices." },
  json: { kind: "boolean", initial: false, help: "Print JSON." },
  export: {
    kind: "string",
    initial: "",
    help: "Print the requests in the format of another tool in place of a replay: mooncake.",
  },
} as const satisfies FlagTable;

const help = `Usage: pointsman replay FILE [flags]

Runs the requests of a recording (serve --record, gateway --record) again, on simulated
engines in virtual time and with the scheduler of this program: under the document of the
recording, and under others. Shows what would have been, and how far that may be off: by
what the replay of the recorded document differs from what was recorded. Opens no port.

  pointsman replay rec.jsonl
  pointsman replay rec.jsonl --config candidate.yaml
  pointsman replay rec.jsonl --export mooncake > trace.jsonl

Flags:
${flagHelp(replayFlags)}
`;

export const replay = flagCommand({ help, flags: replayFlags, run });

async function run(
  { values, positionals }: ParsedFlags<typeof replayFlags>,
  context: CommandContext,
): Promise<number> {
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    throw new UsageError([`want one FILE, got ${positionals.length}`]);
  }
  if (values.export !== "" && values.export !== "mooncake") {
    throw new UsageError([
      `invalid argument ${JSON.stringify(values.export)} for --export: want mooncake`,
    ]);
  }
  const documents = await Promise.all(values.config.map(async (name) => documentOf(name)));
  const recording = await recordingIn(file);
  if (values.export === "mooncake") {
    for (const line of mooncakeLinesOf(recording.requests)) {
      context.stdout(`${JSON.stringify(line)}\n`);
    }
    return 0;
  }
  const say = (line: string) => context.stderr(`${line}\n`);
  const replayer = await replayerOf(recording, optionsOf(values, say));
  const runs: Rerun[] = [];
  for (const { name, text } of [{ name: "replayed", text: recording.document }, ...documents]) {
    say(`running ${name === "replayed" ? "the recorded document" : name}`);
    runs.push({ name, outcomes: await outcomesOf(name, () => replayer.run(text)) });
  }
  const report = reportOf({ file, recording, replayer, runs });
  context.stdout(values.json ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));
  return 0;
}

/** The recording in a file. */
export async function recordingIn(file: string): Promise<Recording> {
  try {
    return await readRecording(file);
  } catch (cause) {
    throw new UsageError([reasonOf(cause)]);
  }
}

/** Options of a replay by its flags. */
export function optionsOf(
  values: FlagValues<
    Pick<typeof replayFlags, "engine" | "calibrate" | "warm-up" | "wait-for-answers" | "seed">
  >,
  say: (line: string) => void,
) {
  const given = engineOptionsIn(values.engine);
  if (given.kind === "invalid") throw new UsageError([`--engine ${given.message}`]);
  return {
    given: given.options,
    calibrates: values.calibrate,
    warmUpShare: values["warm-up"],
    waits: values["wait-for-answers"],
    seed: values.seed,
    onCalibrated: (evaluations: number, loss: number) => {
      if (evaluations % 10 === 0) {
        say(
          `calibrating: ${evaluations} runs, error of single requests ${(loss * 100).toFixed(0)} %`,
        );
      }
    },
  };
}

/** A document by its file, or the default one. */
export async function documentOf(
  name: string,
): Promise<{ readonly name: string; readonly text: string }> {
  if (name === defaultName) return { name, text: defaultConfigText };
  try {
    return { name, text: await readFile(name, "utf8") };
  } catch (cause) {
    throw new UsageError([`--config: ${reasonOf(cause)}`]);
  }
}

async function outcomesOf<T>(name: string, compute: () => Promise<T>): Promise<T> {
  try {
    return await compute();
  } catch (cause) {
    const lines = reasonOf(cause).split("\n");
    throw new UsageError(lines.map((line) => `${name}: ${line}`));
  }
}
