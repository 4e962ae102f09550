import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { findEnvoy } from "../src/demo/envoy-binary.ts";
import { peerScorers, scorersIn } from "./picker-document.ts";
import { cases, type ReliabilityCase } from "./reliability/cases.ts";
import { answerMsMax } from "./reliability/client.ts";
import { type Measures, measuresOf } from "./reliability/measures.ts";
import { runOnce, type RunDeps, type RunOptions } from "./reliability/run.ts";
import { ownServeCommand } from "./reliability/stack.ts";
import { type CaseResult, markdownTableOf, type Round, textTableOf } from "./reliability/table.ts";
import { say } from "./run-program.ts";

/** Requests a second for each engine that keep it about 60 % busy. */
const requestsPerSecondPerEngine = 7.5;

/** Share of the machine's processors above which they are what is measured. */
const cpuRatioMax = 0.8;

/** Lateness of the load above which the client is what is measured. */
const lateMsMax = 50;

/** Bounds of what one command may ask of a machine. */
const enginesMax = 64;
const requestsPerSecondMax = 1_000;
const secondsMax = 600;
const roundsMax = 25;

const { values } = parsedArgs();

const help = `Usage: node loadtest/reliability.ts [options]

Measures how a gateway behaves while engines or their signals fail: simulated engines, the
picker, a real Envoy and an open load, each in a process of its own on loopback. A run has a
warm-up, the fault and a recovery; the same requests are sent without the fault beside it, the
two in turns. Prints a table of medians over the rounds; docs/reliability.md says what it means.

  --case NAME            case to run, may be repeated (default: all)
  --seconds N            length of the fault (default 10)
  --warm-up N            seconds before it (default 10)
  --recovery N           seconds after it (default 10)
  --rounds N             pairs of runs for each case (default 3)
  --engines N            simulated engines (default 8)
  --rate N               requests a second (default ${requestsPerSecondPerEngine} for each engine)
  --seed N               seed of the first round's requests (default 1)
  --scorers TYPE=WEIGHT,...   scorers of the picker (default: those of llm-d-router)
  --config FILE          document of the picker instead; ENDPOINTS_FILE in it becomes the path
                         of the endpoints file
  --serve-command TEXT   another picker, split at spaces: it gets --config-file, --grpc-port,
                         --grpc-health-port, --metrics-port and --secure-serving=false
                         (default: this checkout's serve)
  --json FILE            write all measures of all runs here
  --markdown             print the table as Markdown

Cases:
${cases.map(({ name, summary }) => `  ${name.padEnd(16)} ${summary}`).join("\n")}

Envoy is the binary that POINTSMAN_ENVOY names, or is fetched once with pip. Ctrl-C ends it all.
`;

function parsedArgs() {
  try {
    return parseArgs({
      options: {
        case: { type: "string", multiple: true, default: [] },
        seconds: { type: "string", default: "10" },
        "warm-up": { type: "string", default: "10" },
        recovery: { type: "string", default: "10" },
        rounds: { type: "string", default: "3" },
        engines: { type: "string", default: "8" },
        rate: { type: "string" },
        seed: { type: "string", default: "1" },
        scorers: { type: "string", default: peerScorers },
        config: { type: "string" },
        "serve-command": { type: "string" },
        json: { type: "string" },
        markdown: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (cause) {
    say(`${cause instanceof Error ? cause.message : String(cause)}; --help lists what there is`);
    process.exit(1);
  }
}

function numberIn(name: keyof typeof values, { min, max }: { min: number; max: number }): number {
  const text = values[name];
  const value = Number(text);
  if (typeof text === "string" && text !== "" && value >= min && value <= max) return value;
  throw new Error(`--${name}: must be a number from ${min} to ${max}, got ${String(text)}`);
}

function wholeIn(name: keyof typeof values, range: { min: number; max: number }): number {
  const value = numberIn(name, range);
  if (Number.isInteger(value)) return value;
  throw new Error(`--${name}: must be a whole number, got ${value}`);
}

function chosenCases(): readonly ReliabilityCase[] {
  if (values.case.length === 0) return cases;
  return values.case.map((wanted) => {
    const found = cases.find(({ name }) => name === wanted);
    if (found !== undefined) return found;
    throw new Error(
      `--case ${wanted}: unknown; known are ${cases.map(({ name }) => name).join(", ")}`,
    );
  });
}

type Settings = Omit<RunOptions, "reliabilityCase" | "hasFault" | "seed" | "requestsPerSecond"> & {
  readonly rounds: number;
  readonly rate: number | undefined;
  readonly seed: number;
};

async function settingsOf(deps: RunDeps): Promise<Settings> {
  const engines = wholeIn("engines", { min: 2, max: enginesMax });
  const seconds = { min: 1, max: secondsMax };
  const rate =
    values.rate === undefined ? undefined : numberIn("rate", { min: 1, max: requestsPerSecondMax });
  const command = values["serve-command"]?.split(" ").filter((word) => word !== "");
  const envoy = await findEnvoy(process.env, deps.say, deps.stop);
  if (envoy.kind === "missing")
    throw new Error(`an Envoy is needed: ${envoy.reason}; ${envoy.advice}`);
  return {
    rounds: wholeIn("rounds", { min: 1, max: roundsMax }),
    seed: wholeIn("seed", { min: 0, max: 1_000_000 }),
    rate,
    warmUpMs: numberIn("warm-up", seconds) * 1_000,
    faultMs: numberIn("seconds", { min: 3, max: secondsMax }) * 1_000,
    recoveryMs: numberIn("recovery", { min: 2, max: secondsMax }) * 1_000,
    stack: {
      engines,
      envoyPath: envoy.path,
      serveCommand: command ?? ownServeCommand,
      document: values.config === undefined ? undefined : readFileSync(values.config, "utf8"),
      scorers: scorersIn(values.scorers),
    },
  };
}

async function roundOf(options: Omit<RunOptions, "hasFault">, deps: RunDeps): Promise<Round> {
  const run = async (hasFault: boolean): Promise<Measures> => {
    const record = await runOnce({ ...options, hasFault }, deps);
    const measures = measuresOf(record, options.reliabilityCase);
    tellHowItWent(measures);
    return measures;
  };
  // In turns, so that neither kind of run is always the first.
  if (options.seed % 2 === 0) {
    const withoutFault = await run(false);
    return { withFault: await run(true), withoutFault };
  }
  const withFault = await run(true);
  return { withFault, withoutFault: await run(false) };
}

function tellHowItWent(measures: Measures): void {
  const { requests, failed, busyRatio, cpuRatio, lateP99Ms } = measures;
  say(
    `  ${requests} requests, ${failed} failed; TTFT mean ${Math.round(measures.ttft.meanMs)}, ` +
      `p99 ${Math.round(measures.ttft.p99Ms)} ms; ${measures.ejections ?? "no"} ejections; ` +
      `engines ${percentOf(busyRatio)} busy, machine ${percentOf(cpuRatio)}`,
  );
  if (cpuRatio > cpuRatioMax) {
    say(
      `  warning: the machine was ${percentOf(cpuRatio)} busy, so its processors are measured too`,
    );
  }
  if (lateP99Ms > lateMsMax) {
    say(`  warning: requests were sent up to ${Math.round(lateP99Ms)} ms late (p99)`);
  }
}

function percentOf(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

async function main(deps: RunDeps): Promise<void> {
  const chosen = chosenCases();
  const { rounds, seed, rate, ...settings } = await settingsOf(deps);
  const results: CaseResult[] = [];
  for (const reliabilityCase of chosen) {
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      deps.say(
        `${reliabilityCase.name}, round ${round + 1} of ${rounds}: ${reliabilityCase.summary}`,
      );
      const { health, engines: engineSettings } = reliabilityCase;
      const perEngine = reliabilityCase.requestsPerSecondPerEngine ?? requestsPerSecondPerEngine;
      const options = {
        ...settings,
        reliabilityCase,
        seed: seed + round,
        requestsPerSecond: rate ?? perEngine * settings.stack.engines,
        stack: { ...settings.stack, health, engineSettings },
      };
      measured.push(await roundOf(options, deps));
    }
    results.push({ reliabilityCase, rounds: measured });
    // After each case: what is measured is not lost if a later one fails.
    writeJson(results);
  }
  const table = values.markdown ? markdownTableOf(results) : textTableOf(results);
  process.stdout.write(`${table}\n`);
}

function writeJson(results: readonly CaseResult[]): void {
  if (values.json === undefined) return;
  const report = {
    options: values,
    answerMsMax,
    node: process.version,
    processors: cpus().map(({ model }) => model),
    cases: results.map(({ reliabilityCase, rounds }) => ({ name: reliabilityCase.name, rounds })),
  };
  // JSON has no infinity.
  const text = JSON.stringify(
    report,
    (_, value: unknown) => (value === Number.POSITIVE_INFINITY ? "never" : value),
    2,
  );
  writeFileSync(values.json, `${text}\n`);
}

if (values.help) process.stdout.write(help);
else {
  const stop = new AbortController();
  const cut = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // The second asks for haste.
    process.on(name, () => (stop.signal.aborted ? cut : stop).abort());
  }
  try {
    await main({ say, stop: stop.signal, cut: cut.signal });
  } catch (cause) {
    say(stop.signal.aborted ? "stopped" : String(cause instanceof Error ? cause.message : cause));
    process.exitCode = 1;
  } finally {
    process.removeAllListeners("SIGINT").removeAllListeners("SIGTERM");
  }
}
