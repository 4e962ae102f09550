import { describe, expect, it } from "vitest";
import { renamedMetrics, withEngine } from "./renamed-metrics.ts";
import { vllm } from "./vllm.ts";

const none = {
  waiting: undefined,
  running: undefined,
  kvCacheUsed: undefined,
  adapters: undefined,
  cacheInfo: undefined,
};

describe("metrics that flags name", () => {
  it("describe nothing if none is named", () => {
    expect(renamedMetrics(none)).toEqual({ kind: "described", engine: undefined });
  });

  it("replace vLLM's own, with labels too, and an empty one switches a signal off", () => {
    const result = renamedMetrics({ ...none, waiting: "my:queue{rank=0}", adapters: "" });
    const waiting = [{ family: "my:queue", labels: { rank: "0" } }];
    expect(result).toEqual({
      kind: "described",
      engine: { ...vllm, waiting, adapters: [], off: ["adapters"], fallbacks: [vllm] },
    });
  });

  it("report which one is not a spec", () => {
    expect(renamedMetrics({ ...none, kvCacheUsed: "a b" })).toEqual({
      kind: "invalid",
      signal: "kvCacheUsed",
    });
  });

  it("apply if the document does not describe the same engine", () => {
    const other = { ...vllm, name: "other" };
    const renamed = { ...vllm, waiting: [] };
    expect(withEngine({ engines: [other], defaultEngine: "other" }, renamed)).toEqual({
      engines: [renamed, other],
      defaultEngine: "other",
    });
    expect(withEngine({ engines: [vllm] }, renamed)).toEqual({ engines: [vllm] });
    expect(withEngine(undefined, undefined)).toEqual({});
  });
});
