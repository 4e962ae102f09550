import { z } from "zod";
import type { AdapterState } from "../../../core/load.ts";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";

const loadedScore = 1;
const roomScore = 0.8;
const waitingScore = 0.6;
const noRoomScore = 0;

/**
 * Prefers endpoints that have the request's LoRA adapter, then endpoints with room for it.
 *
 * | the endpoint                                | score |
 * | ------------------------------------------- | ----- |
 * | has the adapter active                      | 1.0   |
 * | has fewer adapters than it can hold         | 0.8   |
 * | is full, the adapter waits to be loaded     | 0.6   |
 * | is full of others, or reports no adapters   | 0.0   |
 *
 * An adapter that is both active and waiting takes one place: vLLM V1 lists all adapters of its requests as both. A
 * request for the base model names no listed adapter, so only free places count for it.
 */
export const loraAffinityScorer = scorerPlugin({
  type: "lora-affinity-scorer",
  summary:
    "Prefers engines that have the request's adapter: 1 if it is active, 0.8 if the engine has room for another, 0.6 if it is full and the adapter waits there, 0 if it is full of others or reports no adapters. An adapter that is both active and waiting takes one slot. The adapter is the model the engine is asked for; for a base model only free adapter slots count.",
  params: z.strictObject({}),
  readsModel: true,
  signals: () => ["adapters"],
  create: () => ({
    score: ({ request, load }, candidates, scores) => {
      const slots = slotsOf(candidates);
      const { adapters } = load;
      for (let index = 0; index < slots.length; index += 1) {
        scores[index] = scoreOf(adapters[slots[index] ?? 0], request.targetModel);
      }
    },
  }),
});

function scoreOf(adapters: AdapterState | undefined, model: string): number {
  if (adapters === undefined) return noRoomScore;
  if (adapters.active.has(model)) return loadedScore;
  if (adapterCountOf(adapters) < adapters.adaptersMax) return roomScore;
  return adapters.waiting.has(model) ? waitingScore : noRoomScore;
}

/** Number of adapters that have a place in the engine or will need one. */
function adapterCountOf({ active, waiting }: AdapterState): number {
  let count = active.size;
  for (const adapter of waiting) if (!active.has(adapter)) count += 1;
  return count;
}
