import type { HitsPage } from "../admin/hits-page.ts";
import type { CommandContext } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";
import { hitsText } from "./hits-text.ts";
import { pickerJson, outputFlag, outputIn, pickerFlags, pickerPage } from "./picker-page.ts";

const hitsFlags = {
  ...pickerFlags,
  ...outputFlag,
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
  const output = outputIn(values);
  const text = await pickerPage(values, { path: "/debug/hits", accept: "application/json" });
  // The page is what a picker of this version shows.
  context.stdout(output === "json" ? text : hitsText(pickerJson(text, values.url) as HitsPage));
  return 0;
}
