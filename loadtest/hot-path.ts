import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Cell, cellIn, cellNames, groupsOf } from "./hot-path/cells.ts";
import { contestantIn, documentsIn } from "./hot-path/contestants.ts";
import { soak } from "./hot-path/soak.ts";
import { runGroup } from "./hot-path/run.ts";
import { type CellRows, markdownOf, textOf } from "./hot-path/table.ts";
import { runProgram, say } from "./run-program.ts";

/** Bounds of what one command may ask of a machine. */
const roundsMax = 25;
const secondsMax = 60;
const contestantsMax = 4;
const soakMinutesMax = 180;
/** Share of its largest rate that a long run offers, in percent. */
const soakPercent = 60;

/** Cells without --cell. */
const usualCells =
  "small one small-500 body-64k body-1m pool-64-500 pool-256 pool-256-200 pool-1024 chunks";

const help = `Usage: node loadtest/hot-path.ts [options]

Compares pickers by what a request costs them, in turns on one machine: each load goes to each contestant
while the others are stopped (SIGSTOP). It speaks ext_proc in full duplex, request and answer, with
prepared bytes; engines are one process that serves metrics pages. Loopback only. Linux.

  --contestant NAME=CMD   a picker, may be repeated; CMD is split at spaces and gets --config-file,
                          --secure-serving, --grpc-port, --grpc-health-port and --metrics-port.
                          Without CMD: this checkout's serve, from dist if it is built (default: here).
                          The first is the reference of ratios
  --document NAME=FILE    its document, with ENDPOINTS_FILE for the path of the endpoints; own: the
                          default policy; peer: the scorers of llm-d-router's default document;
                          queue: the default policy, and a queue beyond 4 requests for each endpoint
                          (default: own without CMD, otherwise peer)
  --cell CELL             may be repeated: a name, or KEY=VALUE,... or both, to change the named one
                          (default: ${usualCells.replaceAll(" ", ", ").replaceAll(/(.{68}\S*) /g, "$1\n                          ")})
  --rounds N              (default 3)
  --seconds N             measured time of each load (default 3)
  --warm-up N             seconds of load before that (default 1)
  --heat N                seconds of load for each contestant before the first cell (default 10):
                          compilers of JavaScript need tens of thousands of requests. One second at most
                          for a program that is not run by node
  --soak MINUTES          instead of cells: one load at ${soakPercent} % of the first contestant's largest rate, with
                          clients that leave, endpoints that come and go, and new documents; then prints
                          how its memory grew and what is still in flight
  --soak-endpoints N      (default 8)
  --authority NAME        the name that pickers are called by (default: their address)
  --markdown              the table in Markdown
  --json FILE             write all rounds here

Cells: ${cellNames.join(", ").replaceAll(/(.{80}\S*) /g, "$1\n  ")}.
Keys: endpoints, streams and connections (of a closed loop), body (bytes), chunks (events of an answer; 0:
whole), rate (requests/s of an open loop; 70%: of what the reference reaches in a closed loop; 70%own: of
what each reaches itself), tls (long: connections stay; short: one for each request), beside (bytes of a
prompt twice a second beside the load), scrape (milliseconds between two reads of /metrics).
Times are those from the first byte of a request to its pick. ± is the largest distance from the median.
`;

const { values } = parseArgs({
  options: {
    contestant: { type: "string", multiple: true, default: ["here"] },
    document: { type: "string", multiple: true, default: [] },
    cell: { type: "string", multiple: true, default: usualCells.split(" ") },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    "warm-up": { type: "string", default: "1" },
    heat: { type: "string", default: "10" },
    soak: { type: "string", default: "" },
    "soak-endpoints": { type: "string", default: "8" },
    authority: { type: "string" },
    markdown: { type: "boolean", default: false },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

type Bounded = "rounds" | "seconds" | "warm-up" | "heat" | "soak" | "soak-endpoints";

function numberIn(name: Bounded, max: number): number {
  const value = Number(values[name]);
  if (value > 0 && value <= max) return value;
  throw new Error(`--${name}: must be a number above 0, up to ${max}, got ${values[name]}`);
}

function chosenContestants() {
  const documents = documentsIn(values.document);
  const chosen = values.contestant.map((text) => contestantIn(text, documents));
  const names = chosen.map(({ name }) => name);
  if (chosen.length > contestantsMax) throw new Error(`--contestant: at most ${contestantsMax}`);
  if (new Set(names).size < names.length)
    throw new Error("--contestant: each needs a name of its own");
  for (const name of documents.keys()) {
    if (!names.includes(name)) throw new Error(`--document: there is no contestant ${name}`);
  }
  return chosen;
}

async function soakFirst(): Promise<void> {
  const [contestant] = chosenContestants();
  if (contestant === undefined) throw new Error("--contestant: a long run needs one");
  const result = await soak({
    contestant,
    endpoints: numberIn("soak-endpoints", 1_024),
    percent: soakPercent,
    heatMs: numberIn("heat", secondsMax) * 1_000,
    lengthMs: numberIn("soak", soakMinutesMax) * 60_000,
    say,
  });
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
}

async function main(): Promise<void> {
  const cells: readonly Cell[] = values.cell.map(cellIn);
  const options = {
    contestants: chosenContestants(),
    rounds: numberIn("rounds", roundsMax),
    heatMs: numberIn("heat", secondsMax) * 1_000,
    warmUpMs: numberIn("warm-up", secondsMax) * 1_000,
    measuredMs: numberIn("seconds", secondsMax) * 1_000,
    authority: values.authority,
    say,
  };
  const measured: CellRows[] = [];
  for (const group of groupsOf(cells)) {
    measured.push(...(await runGroup(group, options)));
    if (values.json !== undefined) {
      writeFileSync(
        values.json,
        `${JSON.stringify({ options: values, cells: measured }, undefined, 2)}\n`,
      );
    }
  }
  process.stdout.write(`${values.markdown ? markdownOf(measured) : textOf(measured)}\n`);
}

if (values.help) process.stdout.write(help);
else await runProgram(values.soak === "" ? main : soakFirst);
