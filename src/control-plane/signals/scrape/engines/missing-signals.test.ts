import { describe, expect, it } from "vitest";
import { EndpointEngine } from "./endpoint-engine.ts";
import { type EngineMapping, family } from "./mapping.ts";
import { engineChooser } from "./engine-choice.ts";
import { renamedMetrics } from "./renamed-metrics.ts";
import { vllm } from "./vllm.ts";

const mine: EngineMapping = {
  ...vllm,
  name: "mine",
  waiting: [family("mine_waiting", { state: "queued" })],
  attributes: [{ key: "x/gpu", spec: family("mine_gpu") }],
  fallbacks: [vllm],
};

/** Reads pages of one engine; the last one determines the missing signals. */
function reading(name: string, pages: readonly (readonly string[])[]) {
  const engine = new EndpointEngine(engineChooser({ engines: [mine] }), {
    "llm-d.ai/engine-type": name,
  });
  const readings = pages.map((lines) => {
    engine.parser.push(Buffer.from(`${lines.join("\n")}\n`));
    return engine.read(engine.parser.finish());
  });
  return { signals: readings.at(-1)?.signals, missing: engine.missing };
}

const waiting = "vllm:num_requests_waiting 1";
const running = "vllm:num_requests_running 2";
const kvCache = "vllm:kv_cache_usage_perc 0.5";
const lora = 'vllm:lora_requests_info{max_lora="4",running_lora_adapters=""} 1';
const kvMissing = { signal: "kv-cache-used", family: "vllm:kv_cache_usage_perc" };

describe("the signals that a page lacks", () => {
  it.each<readonly [string, readonly string[], readonly object[]]>([
    ["none", [waiting, running, kvCache, lora], []],
    [
      "a metric that was renamed",
      ["vllm:queue_depth 1", running, kvCache, lora],
      [{ signal: "waiting-requests", family: "vllm:num_requests_waiting", reason: "absent" }],
    ],
    [
      "NaN",
      [waiting, running, "vllm:kv_cache_usage_perc NaN", lora],
      [{ ...kvMissing, reason: "not-a-number" }],
    ],
    [
      "infinity",
      [waiting, "vllm:num_requests_running +Inf", kvCache, lora],
      [{ signal: "running-requests", family: "vllm:num_requests_running", reason: "not-a-number" }],
    ],
    [
      "a negative number",
      ["vllm:num_requests_waiting -1", running, kvCache, lora],
      [{ signal: "waiting-requests", family: "vllm:num_requests_waiting", reason: "negative" }],
    ],
    [
      "a percentage",
      [waiting, running, "vllm:kv_cache_usage_perc 45", lora],
      [{ ...kvMissing, reason: "above-one" }],
    ],
    [
      "a percentage under the older name",
      [waiting, running, "vllm:gpu_cache_usage_perc 45", lora],
      [{ signal: "kv-cache-used", family: "vllm:gpu_cache_usage_perc", reason: "above-one" }],
    ],
    [
      "a line that cannot be read",
      ["vllm:num_requests_waiting{ 1", running, kvCache, lora],
      [{ signal: "waiting-requests", family: "vllm:num_requests_waiting", reason: "malformed" }],
    ],
    [
      "adapters",
      [waiting, running, kvCache],
      [{ signal: "adapters", family: "vllm:lora_requests_info", reason: "absent" }],
    ],
  ])("are named with the reason: %s", (_, lines, missing) => {
    expect(reading("vllm", [lines]).missing).toEqual(missing);
  });

  it("include those that no metric of the engine is known for", () => {
    const { missing } = reading("triton", [["nv_inference_pending_request_count 1"]]);
    expect(missing).toEqual(
      ["running-requests", "kv-cache-used", "adapters"].map((signal) => ({
        signal,
        family: "",
        reason: "unmapped",
      })),
    );
  });

  it("do not include those that were switched off", () => {
    const result = renamedMetrics({
      ...{ waiting: "", running: undefined, kvCacheUsed: undefined, adapters: "" },
      cacheInfo: undefined,
    });
    if (result.kind === "invalid" || result.engine === undefined) throw new Error("described");
    const engine = new EndpointEngine(engineChooser({ engines: [result.engine] }), {});
    engine.parser.push(Buffer.from(`${running}\n${kvCache}\n`));
    engine.read(engine.parser.finish());
    expect(engine.missing).toEqual([]);
  });

  it("include those that neither the named metric nor the built-in one has", () => {
    const built = reading("mine", [[waiting, running, kvCache, lora, "mine_gpu 1"]]);
    expect([built.signals?.waitingRequests, built.missing]).toEqual([1, []]);
    const none = reading("mine", [['mine_waiting{state="running"} 3', running, kvCache, lora]]);
    expect(none.missing).toEqual([
      { signal: "waiting-requests", family: "mine_waiting{state=queued}", reason: "absent" },
      { signal: "x/gpu", family: "mine_gpu", reason: "absent" },
    ]);
  });
});

describe("an engine that reports its KV cache in percent", () => {
  it("is not misread when a percentage looks like a ratio", () => {
    const pages = [45, 0.4].map((value) => [
      waiting,
      running,
      `vllm:kv_cache_usage_perc ${value}`,
      lora,
    ]);
    const { signals, missing } = reading("vllm", pages);
    expect(signals?.kvCacheUsedRatio).toBeUndefined();
    expect(missing).toEqual([{ ...kvMissing, reason: "above-one" }]);
  });

  it("may be another one after a restart", () => {
    const engine = new EndpointEngine(engineChooser({}), {});
    const read = (value: number) => {
      engine.parser.push(Buffer.from(`${waiting}\nvllm:kv_cache_usage_perc ${value}\n`));
      return engine.read(engine.parser.finish())?.signals.kvCacheUsedRatio;
    };
    expect(read(45)).toBeUndefined();
    engine.restarted();
    expect(read(0.4)).toBe(0.4);
  });

  it("is not an engine that once rounds up", () => {
    const pages = [1.5, 0.4].map((value) => [
      waiting,
      running,
      `vllm:kv_cache_usage_perc ${value}`,
      lora,
    ]);
    expect(reading("vllm", pages).signals?.kvCacheUsedRatio).toBe(0.4);
  });
});
