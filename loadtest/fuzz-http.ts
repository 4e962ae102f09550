import { parseArgs } from "node:util";
import { runIdle } from "./fuzz-http/idle.ts";
import { runFuzz } from "./fuzz-http/run.ts";
import { numberOf, runProgram, say } from "./run-program.ts";

/** Bounds of what one command may ask of a machine. */
const secondsMax = 600;
const connectionsMax = 256;
const casesMax = 500_000;
const idleMax = 10_000;
const seedMax = 2 ** 32 - 1;

const help = `Usage: node loadtest/fuzz-http.ts [options]

Sends malformed and odd HTTP/1.1 and HTTP/2 to a pointsman gateway in a process of its own, with
simulated engines behind it, and ends with 1 if

- the gateway ends, logs an error, or a client can write a line into its log;
- a usual request between is not served;
- an engine gets a request that no client has sent, as a strict reader of RFC 9112 finds them in
  the bytes of the clients, or gets one twice, or with a header that was not sent;
- the gateway sends bytes to an engine that are not strict HTTP, or answers with a 5xx;
- heap, memory, handles, connections or requests do not come back to where they were.

Prints a report in JSON. Loopback only. Linux.

  --seconds N       (default 60, at most ${secondsMax})
  --seed N          (default 1)
  --cases N         connections of the run (default and at most ${casesMax})
  --connections N   at once (default 16, at most ${connectionsMax})
  --idle N          instead: hold N idle connections open (at most ${idleMax}), and print what
                    they take
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: "1" },
      cases: { type: "string", default: String(casesMax) },
      connections: { type: "string", default: "16" },
      idle: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  if (values.idle !== undefined) {
    const idle = await runIdle(numberOf("idle", values.idle, idleMax));
    return void process.stdout.write(`${JSON.stringify(idle, undefined, 2)}\n`);
  }
  const report = await runFuzz({
    seed: numberOf("seed", values.seed, seedMax),
    seconds: numberOf("seconds", values.seconds, secondsMax),
    casesMax: numberOf("cases", values.cases, casesMax),
    connections: numberOf("connections", values.connections, connectionsMax),
    tell: say,
  });
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  if (report.violations.length > 0) throw new Error(`${report.violations.length} violations`);
}

await runProgram(main);
