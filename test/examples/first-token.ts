import { z } from "zod";
import { dataPlanePlugin } from "../../src/core/data-plane-plugin.ts";
import type { MemoryKind } from "../../src/core/plugin-states.ts";
import { scoreLowest } from "../../src/data-plane/scheduling/shared/ranges.ts";

const params = z.strictObject({
  windowRequests: z.int().min(1).default(16).meta({
    unit: "requests",
    description: "Requests over which the usual time is an average.",
    tune: "Lower it if engines change their speed within minutes.",
  }),
});

/** Usual times to first token by slot, of which there are no more than endpoints the pool has had at once. */
class FirstTokenTimes {
  readonly #usualMs = new Map<number, number>();
  windowRequests: number;

  constructor(windowRequests: number) {
    this.windowRequests = windowRequests;
  }

  /** NaN for an endpoint that has not answered yet. */
  usualMs(slot: number): number {
    return this.#usualMs.get(slot) ?? Number.NaN;
  }

  add(slot: number, ms: number): void {
    const beforeMs = this.#usualMs.get(slot) ?? ms;
    this.#usualMs.set(slot, beforeMs + (ms - beforeMs) / this.windowRequests);
  }

  forget(slot: number): void {
    this.#usualMs.delete(slot);
  }
}

const firstTokenMemory: MemoryKind<FirstTokenTimes, { readonly windowRequests: number }> = {
  create: ({ windowRequests }) => new FirstTokenTimes(windowRequests),
  configure: (times, { windowRequests }) => (times.windowRequests = windowRequests),
  forget: (times, { slot }) => times.forget(slot),
};

/**
 * Prefers the endpoint whose first tokens usually come soonest:
 *
 *     usual = usual + (time - usual) / windowRequests   for each answer
 *     score = (max - usual) / (max - min)               over the candidates, 0.5 before the first answer
 */
export const firstTokenScorer = dataPlanePlugin({
  type: "first-token-scorer",
  kinds: ["scorer"],
  isOwn: true,
  summary:
    "Prefers the endpoint whose first tokens usually come soonest: `(max - usual) / (max - min)` over the candidates, where `usual` averages the time to first token; 0.5 before the first answer.",
  params,
  create: ({ windowRequests }, deps) => {
    const times = deps.memory(firstTokenMemory, { windowRequests });
    const usualMs = (slot: number) => times.usualMs(slot);
    return {
      scorer: {
        score: (_context, candidates, scores) => scoreLowest(usualMs, candidates, scores),
      },
      hooks: {
        sent: ({ context, decision }) => {
          const { id, slot } = decision.targets[0].endpoint;
          let servesItself = true;
          return {
            responseHead: ({ served }) => {
              servesItself = served === undefined || served.id === id;
              return undefined;
            },
            firstToken: (atMs) => {
              if (servesItself) times.add(slot, atMs - context.nowMs);
            },
          };
        },
      },
    };
  },
});
