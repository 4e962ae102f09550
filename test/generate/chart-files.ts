import { readFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { grafanaBoardText } from "./grafana-board.ts";

const folder = "manifests/chart/pointsman/files";
const alertsFile = "manifests/components/alerts/prometheus-rule.yaml";

/** Files of the chart that components have too, because a chart reads only its own files. */
export function chartFiles(): readonly (readonly [path: string, text: string])[] {
  return [
    [`${folder}/alerts.yaml`, alertsText()],
    [`${folder}/pointsman.json`, grafanaBoardText()],
  ];
}

/** The groups of the component's PrometheusRule. */
function alertsText(): string {
  const rule = z.object({ spec: z.looseObject({}) }).parse(parse(readFileSync(alertsFile, "utf8")));
  return `# Made by npm run generate, from ${alertsFile}.\n${stringify(rule.spec, { lineWidth: 0 })}`;
}
