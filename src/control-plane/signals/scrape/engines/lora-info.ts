import type { AdapterState } from "../../../../core/load.ts";
import type { Sample } from "../exposition/sample-line.ts";
import { countIn } from "./series.ts";

/**
 * LoRA adapters as vLLM reports them. Only the newest series counts: its value is the time of its
 * update.
 *
 * Engines up to early V1 separate the adapters of running and of waiting requests. Later V1 fills
 * both labels with the adapters of all its requests (`LoRARequestStates` in
 * vllm/v1/metrics/stats.py), so an adapter may be in both.
 */
export function adapterStateOf(series: readonly Sample[] = []): AdapterState | undefined {
  let newest: Sample | undefined;
  for (const sample of series) {
    if (sample.value > (newest?.value ?? -Infinity)) newest = sample;
  }
  const adaptersMax = countIn(newest?.labels["max_lora"]);
  if (newest === undefined || adaptersMax === undefined) return undefined;
  return {
    active: namesIn(newest.labels["running_lora_adapters"]),
    waiting: namesIn(newest.labels["waiting_lora_adapters"]),
    adaptersMax,
  };
}

function namesIn(list = ""): ReadonlySet<string> {
  const names = list.split(",").map((name) => name.trim());
  return new Set(names.filter((name) => name !== ""));
}
