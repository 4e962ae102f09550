import { readdirSync } from "node:fs";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { defaultEngineOptions, type EngineOptions } from "../../src/simulator/engine-options.ts";
import { changeSettings, defaultEngineSettings } from "../../src/simulator/engine-settings.ts";
import { baselines } from "./baselines/baselines.ts";
import { whatIfs } from "./what-ifs.ts";
import { bounds } from "./bounds.ts";
import { type Cell, workloadFileOf, workloadsFolder } from "./cells.ts";
import { documentNames, policyOf } from "./policies.ts";
import {
  type CurtEngines,
  defaultSetup,
  type Setup,
  type SpeedChange,
} from "../../src/replay/lab/setup.ts";
import { readWorkload } from "./workload.ts";

/** Bounds of what one command may ask of a machine. */
const enginesMax = 1_024;
const pickersMax = 16;
const secondsMax = 86_400;
const seedsMax = 100;
const loadMax = 20;
const cellsMax = 10_000;
const jobsMax = 64;
/** All that is run on the wall clock. */
const wallSecondsMax = 3_600;

type Given = ReturnType<typeof parsed>;
type Values = Given & Required<Pick<Given, keyof Defaults>>;

/** Options whose default depends on what the command does. */
interface Defaults {
  readonly workload: string[];
  readonly load: string;
  readonly policy: string[];
  readonly seconds: string;
  readonly "report-every": string;
}

const comparison: Defaults = {
  workload: ["all"],
  load: "0.5,0.7,0.85",
  policy: ["peer-default,least"],
  seconds: "600",
  "report-every": "0.2",
};

/** Short, because one half of it takes as long as it says; reports come as often as `serve` asks for them. */
const validation: Defaults = {
  workload: ["groups,mixed"],
  load: "0.6",
  policy: ["peer-default"],
  seconds: "75",
  "report-every": "0.05",
};

export interface LabOptions {
  readonly cells: readonly Cell[];
  /** The policy that the others are compared with. */
  readonly reference: string;
  readonly jobs: number;
  readonly jsonFile: string | undefined;
  readonly svgFolder: string | undefined;
}

export type LabCommand =
  | { readonly kind: "help" }
  | { readonly kind: "run"; readonly options: LabOptions }
  | { readonly kind: "validate"; readonly cells: readonly Cell[] };

function parsed(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      validate: { type: "boolean", default: false },
      workload: { type: "string", multiple: true },
      load: { type: "string" },
      policy: { type: "string", multiple: true },
      reference: { type: "string" },
      engines: { type: "string", default: String(defaultSetup.engines) },
      seconds: { type: "string" },
      "warm-up": { type: "string" },
      drain: { type: "string", default: "1200" },
      seeds: { type: "string", default: "1" },
      seed: { type: "string", default: "1" },
      trace: { type: "string" },
      only: { type: "string" },
      engine: { type: "string", multiple: true, default: [] },
      slow: { type: "string", multiple: true, default: [] },
      change: { type: "string", multiple: true, default: [] },
      uncached: { type: "string", default: "0" },
      curt: { type: "string" },
      pickers: { type: "string", default: "1" },
      "restart-every": { type: "string" },
      "report-every": { type: "string" },
      "report-delay": { type: "string", default: "0" },
      "no-cached-tokens": { type: "boolean", default: false },
      "no-usage": { type: "boolean", default: false },
      "no-stream": { type: "boolean", default: false },
      "stream-share": { type: "string" },
      "no-health": { type: "boolean", default: false },
      jobs: { type: "string", default: "1" },
      json: { type: "string" },
      svg: { type: "string" },
      help: { type: "boolean", default: false },
    },
  }).values;
}

/** Reads a command line; throws an error with one readable line if it is wrong. */
export function readCommand(args: readonly string[]): LabCommand {
  const given = parsed(args);
  if (given.help) return { kind: "help" };
  const values = { ...(given.validate ? validation : comparison), ...given };
  const cells = cellsOf(values);
  if (values.validate) return { kind: "validate", cells: checkedForWall(cells) };
  const policies = cells[0]?.policies ?? [];
  const reference = values.reference ?? policies[0] ?? "";
  if (!policies.includes(reference)) {
    throw new Error(
      `--reference ${reference}: must be one of the policies, ${policies.join(", ")}`,
    );
  }
  const jobs = count("jobs", values.jobs, { min: 1, max: jobsMax });
  const { json: jsonFile, svg: svgFolder } = values;
  return { kind: "run", options: { cells, reference, jobs, jsonFile, svgFolder } };
}

function cellsOf(values: Values): readonly Cell[] {
  const workloads = namesIn(values.workload).flatMap((name) =>
    name === "all" ? workloadNames() : name,
  );
  const policies = namesIn(values.policy);
  for (const name of policies) if (bounds[name] === undefined) policyOf(name);
  for (const name of workloads) checkWorkload(name, values);
  const loads = numbers("load", values.load, { min: 0.01, max: loadMax });
  const pools = numbers("engines", values.engines, { min: 1, max: enginesMax });
  const seeds = count("seeds", values.seeds, { min: 1, max: seedsMax });
  const firstSeed = count("seed", values.seed, { min: 0, max: 2 ** 31 });
  const bySeed = Array.from({ length: seeds }, (_, index) => firstSeed + index);
  const cells = workloads.flatMap((workload) =>
    pools.flatMap((engines) =>
      loads.flatMap((load) =>
        bySeed.map((seed) => cellOf(values, { workload, engines, load, seed, policies })),
      ),
    ),
  );
  if (cells.length * policies.length <= cellsMax) return cells;
  throw new Error(`${cells.length * policies.length} runs are more than ${cellsMax}`);
}

/** Cells that a machine can run on the wall clock. */
function checkedForWall(cells: readonly Cell[]): readonly Cell[] {
  const policies = cells.flatMap((cell) => cell.policies);
  const baseline = policies.find((name) => name in baselines || name in whatIfs || name in bounds);
  if (baseline !== undefined) throw new Error(`--validate: ${baseline} is no document`);
  for (const { setup } of cells) {
    const { engines, reportEveryMs } = setup;
    if (!isDeepStrictEqual(setup, { ...defaultSetup, engines, reportEveryMs })) {
      throw new Error("--validate: the engines of the wall clock are the default ones");
    }
  }
  const wallMs = cells.reduce((sum, cell) => sum + cell.lengthMs * cell.policies.length, 0);
  if (wallMs <= wallSecondsMax * 1_000) return cells;
  throw new Error(`--validate: would take ${wallMs / 1_000} s, more than ${wallSecondsMax}`);
}

function cellOf(
  values: Values,
  of: Pick<Cell, "workload" | "load" | "seed" | "policies"> & { readonly engines: number },
): Cell {
  const { workload, load, seed, policies, engines } = of;
  const seconds = { min: 0, max: secondsMax };
  const warmUp = values["warm-up"];
  return {
    workload,
    load,
    seed,
    policies,
    setup: setupOf(values, engines),
    lengthMs: number("seconds", values.seconds, { min: 1, max: secondsMax }) * 1_000,
    drainMs: number("drain", values.drain, seconds) * 1_000,
    warmUpMs: warmUp === undefined ? undefined : number("warm-up", warmUp, seconds) * 1_000,
    traceFile: values.trace,
    onlyObjective: values.only,
  };
}

function setupOf(values: Values, engines: number): Setup {
  const seconds = { min: 0.001, max: secondsMax };
  const restartEvery = values["restart-every"];
  const reportEvery = values["report-every"];
  return {
    ...defaultSetup,
    engines,
    engineOptions:
      values.engine.length === 0 ? defaultSetup.engineOptions : engineOptionsOf(values.engine),
    slowFactors: slowFactorsOf(values.slow, engines),
    speedChanges: values.change.map((text) => changeOf(text, engines)),
    curtEngines: curtEnginesOf(values.curt, engines),
    pickers: count("pickers", values.pickers, { min: 1, max: pickersMax }),
    uncachedEngines: count("uncached", values.uncached, { min: 0, max: engines }),
    restartEveryMs:
      restartEvery === undefined
        ? undefined
        : number("restart-every", restartEvery, seconds) * 1_000,
    reportEveryMs:
      reportEvery === "off" ? undefined : number("report-every", reportEvery, seconds) * 1_000,
    reportDelayMs:
      number("report-delay", values["report-delay"], { min: 0, max: secondsMax }) * 1_000,
    tellsCachedTokens: !values["no-cached-tokens"],
    tellsUsage: !values["no-usage"],
    streamShare: streamShareOf(values),
    hasHealth: !values["no-health"],
  };
}

function streamShareOf(values: Values): number {
  const { "no-stream": isWhole, "stream-share": share } = values;
  if (share === undefined) return isWhole ? 0 : 1;
  if (isWhole) throw new Error("--no-stream and --stream-share exclude each other");
  return number("stream-share", share, { min: 0, max: 1 });
}

function engineOptionsOf(entries: readonly string[]): EngineOptions {
  const given = namesIn(entries).map((entry) => {
    const [name = "", text] = entry.split("=");
    if (!Object.hasOwn(defaultEngineOptions, name)) {
      const known = Object.keys(defaultEngineOptions).join(", ");
      throw new Error(`--engine ${entry}: known options are ${known}`);
    }
    return [name, text === "true" || text === "false" ? text === "true" : Number(text)] as const;
  });
  const settings = { ...defaultEngineSettings, ...defaultSetup.engineOptions };
  const changed = changeSettings(settings, Object.fromEntries(given));
  if (changed.kind === "changed") return changed.settings;
  throw new Error(`--engine ${changed.message}`);
}

/** `N=FACTOR`: the first N engines that are not named before. */
function slowFactorsOf(entries: readonly string[], engines: number): readonly number[] {
  const factors = entries.flatMap((entry) => {
    const [engineCount, factor] = entry.split("=");
    const length = count("slow", engineCount, { min: 1, max: engines });
    return Array.from({ length }, () => number("slow", factor, { min: 0.001, max: 1_000 }));
  });
  if (factors.length <= engines) return factors;
  throw new Error(`--slow: names ${factors.length} of ${engines} engines`);
}

/** `N`, `N=TOKENS` or `SECONDS:N=TOKENS`. */
function curtEnginesOf(text: string | undefined, engines: number): CurtEngines {
  if (text === undefined) return defaultSetup.curtEngines;
  const [whom = "", tokens = "1"] = text.split("=");
  const [engineCount, seconds = "0"] = whom.split(":").toReversed();
  return {
    count: count("curt", engineCount, { min: 0, max: engines }),
    outputTokens: count("curt", tokens, { min: 1, max: 10_000 }),
    fromMs: number("curt", seconds, { min: 0, max: secondsMax }) * 1_000,
  };
}

/** `SECONDS:ENGINE=FACTOR`. */
function changeOf(text: string, engines: number): SpeedChange {
  const [seconds, engine, factor] = text.split(/[:=]/);
  return {
    atMs: number("change", seconds, { min: 0, max: secondsMax }) * 1_000,
    engine: count("change", engine, { min: 0, max: engines - 1 }),
    slowFactor: number("change", factor, { min: 0.001, max: 1_000 }),
  };
}

/** The workloads of the lab. */
export function workloadNames(): readonly string[] {
  return readdirSync(workloadsFolder)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .toSorted();
}

function checkWorkload(name: string, { trace, only }: Pick<Values, "trace" | "only">): void {
  const file = workloadFileOf(name);
  if (typeof file !== "string" && !workloadNames().includes(name)) {
    const known = workloadNames().join(", ");
    throw new Error(`--workload ${name}: known are ${known}, or a path of a YAML file`);
  }
  const workload = readWorkload(name, file);
  if ("trace" in workload && trace === undefined) {
    throw new Error(`the workload ${name} needs the trace: --trace FILE`);
  }
  const kinds = "kinds" in workload ? workload.kinds : [];
  if (only !== undefined && !kinds.some(({ objective }) => objective === only)) {
    throw new Error(`--only ${only}: the workload ${name} has no requests of this objective`);
  }
}

interface Limits {
  readonly min: number;
  readonly max: number;
}

function numbers(name: string, text: string, limits: Limits): readonly number[] {
  return text.split(",").map((part) => number(name, part, limits));
}

function number(name: string, text: string | undefined, { min, max }: Limits): number {
  const value = Number(text);
  if (text !== undefined && text.trim() !== "" && value >= min && value <= max) return value;
  throw new Error(`--${name}: must be a number from ${min} to ${max}, got ${String(text)}`);
}

function count(name: string, text: string | undefined, limits: Limits): number {
  const value = number(name, text, limits);
  if (Number.isInteger(value)) return value;
  throw new Error(`--${name}: must be an integer, got ${String(text)}`);
}

function namesIn(entries: readonly string[]): readonly string[] {
  return [...new Set(entries.flatMap((entry) => entry.split(",")))].filter((name) => name !== "");
}

/** Text of `--help`. */
export function helpText(): string {
  const workloads = workloadNames().map((name) => {
    return row(name, readWorkload(name, workloadFileOf(name)).summary);
  });
  const policies = [
    ...documentNames().map((name) => row(name, "a document, run by our scheduler")),
    ...Object.entries({ ...baselines, ...whatIfs, ...bounds }).map(([name, { summary }]) =>
      row(name, summary),
    ),
  ];
  return `${usage}
Workloads:
${workloads.join("\n")}

Policies:
${policies.join("\n")}
`;
}

function row(name: string, summary: string): string {
  return `  ${name.padEnd(15)} ${summary}`;
}

const usage = `Usage: npm run lab -- [options]

Routes made-up requests over simulated engines in virtual time, with the scheduler, the state and the
learning of this checkout, and compares policies on the same requests. The same command gives the
same numbers. Opens no port. Options that take a list have commas between its entries.

  --workload LIST          what is sent: names or YAML files (default all)
  --load LIST              shares of the rate at which a good policy saturates (default 0.5,0.7,0.85)
  --policy LIST            names, or paths of documents (default peer-default,least)
  --reference NAME         what the others are divided by (default the first policy)
  --engines LIST           pool sizes; rates grow with them (default ${defaultSetup.engines})
  --seconds N              conversations begin until then (default 600)
  --warm-up N              those that begin before do not count (default: the workload's)
  --drain N                seconds for answers after that (default 1200)
  --seeds N                runs of each cell with further seeds (default 1), from --seed N on (default 1)
  --trace FILE             for the workload conv: one JSON object a line with timestamp in ms,
                           input_length, output_length and hash_ids
  --only OBJECTIVE         sends only the requests of this objective, at the same times
  --engine NAME=N          an option of all engines, such as kvCacheTokensMax, blockTokens or
                           loraSlotsMax; may be repeated
  --slow N=FACTOR          N engines whose steps take FACTOR times as long; may be repeated
  --change S:ENGINE=FACTOR the same for one engine, counted from 0, from second S on; may be repeated
  --uncached N             N engines that cache no prefixes
  --curt [S:]N[=TOKENS]    from second S on, N engines answer everything at once with TOKENS tokens
                           (default 1) and without work; these answers count as failed
  --pickers N              pickers that share the engines, each with its own requests (default 1)
  --restart-every S        one engine after another restarts with a cold cache
  --report-every S         between two reports of an engine's metrics (default 0.2); off for none
  --report-delay S         until the picker has a report (default 0)
  --no-cached-tokens       answers do not tell cached_tokens
  --no-usage               answers do not tell their usage
  --no-stream              answers come whole, at their end
  --stream-share N         this share of the answers is streamed, the others come whole (default 1)
  --no-health              the picker ejects no endpoint
  --validate               runs documents here and on the wall clock, through serve over ext_proc, and
                           compares (defaults: groups,mixed at 0.6, peer-default, 75 s)
  --jobs N                 cells at a time, each on a thread of its own (default 1)
  --json FILE              write all measures here
  --svg FOLDER             plot TTFT against load, and against pool size, here
`;
