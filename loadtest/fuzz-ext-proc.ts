import { parseArgs } from "node:util";
import { runFuzz } from "./fuzz-ext-proc/run.ts";
import { numberOf, runProgram, say } from "./run-program.ts";

/** Bounds of what one command may ask of a machine. */
const framesMax = 1_000_000_000;
const secondsMax = 3_600;
const connectionsMax = 256;
const framesOfOneMax = 100_000;
const seedMax = 2 ** 32 - 1;

const help = `Usage: node loadtest/fuzz-ext-proc.ts [options]

Sends hostile connections to the HTTP/2 transport of the ext_proc port in a process of its own:
garbage, HTTP/1, random frames, mutated conversations, wrong lengths, floods, rapid resets, broken
header compression, and usual streams between. Ends with 1 if

- the process ends, or a stream gets a message after its close or a second close;
- a usual call between is not answered;
- heap, memory, handles, connections or streams do not come back to where they were.

Prints a report in JSON. Loopback only.

  --frames N        frames that the process has to read (default 1000000)
  --seconds N       at most (default 300)
  --seed N          (default 1)
  --connections N   at once (default 16, at most ${connectionsMax})
  --frames-of-one N frames of a connection at most (default 3000)
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      frames: { type: "string", default: "1000000" },
      seconds: { type: "string", default: "300" },
      seed: { type: "string", default: "1" },
      connections: { type: "string", default: "16" },
      "frames-of-one": { type: "string", default: "3000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const report = await runFuzz({
    frames: numberOf("frames", values.frames, framesMax),
    secondsMax: numberOf("seconds", values.seconds, secondsMax),
    seed: numberOf("seed", values.seed, seedMax),
    connections: numberOf("connections", values.connections, connectionsMax),
    framesOfOne: numberOf("frames-of-one", values["frames-of-one"], framesOfOneMax),
    tell: say,
  });
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  if (report.violations.length > 0) throw new Error(`${report.violations.length} violations`);
}

await runProgram(main);
