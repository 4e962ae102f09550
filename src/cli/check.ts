import { readFile } from "node:fs/promises";
import { text as streamText } from "node:stream/consumers";
import { buildConfig } from "../gateway/build-config.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { systemRandom } from "../std/random.ts";
import { effectiveDocument, effectiveYaml } from "../config/effective-document.ts";
import { defaultConfigText } from "../config/default-document.ts";
import { checkEnvoyTimeouts } from "../config/envoy-timeouts.ts";
import { reasonOf } from "../std/reason-of.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";

const checkFlags = {
  output: {
    kind: "string",
    initial: "yaml",
    aliases: ["o"],
    help: "Output format: yaml or json.",
  },
  "envoy-config": {
    kind: "string",
    initial: "",
    shownDefault: "none",
    help: "File of Envoy's configuration, of a config_dump, or of EnvoyFilters and EnvoyExtensionPolicies: timeouts that would end requests while they wait are mistakes.",
  },
  "max-message-timeout": {
    kind: "duration",
    initial: 0,
    shownDefault: "none",
    help: "For --envoy-config: the flag of serve.",
  },
  "enable-conformance-plugins": {
    kind: "boolean",
    initial: false,
    help: "Allow conformance test plugins, like the flag of serve.",
  },
} as const satisfies FlagTable;

/** Exit code for a document with mistakes; 1 is for a command line that makes no sense. */
const invalidExitCode = 2;

const help = `Usage: pointsman check FILE [flags]

Reads an EndpointPickerConfig like serve does. Prints the effective document with every
default written out, or every mistake with its path. If FILE is -, it reads standard
input. Without FILE it prints the default document.

Exit codes: 0 if the document is valid, ${invalidExitCode} if it has mistakes, 1 if FILE cannot be read or
the command line is wrong. Timeouts of --envoy-config that are too short are mistakes.

Flags:
${flagHelp(checkFlags)}
`;

export const check = flagCommand({
  help,
  flags: checkFlags,
  run,
});

async function run(
  { values, positionals }: ParsedFlags<typeof checkFlags>,
  context: CommandContext,
): Promise<number> {
  const { output } = values;
  if (output !== "yaml" && output !== "json") {
    throw new UsageError([
      `invalid argument ${JSON.stringify(output)} for --output: want yaml or json`,
    ]);
  }
  if (positionals.length > 1) throw new UsageError([`want one FILE, got ${positionals.length}`]);
  const [file] = positionals;
  const text = file === undefined ? defaultConfigText : await textOf(file);
  const result = buildConfig(text, {
    memory: new PluginMemory(),
    random: systemRandom,
    allowsTestOnly: values["enable-conformance-plugins"],
  });
  if (result.kind === "invalid") {
    const source = file === "-" ? "standard input" : (file ?? "default config");
    printMistakes(source, result.mistakes, { output, context });
    return invalidExitCode;
  }
  const { plan } = result.build;
  for (const warning of plan.warnings) context.stderr(`warning: ${warning}\n`);
  const envoyFile = values["envoy-config"];
  if (envoyFile !== "") {
    const waitTimeoutMs = values["max-message-timeout"];
    const found = checkEnvoyTimeouts(await textOf(envoyFile), {
      plan: plan.flowControl,
      waitTimeoutMs,
    });
    if (found.kind === "unreadable") {
      throw new UsageError(found.reasons.map((reason) => `${envoyFile}: ${reason}`));
    }
    if (found.mistakes.length > 0) {
      printMistakes(envoyFile, found.mistakes, { output, context });
      return invalidExitCode;
    }
  }
  context.stdout(
    output === "json"
      ? `${JSON.stringify(effectiveDocument(plan), undefined, 2)}\n`
      : effectiveYaml(plan),
  );
  return 0;
}

function printMistakes(
  source: string,
  mistakes: readonly string[],
  { output, context }: { readonly output: "yaml" | "json"; readonly context: CommandContext },
): void {
  if (output === "json") {
    context.stdout(`${JSON.stringify({ mistakes }, undefined, 2)}\n`);
    return;
  }
  for (const mistake of mistakes) context.stderr(`${source}: ${mistake}\n`);
  const count = mistakes.length === 1 ? "1 mistake" : `${mistakes.length} mistakes`;
  context.stderr(`${source}: ${count}\n`);
}

async function textOf(file: string): Promise<string> {
  try {
    // By its stream: /dev/stdin cannot be opened if standard input is a socket.
    return file === "-" ? await streamText(process.stdin) : await readFile(file, "utf8");
  } catch (cause) {
    throw new UsageError([reasonOf(cause)]);
  }
}
