import type { ShadowPage } from "../admin/shadow-page.ts";
import type { CommandContext } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";
import { pickerJson, outputFlag, outputIn, pickerFlags, pickerPage } from "./picker-page.ts";
import { shadowText } from "./shadow-text.ts";

const shadowFlags = {
  ...pickerFlags,
  ...outputFlag,
} as const satisfies FlagTable;

/** Exit code if there is no shadow document, or the last one was refused. */
const noneExitCode = 2;

const help = `Usage: pointsman shadow [flags]

Shows how the shadow document of a running picker would have decided: the share of equal
decisions, the expected difference in time to first token and in cached tokens, by model
and tenant and by reason. serve and gateway take a shadow document with
--shadow-config-file.

Exit codes: 0 if a shadow document is compared, ${noneExitCode} if there is none or the last one was refused,
1 if the picker cannot be reached.

Flags:
${flagHelp(shadowFlags)}
`;

export const shadow = flagCommand({ help, flags: shadowFlags, run });

async function run(
  { values }: ParsedFlags<typeof shadowFlags>,
  context: CommandContext,
): Promise<number> {
  const output = outputIn(values);
  const text = await pickerPage(values, { path: "/debug/shadow", accept: "application/json" });
  // The page is what a picker of this version shows.
  const page = pickerJson(text, values.url) as ShadowPage | { readonly enabled: false };
  context.stdout(output === "json" ? `${JSON.stringify(page, undefined, 2)}\n` : shadowText(page));
  return page.enabled && page.document !== null && page.refused === null ? 0 : noneExitCode;
}
