import { defaultConfigText } from "../config/default-document.ts";
import { replayerOf } from "../replay/replay.ts";
import type { Gain } from "../replay/summary.ts";
import { tune as search, type Tuned } from "../replay/tune.ts";
import { reasonOf } from "../std/reason-of.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";
import { documentOf, optionsOf, recordingIn, replayFlags } from "./replay.ts";

const { engine, calibrate, "warm-up": warmUp, "wait-for-answers": waits, seed } = replayFlags;

const tuneFlags = {
  config: {
    kind: "string",
    initial: "",
    help: "Document whose weights are searched. Default: the recorded one.",
  },
  evaluations: {
    kind: "int",
    initial: 60,
    min: 1,
    max: 10_000,
    help: "Maximum number of replays of the search.",
  },
  engine,
  calibrate,
  "warm-up": warmUp,
  "wait-for-answers": waits,
  seed,
} as const satisfies FlagTable;

const help = `Usage: pointsman tune FILE [flags]

Searches the weights of scorers in a document, such as one of llm-d-router, by replays of a
recording: those with the lowest mean time on its first half. Prints the document with the
best weights. Comments at its start have the gain on the second half, which the search has
not seen, and whether the default configuration, which has no weights, is better.

  pointsman tune rec.jsonl --config peer.yaml > tuned.yaml

Flags:
${flagHelp(tuneFlags)}
`;

export const tune = flagCommand({ help, flags: tuneFlags, run });

async function run(
  { values, positionals }: ParsedFlags<typeof tuneFlags>,
  context: CommandContext,
): Promise<number> {
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    throw new UsageError([`want one FILE, got ${positionals.length}`]);
  }
  const given = values.config === "" ? undefined : await documentOf(values.config);
  const recording = await recordingIn(file);
  const say = (line: string) => context.stderr(`${line}\n`);
  const replayer = await replayerOf(recording, optionsOf(values, say));
  const document = given?.text ?? recording.document;
  const tuned = await searched(() =>
    search(replayer, {
      document,
      reference: defaultConfigText,
      evaluationsMax: values.evaluations,
      onEvaluated: (evaluations, bestMs) =>
        say(
          `replay ${evaluations} of at most ${values.evaluations}: best mean ${secondsText(bestMs)}`,
        ),
    }),
  );
  const comments = linesOf(tuned, document === defaultConfigText);
  context.stdout(`${comments.map((line) => `# ${line}\n`).join("")}${tuned.document}`);
  return 0;
}

async function searched(compute: () => Promise<Tuned>): Promise<Tuned> {
  try {
    return await compute();
  } catch (cause) {
    throw new UsageError(reasonOf(cause).split("\n"));
  }
}

function linesOf({ weights, evaluations, meanMs, gain, referenceGain }: Tuned, isDefault: boolean) {
  const list = weights.map(({ plugin, weight }) => `${plugin} ${weight}`).join(", ");
  const { start, best, reference } = meanMs;
  return [
    `Weights after ${evaluations} replays: ${list}.`,
    `On the half of the recording that the search has not seen, the mean is ${secondsText(best)} in place of ${secondsText(start)}: ${gainText(gain)}.`,
    ...(isWithinError(gain) ? ["This is within the error: keep the weights that you have."] : []),
    ...(isDefault ? [] : [referenceLine(referenceGain, secondsText(reference))]),
  ];
}

function referenceLine(gain: Gain, mean: string): string {
  const there = `the mean is ${mean} there, ${gainText(gain)}`;
  if (isWithinError(gain))
    return `The default configuration is as good, without weights: ${there}.`;
  return gain.change < 0
    ? `The default configuration (expected latency) is better: ${there}.`
    : `The default configuration is not better: ${there}.`;
}

function isWithinError({ change, error }: Gain): boolean {
  return Math.abs(change) <= error;
}

function gainText({ change, error }: Gain): string {
  const sign = change < 0 ? "" : "+";
  return `${sign}${(change * 100).toFixed(0)} % (± ${(error * 100).toFixed(0)} %)`;
}

function secondsText(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}
