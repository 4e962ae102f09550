import { spawnSync } from "node:child_process";
import { findPromtool } from "../components/promtool.ts";

/** What promtool finds wrong with a page of metrics; "" when nothing. */
export async function metricsMistakes(page: string): Promise<string> {
  const promtool = await findPromtool((line) => void process.stderr.write(`${line}\n`));
  const { status, stdout, stderr } = spawnSync(promtool, ["check", "metrics"], {
    // promtool takes the `_d_` of the peer's own prefixes for an abbreviation of days.
    input: page.replaceAll("llm_d_", "llmd_"),
    encoding: "utf8",
  });
  return status === 0 ? `${stdout}${stderr}` : `exit ${status}: ${stdout}${stderr}`;
}
