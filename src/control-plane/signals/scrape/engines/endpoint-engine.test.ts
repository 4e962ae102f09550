import { describe, expect, it } from "vitest";
import { EndpointEngine } from "./endpoint-engine.ts";
import { type EngineMapping, emptyMapping, family } from "./mapping.ts";
import { type EngineChoice, engineChooser } from "./engine-choice.ts";

const mine: EngineMapping = { ...emptyMapping, name: "mine", waiting: [family("mine_waiting")] };

function engineOf(labels: Record<string, string> = {}, choice: EngineChoice = {}) {
  const engine = new EndpointEngine(engineChooser(choice), labels);
  const read = (...lines: readonly string[]) => {
    engine.parser.push(Buffer.from(`${lines.join("\n")}\n`));
    return engine.read(engine.parser.finish());
  };
  return { engine, read };
}

const vllmPage = ["vllm:num_requests_waiting 1", "vllm:num_requests_running 2"];
const sglangPage = ["sglang:num_queue_reqs 3", "sglang:num_running_reqs 4"];

describe("the engine of an endpoint", () => {
  it.each(["llm-d.ai/engine-type", "inference.networking.k8s.io/engine-type"])(
    "is the one that the label %s names, whatever else its page has",
    (label) => {
      const { read } = engineOf({ [label]: "sglang" });
      expect(read(...vllmPage, ...sglangPage)).toMatchObject({
        engine: "sglang",
        signals: { waitingRequests: 3 },
      });
    },
  );

  it("uses the document's own label first", () => {
    const labels = { kind: "vllm", "llm-d.ai/engine-type": "sglang" };
    const { read } = engineOf(labels, { engineLabel: "kind" });
    expect(read(...vllmPage, ...sglangPage)?.engine).toBe("vllm");
  });

  it.each([
    [vllmPage, "vllm"],
    [sglangPage, "sglang"],
    [["trtllm_num_requests_waiting 1"], "trtllm-serve"],
    [['nv_trt_llm_request_metrics{request_type="waiting"} 1'], "triton-tensorrt-llm"],
    [["nv_inference_pending_request_count 1"], "triton"],
    // A Triton with the TensorRT-LLM backend has both, and the second has more signals.
    [
      [
        "nv_inference_pending_request_count 1",
        'nv_trt_llm_request_metrics{request_type="waiting"} 1',
        'nv_trt_llm_request_metrics{request_type="scheduled"} 1',
      ],
      "triton-tensorrt-llm",
    ],
    [["mine_waiting 1"], "mine"],
  ])("is found by its metrics if no label names it: %j is %s", (page, name) => {
    expect(engineOf({}, { engines: [mine] }).read(...page)?.engine).toBe(name);
  });

  it("is found by its metrics if the label names an unknown one", () => {
    expect(engineOf({ "llm-d.ai/engine-type": "new" }).read(...sglangPage)?.engine).toBe("sglang");
  });

  it("is the default one if its metrics are there, even if others have more signals", () => {
    const { read } = engineOf({}, { engines: [mine], defaultEngine: "mine" });
    expect(read("mine_waiting 1", ...vllmPage)?.engine).toBe("mine");
  });

  it("reads the families of all engines until it is found, and then only its own", () => {
    const { engine, read } = engineOf();
    const searching = engine.parser;
    expect(read(...sglangPage)?.engine).toBe("sglang");
    expect(engine.parser).not.toBe(searching);
    expect(read(...vllmPage, ...sglangPage)?.engine).toBe("sglang");
  });

  it("is looked for again once its metrics are gone", () => {
    const { read } = engineOf();
    expect(read(...sglangPage)?.engine).toBe("sglang");
    expect(read(...vllmPage)).toBeUndefined();
    expect(read(...vllmPage)?.engine).toBe("vllm");
  });

  it("is not determined by signals that are not of the load", () => {
    const rss = { key: "rss", spec: family("process_resident_memory_bytes") };
    const { read } = engineOf(
      {},
      { engines: [{ ...mine, attributes: [rss] }], defaultEngine: "mine" },
    );
    expect(read("process_resident_memory_bytes 5")?.engine).toBe("mine");
    expect(read("process_resident_memory_bytes 5", ...sglangPage)?.engine).toBe("sglang");
  });

  it("is looked for again when its labels change", () => {
    const { engine, read } = engineOf({ "llm-d.ai/engine-type": "vllm" });
    expect(read(...vllmPage)?.engine).toBe("vllm");
    engine.relabel({});
    expect(read(...sglangPage)?.engine).toBe("sglang");
  });

  it("is undefined if a page has no load, even if it has the start of the process", () => {
    expect(engineOf().read("process_start_time_seconds 1.7e9")).toBeUndefined();
  });
});
