import { describe, expect, it } from "vitest";
import { PrometheusTextParser } from "../exposition/prometheus-text.ts";
import { WantedFamilies } from "../exposition/wanted-families.ts";
import { familiesOf, signalsOf } from "./mapping.ts";
import { sglang } from "./sglang.ts";

function signalsIn(...lines: readonly string[]) {
  const parser = new PrometheusTextParser(new WantedFamilies(familiesOf(sglang)));
  parser.push(Buffer.from(`${lines.join("\n")}\n`));
  return signalsOf(sglang, parser.finish().families);
}

describe("the SGLang engine", () => {
  it("adds up the ranks of DP attention, no two of which have the same tp_rank", () => {
    // 8 GPUs, 4 data-parallel ranks: the first worker of each has tp_rank 0, 2, 4, 6.
    const lines = [0, 1, 2, 3].flatMap((rank) => {
      const labels = `dp_rank="${rank}",moe_ep_rank="${2 * rank}",pp_rank="0",tp_rank="${2 * rank}"`;
      return [
        `sglang:num_queue_reqs{${labels}} ${rank + 1}`,
        `sglang:num_running_reqs{${labels}} 10`,
        `sglang:token_usage{${labels}} ${rank / 4}`,
      ];
    });
    // 1 + 2 + 3 + 4, 4 x 10, (0 + 0.25 + 0.5 + 0.75) / 4
    expect(signalsIn(...lines)).toMatchObject({
      waitingRequests: 10,
      runningRequests: 40,
      kvCacheUsedRatio: 0.375,
    });
  });

  it("counts the queue of several workers once, by the lowest rank, whatever their order", () => {
    const lines = ["1,0", "0,1", "0,0", "1,1"].map((ranks, index) => {
      const [tp, pp] = ranks.split(",");
      return `sglang:num_queue_reqs{model_name="m",pp_rank="${pp}",tp_rank="${tp}"} ${index}`;
    });
    // The third line is of tp_rank 0 and pp_rank 0.
    expect(signalsIn(...lines).waitingRequests).toBe(2);
    expect(signalsIn(...lines.toReversed()).waitingRequests).toBe(2);
  });

  it("uses the total and not its parts if it reports each priority", () => {
    const signals = signalsIn(
      'sglang:num_queue_reqs{priority="",tp_rank="0"} 7',
      'sglang:num_queue_reqs{priority="0",tp_rank="0"} 4',
      'sglang:num_queue_reqs{priority="5",tp_rank="0"} 3',
      'sglang:num_running_reqs{priority="",tp_rank="0"} 20',
      'sglang:num_running_reqs{priority="0",tp_rank="0"} 20',
    );
    expect(signals).toMatchObject({ waitingRequests: 7, runningRequests: 20 });
  });

  it("reads pages and their size from gauges, or from the labels of older versions", () => {
    const info = 'sglang:cache_config_info{page_size="16",num_pages="500"} 1';
    expect(signalsIn(info)).toMatchObject({ blockTokens: 16, blocksMax: 500 });
    const gauges = ['sglang:page_size{tp_rank="0"} 64', 'sglang:num_pages{tp_rank="0"} 1000'];
    expect(signalsIn(...gauges, info)).toMatchObject({ blockTokens: 64, blocksMax: 1_000 });
  });
});
