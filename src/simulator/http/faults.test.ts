import { afterEach, describe, expect, it } from "vitest";
import { SimulatorFixture, until } from "#test/support/simulator-fixture.ts";

const sim = new SimulatorFixture();

afterEach(() => sim.stop());

describe("faults", () => {
  it("answers the configured share of requests with status 500", async () => {
    await sim.start({ settings: { errorRatio: 0.5 } });
    const statuses = await Promise.all(
      Array.from({ length: 60 }, async () => (await sim.chat()).status),
    );
    const failed = statuses.filter((status) => status === 500).length;
    // 60 draws at one half: 30, and outside of 15 to 45 once in 10,000 seeds.
    expect(failed).toBeGreaterThan(15);
    expect(failed).toBeLessThan(45);
    expect(await sim.state()).toMatchObject({ endedRequests: { error: failed } });
  });

  it("answers with the configured status", async () => {
    await sim.start({ settings: { errorRatio: 1, errorStatus: 503 } });
    const response = await sim.chat();
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { error: { type: "ServiceUnavailableError", code: 503 } },
    ]);
  });

  it("resets the connections of requests, and of nothing else", async () => {
    await sim.start({ settings: { reset: true } });
    await expect(sim.chat()).rejects.toMatchObject({ cause: { code: "ECONNRESET" } });
    expect((await sim.get("/health")).status).toBe(200);
  });

  it.each([true, false])("reports errors under status 200 (stream: %s)", async (stream) => {
    await sim.start({ settings: { errorEventRatio: 1 } });
    const response = await sim.chat({ stream });
    const error = {
      message: "Injected failure.",
      type: "InternalServerError",
      param: null,
      code: 500,
    };
    const body = JSON.stringify({ error });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(stream ? `data: ${body}\n\ndata: [DONE]\n\n` : body);
    expect(await sim.state()).toMatchObject({ endedRequests: { error: 1 } });
  });

  it("refuses connections and accepts them again on the same port", async () => {
    await sim.start();
    await sim.admin("PATCH", "/engines/engine-0", { refuse: true });
    await expect(sim.get("/health")).rejects.toMatchObject({
      cause: { code: "ECONNREFUSED" },
    });
    await sim.admin("PATCH", "/engines/engine-0", { refuse: false });
    expect((await sim.get("/health")).status).toBe(200);
  });

  it("hangs without an answer while its metrics continue", async () => {
    await sim.start({ settings: { hang: true } });
    const signal = AbortSignal.timeout(100);
    await expect(sim.get("/health", { signal })).rejects.toThrow(/timeout/);
    expect((await sim.get("/metrics")).status).toBe(200);
  });

  it("counts the clients it leaves without an answer, until they leave", async () => {
    await sim.start({ settings: { hang: true } });
    const controller = new AbortController();
    const hanging = sim.chat({}, { signal: controller.signal }).catch((error: unknown) => error);
    const hangs = async (count: number) =>
      JSON.stringify(await sim.state()).includes(`"hangingRequests":${count},`);
    await until(() => hangs(1));
    controller.abort();
    expect(await hanging).toMatchObject({ name: "AbortError" });
    await until(() => hangs(0));
  });

  it("cuts a stream off after the configured number of tokens", async () => {
    await sim.start({ settings: { dieAfterTokens: 2 } });
    const response = await sim.chat({ stream: true });
    let text = "";
    const decoder = new TextDecoder();
    const reading = (async () => {
      for await (const chunk of response.body ?? []) text += decoder.decode(chunk);
    })();
    await expect(reading).rejects.toThrow(/terminated/);
    expect(text).toContain(" signal");
    expect(text).not.toContain(" turns");
    await until(async () => (await sim.sample("vllm:num_requests_running")) === 0);
  });

  it("freezes the metrics and thaws them", async () => {
    await sim.start();
    await sim.admin("PATCH", "/engines", { staleMetrics: true });
    await (await sim.chat()).text();
    expect(await sim.sample("vllm:generation_tokens_total{")).toBe(0);
    await sim.admin("PATCH", "/engines", { staleMetrics: false });
    expect(await sim.sample("vllm:generation_tokens_total{")).toBe(4);
  });

  it("reports zeros while requests run", async () => {
    await sim.start();
    await (await sim.chat()).text();
    const startedAtS = await sim.sample("process_start_time_seconds ");
    await sim.admin("PATCH", "/engines", { metricsZeros: true });
    const controller = new AbortController();
    const running = await sim.longChat(controller.signal);
    expect(await sim.sample("vllm:num_requests_running{")).toBe(0);
    expect(await sim.sample("vllm:kv_cache_usage_perc{")).toBe(0);
    expect(await sim.sample("vllm:generation_tokens_total{")).toBe(0);
    expect(await sim.sample("vllm:time_to_first_token_seconds_count{")).toBe(0);
    // The same process still serves the same model with the same cache.
    expect(await sim.sample("process_start_time_seconds ")).toBe(startedAtS);
    expect(await sim.metrics()).toContain('num_gpu_blocks="25000"');
    await sim.admin("PATCH", "/engines", { metricsZeros: false });
    expect(await sim.sample("vllm:num_requests_running{")).toBe(1);
    controller.abort();
    await expect(running.text()).rejects.toThrow(/abort/);
  });

  it("gives garbage or nothing for metrics", async () => {
    await sim.start({ settings: { metricsGarbage: true } });
    expect(await sim.metrics()).toContain("NaN NaN");
    await sim.admin("PATCH", "/engines", { metricsHang: true });
    const signal = AbortSignal.timeout(100);
    await expect(sim.get("/metrics", { signal })).rejects.toThrow(/timeout/);
  });
});
