import { afterEach, beforeEach, expect, it } from "vitest";
import { runLoad } from "#test/support/load.ts";
import { metricsMistakes } from "#test/support/metrics-lint.ts";
import { type Rig, startRig } from "#test/support/rig.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";
import type { Simulator } from "../../src/simulator/simulator.ts";

let rig: Rig;
let engines: Simulator;
beforeEach(async () => {
  engines = await startEngines({ engines: 2, settings: fastEngine });
  rig = await startRig({ engines: engines.engines });
});
afterEach(async () => {
  await rig.close();
  await engines.close();
});

it("finds nothing wrong with the metrics of a picker that has only read its endpoints", async () => {
  const page = await eventually("endpoints have been scraped", async () => {
    const text = await rig.metricsPage();
    return /llm_d_epp_per_endpoint_queue_size\{.*\} 0/.test(text) ? text : undefined;
  });
  expect(await metricsMistakes(page)).toBe("");

  const [engine] = engines.engines;
  const told = await fetch(`http://${engine?.address}:${engine?.port}/metrics`);
  expect(await told.text()).toContain("vllm:num_requests_running");
});

it("finds nothing wrong with them after answers, streams and refusals", async () => {
  const { outcomes } = await runLoad({
    url: rig.url,
    concurrency: 8,
    requestsMax: 300,
    bodyOf: (index) =>
      index % 10 === 0
        ? "[]"
        : JSON.stringify({
            model: "sim-model",
            messages: [{ role: "user", content: "why" }],
            stream: index % 2 === 0,
          }),
  });
  expect(Object.keys(outcomes)).toContain("200");
  expect(Object.keys(outcomes).length).toBeGreaterThan(1);
  const page = await rig.metricsPage();
  expect(page).toMatch(/llm_d_epp_request_error_total\{.*\} [1-9]/);
  expect(await metricsMistakes(page)).toBe("");
});
