import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { aLoad, endpoints } from "#test/support/builders.ts";
import { LatencyModel } from "./latency-model.ts";
import { registerLatencyMetrics } from "./metrics.ts";

function pageOf(model: LatencyModel, rows: Parameters<typeof aLoad>[0] = [{}, {}]) {
  const registry = new Registry();
  registerLatencyMetrics(registry, {
    models: () => [{ type: "predicted-latency-producer", name: "mine", memory: model }],
    endpoints: () => endpoints(2),
    load: () => aLoad(rows),
    nowMs: () => 1_000,
  });
  return async (family: string) => {
    const page = await registry.getSingleMetricAsString(family);
    return page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  };
}

const plugin = 'plugin_name="mine",plugin_type="predicted-latency-producer"';
const of = (name: string) => `{${plugin},endpoint_name="${name}",namespace="default"}`;

describe("the metrics of the latency model", () => {
  it("tell what it has learned of each endpoint of the pool, and of no other", async () => {
    const model = new LatencyModel();
    model.rates.note(9, 1, 1);
    for (let count = 0; count < 9; count += 1) model.trust.note(1, 1_000, 0);
    const trust = model.trust.of(1);
    expect(trust).toBeCloseTo(0.8 ** 9, 9);
    const linesOf = pageOf(model);
    expect(await linesOf("pointsman_latency_homes_ratio")).toEqual([
      `pointsman_latency_homes_ratio{${plugin},share="others"} 0`,
      `pointsman_latency_homes_ratio{${plugin},share="held"} 1`,
    ]);
    const rates = await linesOf("pointsman_latency_prefill_tokens_per_second");
    expect(rates.map((line) => line.split(" ")[0])).toEqual([
      `pointsman_latency_prefill_tokens_per_second${of("engine-0")}`,
      `pointsman_latency_prefill_tokens_per_second${of("engine-1")}`,
    ]);
    expect(await linesOf("pointsman_latency_prefix_trust_ratio")).toEqual([
      `pointsman_latency_prefix_trust_ratio${of("engine-0")} 1`,
      `pointsman_latency_prefix_trust_ratio${of("engine-1")} ${trust}`,
    ]);
  });

  it("tell predictions and answers of endpoints that have any", async () => {
    const model = new LatencyModel();
    model.audit.noteTtft(1, { predictedMs: 1_500, ttftMs: 2_000, atMs: 900 });
    model.audit.noteCached(1, 640, 512);
    const linesOf = pageOf(model);
    const expected = {
      predictions_total: 1,
      predicted_ttft_seconds_total: 1.5,
      actual_ttft_seconds_total: 2,
      ttft_error_seconds_total: 0.5,
      ttft_error_ratio: 0.25,
      predicted_cached_tokens_total: 640,
      actual_cached_tokens_total: 512,
    };
    for (const [name, value] of Object.entries(expected)) {
      const family = `pointsman_latency_${name}`;
      expect(await linesOf(family)).toEqual([`${family}${of("engine-1")} ${value}`]);
    }
  });

  it("tell the share of each input, once it is known", async () => {
    const model = new LatencyModel();
    const linesOf = pageOf(model, [{ signalsTrust: 1 }, { signalsTrust: 0 }]);
    const family = "pointsman_latency_inputs_ratio";
    const line = (input: string, share: number) => `${family}{${plugin},input="${input}"} ${share}`;
    expect(await linesOf(family)).toEqual([line("engine-metrics", 0.5)]);
    model.inputs.noteRequest(true);
    model.inputs.noteAnswer({ isStreaming: true, showsFirstToken: true, hasCachedTokens: false });
    expect(await linesOf(family)).toEqual([
      line("engine-metrics", 0.5),
      line("cached-tokens", 0),
      line("first-tokens", 1),
      line("prompt-tokens", 1),
    ]);
  });
});
