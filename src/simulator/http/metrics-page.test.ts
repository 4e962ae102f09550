import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../std/clock.ts";
import { SimulatorFixture, until } from "#test/support/simulator-fixture.ts";

const sim = new SimulatorFixture();

afterEach(() => sim.stop());

describe("/metrics", () => {
  it("has vLLM's names, types and labels in the text format", async () => {
    await sim.start({ model: 'a"b', adapters: ["tuned"] });
    await (await sim.chat({ model: "tuned" })).text();
    const response = await sim.get("/metrics");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const page = await response.text();
    const labels = String.raw`{model_name="a\"b",engine="0"}`;
    for (const line of [
      "# TYPE vllm:num_requests_running gauge",
      `vllm:num_requests_running${labels} 0`,
      `vllm:num_requests_waiting${labels} 0`,
      `vllm:kv_cache_usage_perc${labels} 0`,
      "# TYPE vllm:prefix_cache_hits_total counter",
      `vllm:prompt_tokens_total${labels} 255`,
      `vllm:generation_tokens_total${labels} 4`,
      String.raw`vllm:request_success_total{finished_reason="stop",model_name="a\"b",engine="0"} 1`,
      "# TYPE vllm:time_to_first_token_seconds histogram",
      `vllm:time_to_first_token_seconds_count${labels} 1`,
      String.raw`vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="a\"b",engine="0"} 1`,
    ]) {
      expect(page.split("\n")).toContain(line);
    }
    expect(page).toMatch(
      /^vllm:cache_config_info\{block_size="16",.*num_gpu_blocks="25000".*\} 1$/m,
    );
    const loraLine =
      /^vllm:lora_requests_info\{max_lora="4",waiting_lora_adapters="",running_lora_adapters=""\} \d+(\.\d+)?$/m;
    expect(page).toMatch(loraLine);
    // Every line is a comment or a sample with a finite value.
    const sample =
      /^(# (HELP|TYPE) [\w:]+ .+|(vllm:\w+\{(\w+="(\\.|[^"\\])*",?)*\}|process_start_time_seconds) [0-9.e+-]+)$/;
    for (const line of page.trimEnd().split("\n")) expect(line).toMatch(sample);
  });

  it("has the start time of the engine's process, and another one after a restart", async () => {
    await sim.start();
    const startedAtS = await sim.sample("process_start_time_seconds ");
    expect(Math.abs(systemClock.wallMs() / 1_000 - startedAtS)).toBeLessThan(60);
    expect(await sim.sample("process_start_time_seconds ")).toBe(startedAtS);
    await systemClock.sleep(2);
    await sim.admin("POST", "/engines/engine-0/restart");
    expect(await sim.sample("process_start_time_seconds ")).toBeGreaterThan(startedAtS);
  });

  it("names the adapters of all requests in both lists, as vLLM V1 does", async () => {
    await sim.start({ adapters: ["a", "b"], settings: { loraSlotsMax: 1, stepBaseMs: 20 } });
    const controller = new AbortController();
    const running = await sim.longChat(controller.signal, { model: "a" });
    expect(running.status).toBe(200);
    const waiting = sim
      .longChat(controller.signal, { model: "b" })
      .catch((error: unknown) => error);
    await until(async () => {
      const page = await sim.metrics();
      return page.includes('waiting_lora_adapters="a,b",running_lora_adapters="a,b"}');
    });
    controller.abort();
    expect(await waiting).toMatchObject({ name: "AbortError" });
  });

  it("keeps a series for each set of adapters, the current one the newest", async () => {
    await sim.start({ adapters: ["a"] });
    await sim.metrics();
    const controller = new AbortController();
    const running = await sim.longChat(controller.signal, { model: "a" });
    expect(running.status).toBe(200);
    const page = await sim.metrics();
    const series = [
      ...page.matchAll(/^vllm:lora_requests_info.*running_lora_adapters="(.*)"\} (.*)$/gm),
    ];
    expect(series.map(([, names]) => names)).toEqual(["", "a"]);
    const [idle, busy] = series.map(([, , value]) => Number(value));
    expect(busy).toBeGreaterThan(idle ?? Number.NaN);
    controller.abort();
    await until(async () => {
      const after = await sim.metrics();
      const values = [...after.matchAll(/^vllm:lora_requests_info.* (.*)$/gm)].map(([, value]) =>
        Number(value),
      );
      return (values[0] ?? 0) > (values[1] ?? Infinity);
    });
  });
});
