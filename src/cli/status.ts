import type { PoolPage } from "../admin/pool-page.ts";
import type { CommandContext } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable } from "./flags.ts";
import { pickerJson, outputFlag, outputIn, pickerFlags, pickerPage } from "./picker-page.ts";
import { statusText } from "./status-text.ts";

const statusFlags = {
  ...pickerFlags,
  ...outputFlag,
} as const satisfies FlagTable;

/** Exit code if the picker answers and is not ready. */
const notReadyExitCode = 2;

const help = `Usage: pointsman status [flags]

Shows the pool of a running picker: every endpoint with its state and signals, every
excluded pod with the reason, and the cluster resources that the picker watches.

  kubectl exec deploy/pointsman -- /app/epp status
  kubectl port-forward deploy/pointsman 9090 & pointsman status --token-file FILE

Exit codes: 0 if the picker is ready, ${notReadyExitCode} if it is not, 1 if it cannot be reached.

Flags:
${flagHelp(statusFlags)}
`;

export const status = flagCommand({
  help,
  flags: statusFlags,
  run,
});

async function run(
  { values }: ParsedFlags<typeof statusFlags>,
  context: CommandContext,
): Promise<number> {
  const output = outputIn(values);
  const text = await pickerPage(values, { path: "/debug/pool", accept: "application/json" });
  // The page is what a picker of this version shows.
  const page = pickerJson(text, values.url) as PoolPage;
  context.stdout(output === "json" ? `${JSON.stringify(page, undefined, 2)}\n` : statusText(page));
  return page.notReady.length === 0 ? 0 : notReadyExitCode;
}
