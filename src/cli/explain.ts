import { readFile } from "node:fs/promises";
import { buffer as streamBuffer } from "node:stream/consumers";
import { reasonOf } from "../std/reason-of.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";
import { outputFlag, outputIn, pickerFlags, pickerPage } from "./picker-page.ts";

const explainFlags = {
  ...pickerFlags,
  "dry-run": {
    kind: "boolean",
    initial: false,
    help: "Read a request's body from a file, and tell where it would go now.",
  },
  path: {
    kind: "string",
    initial: "/v1/chat/completions",
    help: "Path of the request, with --dry-run.",
  },
  header: {
    kind: "list",
    initial: [],
    help: "Header of the request as NAME: VALUE, with --dry-run.",
  },
  ...outputFlag,
} as const satisfies FlagTable;

const help = `Usage: pointsman explain REQUEST-ID [flags]
       pointsman explain --dry-run BODY [flags]

Tells why a running picker sent a request where it did: every candidate with its inputs,
what each of the others lost by, what other policies would have picked, and what came of
it. REQUEST-ID is an x-request-id, its beginning, or the number of a decision; the log of
the picker has both. A picker keeps its last 5,000 decisions.

With --dry-run, BODY is a file with the body of a request, or - for standard input. The
picker decides about it as if it had come now, and neither sends nor counts it.

  pointsman explain 7f0c2f3e
  echo '{"model":"llama","messages":[]}' | pointsman explain --dry-run -

Exit codes: 0 if there is an explanation, else 1.

Flags:
${flagHelp(explainFlags)}
`;

export const explain = flagCommand({ help, flags: explainFlags, run });

async function run(
  { values, positionals }: ParsedFlags<typeof explainFlags>,
  context: CommandContext,
): Promise<number> {
  const output = outputIn(values);
  const [given] = positionals;
  const isTried = values["dry-run"];
  if (given === undefined || positionals.length > 1) {
    const wanted = isTried ? "BODY" : "REQUEST-ID";
    throw new UsageError([`want one ${wanted}, got ${positionals.length}`]);
  }
  const accept = output === "json" ? "application/json" : "text/plain";
  if (!isTried) {
    // The suffix that the picker would take for a format must not be that of an id.
    const path = `/explain/${encodeURIComponent(given)}.${output === "json" ? "json" : "txt"}`;
    context.stdout(await pickerPage(values, { path, accept }));
    return 0;
  }
  const query = new URLSearchParams({ path: values.path });
  for (const header of values.header) query.append("header", header);
  const body = await bodyIn(given);
  context.stdout(await pickerPage(values, { path: `/explain?${query.toString()}`, accept, body }));
  return 0;
}

async function bodyIn(file: string): Promise<Uint8Array> {
  try {
    // By its stream: /dev/stdin cannot be opened if standard input is a socket.
    return file === "-" ? await streamBuffer(process.stdin) : await readFile(file);
  } catch (cause) {
    throw new UsageError([reasonOf(cause)]);
  }
}
