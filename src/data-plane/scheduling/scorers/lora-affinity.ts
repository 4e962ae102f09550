import { z } from "zod";
import type { AdapterState } from "../../../core/load.ts";
import { scorerPlugin } from "../../plugin.ts";

const loadedScore = 1;
const roomScore = 0.8;
const waitingScore = 0.6;
const noRoomScore = 0;

/**
 * Prefers endpoints that have the request's LoRA adapter, then those with room for it.
 *
 * | the endpoint                                | score |
 * | ------------------------------------------- | ----- |
 * | has the adapter active                      | 1.0   |
 * | has fewer adapters than it can hold         | 0.8   |
 * | is full, the adapter waits to be loaded     | 0.6   |
 * | is full of others, or reports no adapters   | 0.0   |
 *
 * A base-model request names no adapter that an engine lists, so it scores by room alone.
 */
export const loraAffinityScorer = scorerPlugin({
  type: "lora-affinity-scorer",
  summary:
    "Prefers engines that have the request's adapter: 1 if it is active, 0.8 if the engine has room for another, 0.6 if it is full and the adapter waits there, 0 if it is full of others or reports no adapters. The adapter is the model the engine is asked for; a base model scores by room alone.",
  params: z.strictObject({}),
  readsModel: true,
  signals: () => ["adapters"],
  create: () => ({
    score: ({ request, load }, candidates, scores) => {
      for (const [index, { slot }] of candidates.entries()) {
        scores[index] = scoreOf(load.adapters[slot], request.targetModel);
      }
    },
  }),
});

function scoreOf(adapters: AdapterState | undefined, model: string): number {
  if (adapters === undefined) return noRoomScore;
  if (adapters.active.has(model)) return loadedScore;
  if (adapters.active.size + adapters.waiting.size < adapters.adaptersMax) return roomScore;
  return adapters.waiting.has(model) ? waitingScore : noRoomScore;
}
