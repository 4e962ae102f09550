import { afterEach, describe, expect, it } from "vitest";
import { runLoad } from "#test/support/load.ts";
import { type Rig, type RigOptions, startRig } from "#test/support/rig.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";
import type { Simulator, SimulatorOptions } from "../../src/simulator/simulator.ts";

let rig: Rig | undefined;
let simulator: Simulator | undefined;
afterEach(async () => {
  await rig?.close();
  await simulator?.close();
  rig = undefined;
  simulator = undefined;
});

async function aRig(engines: SimulatorOptions, options: Partial<RigOptions> = {}) {
  simulator = await startEngines(engines);
  rig = await startRig({ engines: simulator.engines, ...options });
  return { rig, simulator };
}

const bodyOf = (index: number, { stream = index % 2 === 0, tokens = 4 } = {}) =>
  JSON.stringify({
    model: "sim-model",
    stream,
    max_tokens: tokens,
    messages: [{ role: "user", content: `question ${index % 50} ${"context ".repeat(40)}` }],
  });

describe("a gateway under load", () => {
  it("serves 10,000 requests at 64 streams without an error or a leaked count", async () => {
    const { rig: running } = await aRig({ engines: 8, settings: fastEngine });
    const result = await runLoad({
      url: running.url,
      concurrency: 64,
      requestsMax: 10_000,
      bodyOf: (index) => bodyOf(index),
    });
    expect(result.outcomes).toEqual({ 200: 10_000 });
    expect(Object.keys(result.servedBy)).toHaveLength(8);
    await eventually("in-flight counts are zero", async () =>
      (await running.metric("llm_d_epp_inflight_requests")) === 0 ? true : undefined,
    );
    expect(await running.metric("llm_d_epp_request_running")).toBe(0);
    expect(await running.metric("llm_d_epp_request_total")).toBeGreaterThanOrEqual(10_000);
    expect(await running.metric("llm_d_epp_request_error_total")).toBe(0);
    // Every second request asked for a stream; all engines report their usage either way.
    expect(await running.metric("llm_d_epp_request_ttft_seconds_count")).toBeGreaterThan(9_999);
  });

  it("follows the endpoints file without failing a request", async () => {
    const { rig: running, simulator: engines } = await aRig({ engines: 4, settings: fastEngine });
    const load = runLoad({
      url: running.url,
      concurrency: 16,
      requestsMax: 20_000,
      durationMs: 5_000,
      bodyOf: (index) => bodyOf(index),
    });
    for (let round = 0; round < 8; round += 1) {
      await running.setEndpoints(
        engines.engines.slice(round % 2 === 0 ? 0 : 2, round % 2 === 0 ? 2 : 4),
      );
      await new Promise((resolve) => {
        setTimeout(resolve, 400);
      });
    }
    const result = await load;
    expect(result.outcomes).toEqual({ 200: result.requests });
    expect(Object.keys(result.servedBy)).toHaveLength(4);
  });

  it("loses no request when one of two pickers is told to stop", async () => {
    const { rig: running } = await aRig({ engines: 2, settings: fastEngine }, { pickerCount: 2 });
    const load = runLoad({
      url: running.url,
      concurrency: 16,
      requestsMax: 50_000,
      durationMs: 7_000,
      bodyOf: (index) => bodyOf(index, { tokens: 20 }),
    });
    await new Promise((resolve) => {
      setTimeout(resolve, 1_500);
    });
    running.pickers[0]?.child.signal("SIGTERM");
    expect(await running.pickers[0]?.child.ended).toBe(0);
    const result = await load;
    expect(result.outcomes).toEqual({ 200: result.requests });
    expect(running.pickers[0]?.child.output()).toMatch(/"msg":"stopped"/);
  });

  it("finishes open streams after SIGTERM, not ready from the first moment", async () => {
    const { rig: running } = await aRig({
      engines: 1,
      settings: { ...fastEngine, stepBaseMs: 100 },
    });
    const stream = await fetch(`${running.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: bodyOf(0, { stream: true, tokens: 30 }),
    });
    const [picker] = running.pickers;
    picker?.child.signal("SIGTERM");
    await eventually("readiness has gone", async () => {
      const ready = await fetch(`http://127.0.0.1:${picker?.ports.metrics}/readyz`);
      await ready.text();
      return ready.status === 503 ? true : undefined;
    });
    expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(await picker?.child.ended).toBe(0);
  });
});
