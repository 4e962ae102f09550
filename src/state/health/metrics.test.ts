import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { anEndpoint } from "#test/support/builders.ts";
import type { HealthPhase } from "../../core/health-settings.ts";
import { EjectionMetrics, registerPhaseMetrics } from "./metrics.ts";

async function valuesOf(registry: Registry, name: string) {
  const metric = await registry.getSingleMetric(name)?.get();
  return metric?.values.map(({ labels, value }) => Object.assign({ value }, labels));
}

it("counts ejections of an endpoint by reason until it leaves", async () => {
  const registry = new Registry();
  const metrics = new EjectionMetrics(registry);
  const [gone, stays] = [anEndpoint({ name: "gone" }), anEndpoint({ name: "stays" })];
  metrics.ejected(gone, "failures");
  metrics.ejected(gone, "broken");
  metrics.ejected(stays, "failures");
  metrics.ejected(stays, "failures");
  metrics.forget(gone);
  expect(await valuesOf(registry, "pointsman_endpoint_ejections_total")).toEqual([
    { endpoint_name: "stays", namespace: "default", reason: "failures", value: 2 },
  ]);
});

it("counts endpoints by phase, and shows phases without any", async () => {
  const registry = new Registry();
  const phases = new Map<string, HealthPhase>([
    ["a", "ready"],
    ["b", "ejected"],
    ["c", "ready"],
  ]);
  const endpoints = [...phases.keys()].map((name) => anEndpoint({ name }));
  registerPhaseMetrics(registry, {
    endpoints: () => endpoints,
    phaseOf: ({ name }) => phases.get(name) ?? "trial",
  });
  expect(await valuesOf(registry, "pointsman_endpoints_by_health")).toEqual([
    { phase: "ready", value: 2 },
    { phase: "ejected", value: 1 },
    { phase: "trial", value: 0 },
    { phase: "slow-start", value: 0 },
    { phase: "paused", value: 0 },
  ]);
});
