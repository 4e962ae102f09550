import { describe, expect, it } from "vitest";
import { PrometheusTextParser } from "../exposition/prometheus-text.ts";
import { WantedFamilies } from "../exposition/wanted-families.ts";
import {
  type EngineMapping,
  familiesOf,
  newestSpecsOf,
  signalsOf as signalsIn,
} from "./mapping.ts";
import { vllm } from "./vllm.ts";

function familiesIn(mapping: EngineMapping, lines: readonly string[]) {
  const families = new WantedFamilies(familiesOf(mapping));
  const parser = new PrometheusTextParser(families, newestSpecsOf([mapping]));
  parser.push(Buffer.from(`${lines.join("\n")}\n`));
  return parser.finish().families;
}

function signalsOf(...lines: readonly string[]) {
  return signalsIn(vllm, familiesIn(vllm, lines));
}

const lora = (fields: string, updatedAt: string) =>
  `vllm:lora_requests_info{${fields}} ${updatedAt}`;

describe("the vLLM engine", () => {
  it("reads a server with one engine", () => {
    const signals = signalsOf(
      'vllm:num_requests_running{engine="0",model_name="m"} 37.0',
      'vllm:num_requests_waiting{engine="0",model_name="m"} 4.0',
      'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25',
      'vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="27389"} 1.0',
      lora('max_lora="4",running_lora_adapters="a, b",waiting_lora_adapters="c"', "1.7e9"),
    );
    expect(signals).toEqual({
      waitingRequests: 4,
      runningRequests: 37,
      kvCacheUsedRatio: 0.25,
      blockTokens: 16,
      blocksMax: 27_389,
      startedAtSeconds: undefined,
      adapters: { active: new Set(["a", "b"]), waiting: new Set(["c"]), adaptersMax: 4 },
      attributes: new Map(),
    });
  });

  it("adds up the requests of several engines and averages their KV cache use", () => {
    const signals = signalsOf(
      'vllm:num_requests_running{engine="0"} 3',
      'vllm:num_requests_running{engine="1"} 4',
      'vllm:num_requests_waiting{engine="0"} 0',
      'vllm:num_requests_waiting{engine="1"} 5',
      'vllm:kv_cache_usage_perc{engine="0"} 0.25',
      'vllm:kv_cache_usage_perc{engine="1"} 0.75',
      'vllm:cache_config_info{block_size="16",num_gpu_blocks="100"} 1',
      'vllm:cache_config_info{block_size="32",num_gpu_blocks="200"} 1',
    );
    // 3 + 4, 0 + 5, (0.25 + 0.75) / 2, and the first cache configuration.
    expect(signals).toMatchObject({
      runningRequests: 7,
      waitingRequests: 5,
      kvCacheUsedRatio: 0.5,
      blockTokens: 16,
      blocksMax: 100,
    });
  });

  it("has no signal for missing families", () => {
    expect(signalsOf("other 1")).toEqual({
      waitingRequests: undefined,
      runningRequests: undefined,
      kvCacheUsedRatio: undefined,
      blockTokens: undefined,
      blocksMax: undefined,
      startedAtSeconds: undefined,
      adapters: undefined,
      attributes: new Map(),
    });
  });

  it.each(["NaN", "+Inf", "-1"])("treats %s requests as unknown, alone or in a sum", (value) => {
    const one = "vllm:num_requests_waiting 1";
    const bad = `vllm:num_requests_waiting{engine="1"} ${value}`;
    expect(signalsOf(bad).waitingRequests).toBeUndefined();
    expect(signalsOf(one, bad).waitingRequests).toBeUndefined();
  });

  it.each([
    ["0", 0],
    ["1", 1],
    // A rounding error counts as full.
    ["1.0005", 1],
    ["1.01", undefined],
    ["-0.1", undefined],
    ["NaN", undefined],
    ["62.5", undefined],
  ])("reads a KV cache use of %s as %s", (written, ratio) => {
    expect(signalsOf(`vllm:kv_cache_usage_perc ${written}`).kvCacheUsedRatio).toBe(ratio);
  });

  it.each(["None", "", "0", "-1", "1.5", "1e3"])(
    "treats a block count of %j as unknown",
    (count) => {
      const { blockTokens, blocksMax } = signalsOf(
        `vllm:cache_config_info{block_size="16",num_gpu_blocks="${count}"} 1`,
      );
      expect([blockTokens, blocksMax]).toEqual([16, undefined]);
    },
  );

  it("takes the adapters from the series updated last, whatever their order", () => {
    const old = lora('max_lora="4",running_lora_adapters="old",waiting_lora_adapters=""', "1e9");
    const latest = lora(
      'max_lora="4",running_lora_adapters="",waiting_lora_adapters=" , w,"',
      "2e9",
    );
    const broken = lora('max_lora="4",running_lora_adapters="nan"', "NaN");
    const expected = { active: new Set(), waiting: new Set(["w"]), adaptersMax: 4 };
    expect(signalsOf(old, latest, broken).adapters).toEqual(expected);
    expect(signalsOf(broken, latest, old).adapters).toEqual(expected);
  });

  it("takes the newest of 20,000 sets of adapters, wherever it is", () => {
    const sets = Array.from({ length: 20_000 }, (_, index) =>
      lora(
        `max_lora="4",running_lora_adapters="a-${index}",waiting_lora_adapters=""`,
        `1.${index}e9`,
      ),
    );
    const newest = lora('max_lora="4",running_lora_adapters="now",waiting_lora_adapters=""', "2e9");
    for (const at of [0, 9_999, 20_000]) {
      const { adapters } = signalsOf(...sets.toSpliced(at, 0, newest));
      expect(adapters).toEqual({ active: new Set(["now"]), waiting: new Set(), adaptersMax: 4 });
    }
  });

  it("takes the newest set of adapters among the series that a spec selects", () => {
    const labels = { pod: "a" };
    const spec = { family: "vllm:lora_requests_info", labels };
    const { adapters } = signalsIn(
      { ...vllm, adapters: [spec] },
      familiesIn({ ...vllm, adapters: [spec] }, [
        lora('max_lora="4",pod="a",running_lora_adapters="old"', "1e9"),
        lora('max_lora="4",pod="a",running_lora_adapters="newest-of-a"', "2e9"),
        lora('max_lora="4",pod="b",running_lora_adapters="newest"', "3e9"),
      ]),
    );
    expect(adapters?.active).toEqual(new Set(["newest-of-a"]));
  });

  it("reads the family of adapters whole if another signal needs it", () => {
    const attributes = [
      { key: "lora/updated", spec: { family: "vllm:lora_requests_info", labels: {} } },
    ];
    const mapping = { ...vllm, attributes };
    const lines = [
      lora('max_lora="4",running_lora_adapters="old"', "1"),
      lora('max_lora="4",running_lora_adapters="new"', "3"),
    ];
    const signals = signalsIn(mapping, familiesIn(mapping, lines));
    expect(signals.adapters?.active).toEqual(new Set(["new"]));
    // (1 + 3) / 2
    expect(signals.attributes).toEqual(new Map([["lora/updated", 2]]));
  });

  it("lists an adapter once however often the engine names it", () => {
    const names = 'running_lora_adapters="a, a,b",waiting_lora_adapters="b,a,"';
    expect(signalsOf(lora(`max_lora="4",${names}`, "1e9")).adapters).toEqual({
      active: new Set(["a", "b"]),
      waiting: new Set(["b", "a"]),
      adaptersMax: 4,
    });
  });

  it("has no adapters if the engine does not report its maximum", () => {
    expect(signalsOf(lora('running_lora_adapters="a"', "1")).adapters).toBeUndefined();
    expect(signalsOf(lora('max_lora="x",running_lora_adapters="a"', "1")).adapters).toBeUndefined();
  });
});
