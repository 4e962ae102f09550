import type { HitsPage } from "../admin/hits-page.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";
import { hitsText } from "./hits-text.ts";
import { pickerFlags, pickerPage } from "./picker-page.ts";

const hitsFlags = {
  ...pickerFlags,
  output: {
    kind: "string",
    initial: "text",
    aliases: ["o"],
    help: "Output format: text or json.",
  },
} as const satisfies FlagTable;

const help = `Usage: pointsman hits [flags]

Shows which share of prompt tokens prefix caches could serve, and where the rest is lost: to the
prompts themselves, to the size of the caches, to routing, or in engines. For each gap it says
what to do. It covers the requests of the last hour.

  kubectl exec deploy/pointsman -- /app/epp hits
  pointsman hits --output json | jq .findings

Exit codes: 0 if the picker answers, else 1.

Flags:
${flagHelp(hitsFlags)}
`;

export const hits = flagCommand({ help, flags: hitsFlags, run });

async function run(
  { values }: ParsedFlags<typeof hitsFlags>,
  context: CommandContext,
): Promise<number> {
  const { output, url } = values;
  if (output !== "text" && output !== "json") {
    throw new UsageError([
      `invalid argument ${JSON.stringify(output)} for --output: want text or json`,
    ]);
  }
  const text = await pickerPage(values, { path: "/debug/hits", accept: "application/json" });
  context.stdout(output === "json" ? text : hitsText(pageIn(text, url)));
  return 0;
}

function pageIn(text: string, url: string): HitsPage {
  try {
    // The page is what a picker of this version shows.
    return JSON.parse(text) as HitsPage;
  } catch {
    throw new UsageError([`${url}: not the metrics port of a picker`]);
  }
}
