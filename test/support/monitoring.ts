import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { manifestsFolder } from "./manifests.ts";

const alertRule = z.object({
  alert: z.string(),
  expr: z.string(),
  for: z.string(),
  labels: z.object({ severity: z.enum(["info", "warning", "critical"]) }),
  annotations: z.object({ summary: z.string(), description: z.string(), runbook: z.string() }),
});

const prometheusRule = z.object({
  spec: z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(alertRule) })) }),
});

const board = z.object({
  panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })).default([]) })),
});

const components = path.join(manifestsFolder, "components");

/** The groups of the PrometheusRule, as a rule file of Prometheus has them. */
export function ruleGroups() {
  const text = readFileSync(path.join(components, "alerts", "prometheus-rule.yaml"), "utf8");
  return prometheusRule.parse(parse(text)).spec.groups;
}

export function alertRules() {
  return ruleGroups().flatMap(({ rules }) => rules);
}

/** Every expression of Grafana's board. */
export function boardQueries(): string[] {
  const text = readFileSync(path.join(components, "dashboards", "pointsman.json"), "utf8");
  return board
    .parse(JSON.parse(text))
    .panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}
