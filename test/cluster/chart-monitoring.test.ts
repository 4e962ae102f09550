import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { findHelm } from "#test/components/helm.ts";
import type { Manifest } from "#test/support/manifests.ts";
import { ruleGroups } from "#test/support/monitoring.ts";
import { renderChart } from "#test/support/render.ts";
import { say } from "#test/support/say.ts";
import { grafanaBoardFile } from "../generate/grafana-board.ts";

/** Milliseconds; Helm is built if the cache lacks it. */
const buildTimeoutMs = 1_800_000;

let helm: string;
beforeAll(async () => {
  helm = await findHelm(say);
}, buildTimeoutMs);

function rendered(monitoring: object): readonly Manifest[] {
  return renderChart(helm, {
    router: { modelServers: { matchLabels: { app: "vllm" } }, monitoring },
  });
}

const boardsOf = (objects: readonly Manifest[]) =>
  objects.filter(({ data }) => data?.["pointsman.json"] !== undefined);
const rulesOf = (objects: readonly Manifest[]) =>
  objects.filter(({ kind }) => kind === "PrometheusRule");

describe("the chart's alerts and board", () => {
  it("are off by default", () => {
    const objects = rendered({});
    expect([...rulesOf(objects), ...boardsOf(objects)]).toEqual([]);
  });

  it("are those of the components, whose braces Helm leaves alone", () => {
    const objects = rendered({ alerts: { enabled: true }, dashboards: { enabled: true } });
    expect(rulesOf(objects)).toMatchObject([{ spec: { groups: ruleGroups() } }]);
    const [board] = boardsOf(objects);
    const ofComponent: unknown = JSON.parse(readFileSync(grafanaBoardFile, "utf8"));
    expect(JSON.parse(board?.data?.["pointsman.json"] ?? "")).toEqual(ofComponent);
    expect(board?.metadata["labels"]).toMatchObject({ grafana_dashboard: "1" });
  });

  it("can be had alone, with labels by which an operator or a sidecar selects them", () => {
    const alerts = { enabled: true, extraLabels: { release: "prometheus" } };
    const withAlerts = rendered({ alerts });
    expect(rulesOf(withAlerts)[0]?.metadata["labels"]).toMatchObject({ release: "prometheus" });
    expect(boardsOf(withAlerts)).toEqual([]);
    const dashboards = { enabled: true, labels: { grafana_dashboard: "yes" } };
    const withBoard = rendered({ dashboards });
    expect(boardsOf(withBoard)[0]?.metadata["labels"]).toMatchObject({ grafana_dashboard: "yes" });
    expect(rulesOf(withBoard)).toEqual([]);
  });
});
