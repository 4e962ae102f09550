import type { Registry } from "prom-client";
import type { MetricsRegistry } from "../../src/telemetry/metrics-registry.ts";

/**
 * The value of one series as Prometheus would read it; undefined where there is none.
 *
 * @param series the name with its labels as the page writes them: `name{a="1",b="2"}`
 */
export async function valueOf(registry: Registry, series: string): Promise<number | undefined> {
  const line = (await linesOf(registry)).find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Every series of a family, each as its line on the page. */
export async function seriesOf(registry: Registry, family: string): Promise<readonly string[]> {
  const lines = await linesOf(registry);
  return lines.filter((line) => line.startsWith(`${family}{`) || line.startsWith(`${family} `));
}

async function linesOf(registry: Registry): Promise<string[]> {
  const page = await registry.metrics();
  return page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

/** The whole page of a registry. */
export async function pageOf(
  registry: MetricsRegistry,
  options: { readonly hasOlderNames: boolean },
): Promise<string> {
  let page = "";
  for await (const chunk of registry.chunks(options)) page += chunk;
  return page;
}
