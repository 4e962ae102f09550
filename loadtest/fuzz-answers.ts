import { parseArgs } from "node:util";
import { runAnswerFuzz } from "./fuzz-answers/run.ts";
import { numberOf, runProgram } from "./run-program.ts";

/** Bounds of what one command may ask of a machine. */
const secondsMax = 600;
const casesMax = 2_000_000;
const requestsMax = 256;
const seedMax = 2 ** 32 - 1;

const help = `Usage: node --expose-gc loadtest/fuzz-answers.ts [options]

Sends requests with the gateway's client of engines to an engine that answers with malformed and odd
HTTP/1.1, cut anywhere, and ends with 1 if a request is never over, gets bytes of an answer that is
not its own, or if connections or memory are left. Prints a report in JSON. Loopback only.

  --seconds N    (default 60, at most ${secondsMax})
  --seed N       (default 1)
  --cases N      requests of the run (default and at most ${casesMax})
  --requests N   at once (default 16, at most ${requestsMax})
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: "1" },
      cases: { type: "string", default: String(casesMax) },
      requests: { type: "string", default: "16" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const report = await runAnswerFuzz({
    seed: numberOf("seed", values.seed, seedMax),
    seconds: numberOf("seconds", values.seconds, secondsMax),
    casesMax: numberOf("cases", values.cases, casesMax),
    requests: numberOf("requests", values.requests, requestsMax),
  });
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  if (report.violations.length > 0) throw new Error(`${report.violations.length} violations`);
}

await runProgram(main);
