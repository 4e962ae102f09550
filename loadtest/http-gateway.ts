import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { cacheFolder, findEnvoy } from "../src/demo/envoy-binary.ts";
import { cellsOf } from "./http-gateway/cells.ts";
import {
  type Contestant,
  contestantIn,
  knownContestants,
  portkeyHint,
  sglangHint,
} from "./http-gateway/contestants.ts";
import { footprintsOf, summariesOf } from "./http-gateway/measures.ts";
import { type RoundOf, runRound } from "./http-gateway/run.ts";
import { markdownOf, type Report, textOf } from "./http-gateway/table.ts";
import { runProgram, say } from "./run-program.ts";

/** Bounds of what one command may ask of a machine. */
const roundsMax = 15;
const secondsMax = 30;
const heatSecondsMax = 120;
const connectionsMax = 256;
const rateMax = 100_000;
const bodyBytesMax = 4 * 1024 * 1024;
const enginesMax = 16;

const cache = path.join(cacheFolder(process.env), "http-gateway");
const root = path.join(import.meta.dirname, "..");

const allNames = "straight,gateway,envoy,envoy-epp,portkey,sglang-router";

/** As users run it, if `npm run build` has built it. */
const built = path.join(root, "dist", "main.js");
const ownMain = existsSync(built) ? built : path.join(root, "src", "main.ts");

const help = `Usage: node loadtest/http-gateway.ts [options]

Compares ways from a client to engines that answer at once, in one run on one machine: each load
goes to each contestant in turn while the others are stopped (SIGSTOP). Each round starts all of
them anew; the tables have medians over the rounds. Loopback only. Linux.

  straight        the load talks to an engine: what the others add is counted from here
  gateway         pointsman gateway, default policy
  gateway-tls     the same, with TLS to the engines; only if it is named
  envoy           Envoy (--concurrency 1) and pointsman serve, default policy
  envoy-epp       Envoy (--concurrency 1) and the picker of --picker, with the scorers of
                  llm-d-router's default document
  portkey         npm package @portkey-ai/gateway, loadbalance over the engines
  sglang-router   Python package sglang-router, policy cache_aware

  --contestants NAME,...   (default all); one that is missing is named, with a way to get it
  --contestant NAME=CMD    one more, may be repeated; CMD is split at spaces, PORT and ENGINES in it
                           become its port and the URLs of the engines, with commas
  --pointsman CMD          runs Pointsman, before its subcommand (default: dist/main.js of this
                           checkout, or src/main.ts without it, which starts later)
  --picker CMD             runs another picker, such as llm-d-router's: "/path/to/epp --pool-name epp"
  --portkey DIR            folder with node_modules/@portkey-ai/gateway (default CACHE/portkey)
  --sglang-router DIR      folder with sglang_router (default CACHE/sglang-router)
  --answers plain,sse      whole answers, streams of 200 events (default both)
  --body-bytes N,...       of requests (default 2048,65536)
  --connections N,...      each sends its next request after an answer (default 1,16,64)
  --rates N,...            requests that arrive a second, at random moments (default 0: each connection sends
                           its next request after an answer)
  --engines N              all in one process (default 4)
  --seconds N              measured time of each load (default 3)
  --warm-up N              seconds of load before that (default 1)
  --heat N                 seconds of load for each contestant before the first one that is measured
                           (default 15): compilers of JavaScript need tens of thousands of requests;
                           one second at most for those that are compiled
  --rounds N               (default 3)
  --markdown               tables in Markdown
  --json FILE              write the measures of all rounds here

CACHE is http-gateway in the cache of the demo, ~/.cache/pointsman or POINTSMAN_CACHE_DIR. This
program installs nothing there:

  ${portkeyHint("CACHE/portkey")}
  ${sglangHint("CACHE/sglang-router")}

Envoy is found, or fetched, as the demo does it. A contestant's log goes to a file, at its default
level. Installed sizes leave out Node.js and Python.
`;

const { values } = parseArgs({
  options: {
    contestants: { type: "string", default: allNames },
    contestant: { type: "string", multiple: true, default: [] },
    pointsman: { type: "string", default: `${process.execPath} ${ownMain}` },
    picker: { type: "string", default: "" },
    portkey: { type: "string", default: path.join(cache, "portkey") },
    "sglang-router": { type: "string", default: path.join(cache, "sglang-router") },
    answers: { type: "string", default: "plain,sse" },
    "body-bytes": { type: "string", default: "2048,65536" },
    connections: { type: "string", default: "1,16,64" },
    rates: { type: "string", default: "0" },
    engines: { type: "string", default: "4" },
    seconds: { type: "string", default: "3" },
    "warm-up": { type: "string", default: "1" },
    heat: { type: "string", default: "15" },
    rounds: { type: "string", default: "3" },
    markdown: { type: "boolean", default: false },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

type Bounded =
  | "body-bytes"
  | "connections"
  | "rates"
  | "engines"
  | "seconds"
  | "heat"
  | "warm-up"
  | "rounds";

function numbersIn(name: Bounded, max: number): readonly number[] {
  return values[name].split(",").map((text) => {
    const value = Number(text);
    if (text !== "" && value > 0 && value <= max) return value;
    throw new Error(`--${name}: wants numbers above 0, up to ${max}, got ${JSON.stringify(text)}`);
  });
}

function numberIn(name: Bounded, max: number): number {
  const [value, ...others] = numbersIn(name, max);
  if (value === undefined || others.length > 0) throw new Error(`--${name}: wants one number`);
  return value;
}

function answersIn(list: string): readonly ("plain" | "sse")[] {
  return list.split(",").map((answer) => {
    if (answer === "plain" || answer === "sse") return answer;
    throw new Error(`--answers: wants plain or sse, got ${JSON.stringify(answer)}`);
  });
}

async function chosenContestants(): Promise<readonly Contestant[]> {
  const wanted = values.contestants.split(",");
  const known = knownContestants({
    pointsman: values.pointsman.split(" "),
    picker: values.picker === "" ? [] : values.picker.split(" "),
    portkeyFolder: values.portkey,
    sglangFolder: values["sglang-router"],
    envoy: wanted.some((name) => name.startsWith("envoy"))
      ? await envoyPlace()
      : { missing: "not asked for" },
  });
  const chosen = wanted.map((name) => {
    const found = known.find((contestant) => contestant.name === name);
    if (found !== undefined) return found;
    const names = known.map((contestant) => contestant.name).join(", ");
    throw new Error(`--contestants: ${name} is unknown; known are ${names}`);
  });
  for (const { name, missing } of chosen) {
    if (missing !== undefined) say(`${name} is missing and left out. To get it: ${missing}`);
  }
  const others = values.contestant.map(contestantIn);
  return [...chosen.filter(({ missing }) => missing === undefined), ...others];
}

async function envoyPlace(): Promise<{ path: string } | { missing: string }> {
  const found = await findEnvoy(process.env, say);
  return found.kind === "found"
    ? { path: found.path }
    : { missing: `${found.reason}; ${found.advice}` };
}

async function main(): Promise<void> {
  const options = {
    cells: cellsOf({
      answers: answersIn(values.answers),
      bodyBytes: numbersIn("body-bytes", bodyBytesMax),
      connections: numbersIn("connections", connectionsMax),
      rates: values.rates === "0" ? [0] : [...numbersIn("rates", rateMax)],
    }),
    engines: numberIn("engines", enginesMax),
    heatMs: numberIn("heat", heatSecondsMax) * 1_000,
    warmUpMs: numberIn("warm-up", secondsMax) * 1_000,
    measuredMs: numberIn("seconds", secondsMax) * 1_000,
    contestants: await chosenContestants(),
    say,
  };
  const count = numberIn("rounds", roundsMax);
  const rounds: (readonly RoundOf[])[] = [];
  for (let round = 1; round <= count; round += 1) {
    say(`round ${round} of ${count}`);
    rounds.push(await runRound(options));
    writeJson(rounds);
  }
  const sizes = new Map(
    options.contestants.map(({ name, installedBytes }) => [name, installedBytes()]),
  );
  const report: Report = {
    summaries: summariesOf(rounds),
    footprints: footprintsOf(rounds, sizes),
  };
  process.stdout.write(`${values.markdown ? markdownOf(report) : textOf(report)}\n`);
}

function writeJson(rounds: readonly (readonly RoundOf[])[]): void {
  if (values.json === undefined) return;
  writeFileSync(values.json, `${JSON.stringify({ options: values, rounds }, undefined, 2)}\n`);
}

if (values.help) process.stdout.write(help);
else await runProgram(main);
