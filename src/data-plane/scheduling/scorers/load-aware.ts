import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";
import { unknownScore } from "../shared/ranges.ts";

/** Score of an endpoint without waiting requests. Higher scores are reserved for signals that engines may add. */
const idleScore = 0.5;

const params = z.strictObject({
  threshold: z.int().min(1).default(128).meta({
    unit: "requests",
    description: "Number of waiting requests from which an endpoint scores 0.",
    tune: "Set it near the longest acceptable queue; if it is much higher, short queues score almost the same.",
  }),
});

/**
 * Prefers a short queue on a fixed scale, independent of the other candidates:
 *
 *     score = 0.5 x (1 - min(waiting, threshold) / threshold)
 *
 * Small differences between queues change the score little, unlike on a scale from the shortest to the longest queue.
 * The maximum is 0.5, so an unknown queue scores half of it, 0.25.
 */
export const loadAwareScorer = scorerPlugin({
  type: "load-aware-scorer",
  summary:
    "Prefers a short queue on a fixed scale: `0.5 x (1 - min(waiting, threshold) / threshold)`, so 0.5 for an empty queue, 0 from the threshold on and 0.25 if the queue is unknown. Unlike `queue-scorer`, it gives small differences little weight: a queue of 1 next to a queue of 0 does not outweigh a cached prompt.",
  params,
  signals: () => [loadSignalLabels.waitingRequests],
  create: ({ threshold }) => ({
    score: ({ load }, candidates, scores) => {
      const slots = slotsOf(candidates);
      const { waitingRequests } = load;
      for (let index = 0; index < slots.length; index += 1) {
        const waiting = waitingRequests[slots[index] ?? 0] ?? Number.NaN;
        const isKnown = waiting >= 0 && Number.isFinite(waiting);
        const room = isKnown ? 1 - Math.min(waiting, threshold) / threshold : unknownScore;
        scores[index] = idleScore * room;
      }
    },
  }),
});
