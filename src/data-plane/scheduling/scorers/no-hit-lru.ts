import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import { dataPlanePlugin, type SchedulingContext } from "../../../core/data-plane-plugin.ts";
import { dataOfNamed } from "../../../core/plugin.ts";
import type { MemoryKind } from "../../../core/plugin-states.ts";
import { recalled } from "../../../core/recalls.ts";
import { unknownScore } from "../shared/ranges.ts";

const unusedParameter = z.string().optional().meta({
  description: "Accepted but has no effect.",
});

const params = z.strictObject({
  lruSize: z.int().min(1).default(1_024).meta({
    unit: "endpoints",
    description: "Number of endpoints whose last use is remembered.",
    tune: "Keep it at or above the size of the pool: a forgotten endpoint counts as never used.",
  }),
  prefixMatchInfoProducerName: z.string().optional().meta({
    description: "Producer of prefix matches; default approx-prefix-cache-producer.",
  }),
  prefixPluginType: unusedParameter,
  prefixPluginName: unusedParameter,
});

/**
 * Sends a prompt that no candidate has cached more of than the others to the endpoint that got such a prompt longest
 * ago, so that caches fill evenly:
 *
 *     score = 0.5                    for all, if one has more of the prompt cached than all share
 *     score = 1 - rank / (n - 1)     else, with n candidates; 1 for a single one
 *
 * Endpoints that never got such a prompt rank first, in the order of their slots; the others follow, least recently
 * used first.
 *
 * Blocks that all candidates hold do not count as a hit: otherwise a system prompt that every request has would make
 * every request a hit, and every score 0.5.
 */
export const noHitLruScorer = dataPlanePlugin({
  type: "no-hit-lru-scorer",
  kinds: ["scorer"],
  summary:
    "Spreads prompts that are cached nowhere. With `n` candidates, the endpoint that got such a prompt longest ago scores 1, the next `1 - 1/(n - 1)`, and so on down to 0; endpoints that never got one come first. If some candidate has at least one block of the prompt more than all share, every score is 0.5 and `prefix-cache-scorer` decides. Use both together: new conversations then fill all caches evenly instead of following small differences in load.",
  params,
  needs: ({ prefixMatchInfoProducerName }) => [
    dataOfNamed("prefix-match", prefixMatchInfoProducerName, "prefixMatchInfoProducerName"),
  ],
  create: ({ lruSize, prefixMatchInfoProducerName }, deps) => {
    const matchOf = deps.reader("prefix-match", prefixMatchInfoProducerName);
    const recent = deps.memory(recentEndpointsMemory, { endpointsMax: lruSize });
    const ranking = new Ranking();
    // A request counts if it had no hit in at least one profile.
    const coldRequests = new WeakSet<SchedulingContext>();
    return {
      scorer: {
        score: (context, candidates, scores) => {
          if (hasHit(matchOf(context), candidates)) {
            scores.fill(unknownScore, 0, candidates.length);
            return;
          }
          coldRequests.add(context);
          // A copy for a record, because the memory changes.
          const ids = recalled(context, deps.name, () =>
            context.recalls === undefined ? recent.ids : [...recent.ids],
          );
          ranking.write(ids, candidates, scores);
          const lastRank = candidates.length - 1;
          for (let index = 0; index <= lastRank; index += 1) {
            scores[index] = lastRank === 0 ? 1 : 1 - (scores[index] ?? 0) / lastRank;
          }
        },
      },
      hooks: {
        sent: ({ context, decision }) => {
          if (!coldRequests.has(context)) return undefined;
          for (const { id } of [decision.targets[0].endpoint, ...decision.helpers]) recent.use(id);
          return undefined;
        },
      },
    };
  },
});

/** True if a candidate holds at least one block more of the prompt than the candidate that holds least. */
function hasHit(match: PrefixMatch | undefined, candidates: readonly Endpoint[]): boolean {
  if (match === undefined) return false;
  let [least, most, blockTokensMax] = [Number.POSITIVE_INFINITY, 0, 0];
  for (const { slot } of candidates) {
    const blockTokens = match.blockTokens(slot);
    const tokens = match.matchedBlocks(slot) * blockTokens;
    if (tokens < least) least = tokens;
    if (tokens > most) most = tokens;
    if (blockTokens > blockTokensMax) blockTokensMax = blockTokens;
  }
  // Blocks of different sizes end at different places of the same prefix, less than one block apart.
  return most > least && most - least >= blockTokensMax;
}

/** Ranks candidates by their last use; its buffers are reused across decisions. */
class Ranking {
  readonly #indexOf = new Map<string, number>();
  #indexAtSlot = new Int32Array(64);

  /** Writes the rank of each candidate to `ranks`, in candidate order: unused ones first by slot, then by last use. */
  write(ids: Iterable<string>, candidates: readonly Endpoint[], ranks: Float64Array): void {
    for (const [index, { id }] of candidates.entries()) this.#indexOf.set(id, index);
    ranks.fill(-1, 0, candidates.length);
    let usedCount = 0;
    for (const id of ids) {
      const index = this.#indexOf.get(id);
      if (index === undefined) continue;
      ranks[index] = usedCount;
      usedCount += 1;
    }
    this.#indexOf.clear();
    this.#shiftUsed(candidates, ranks, candidates.length - usedCount);
  }

  /** Ranks the unused candidates before the others. */
  #shiftUsed(candidates: readonly Endpoint[], ranks: Float64Array, unusedCount: number): void {
    let slotCount = 0;
    for (const { slot } of candidates) slotCount = Math.max(slotCount, slot + 1);
    if (slotCount > this.#indexAtSlot.length) this.#indexAtSlot = new Int32Array(slotCount * 2);
    const indexAtSlot = this.#indexAtSlot.fill(-1, 0, slotCount);
    for (const [index, { slot }] of candidates.entries()) {
      const rank = ranks[index] ?? -1;
      if (rank >= 0) ranks[index] = unusedCount + rank;
      else indexAtSlot[slot] = index;
    }
    let rank = 0;
    for (let slot = 0; slot < slotCount; slot += 1) {
      const index = indexAtSlot[slot] ?? -1;
      if (index === -1) continue;
      ranks[index] = rank;
      rank += 1;
    }
  }
}

/** Endpoints by their last use, least recently used first: the order of the set. */
class RecentEndpoints {
  readonly #ids = new Set<string>();
  endpointsMax: number;

  constructor(endpointsMax: number) {
    this.endpointsMax = endpointsMax;
  }

  get ids(): Iterable<string> {
    return this.#ids;
  }

  use(endpointId: string): void {
    this.#ids.delete(endpointId);
    this.#ids.add(endpointId);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= this.endpointsMax) return;
      this.#ids.delete(oldest);
    }
  }

  forget(endpointId: string): void {
    this.#ids.delete(endpointId);
  }
}

export const recentEndpointsMemory: MemoryKind<RecentEndpoints, { readonly endpointsMax: number }> =
  {
    create: ({ endpointsMax }) => new RecentEndpoints(endpointsMax),
    configure: (recent, { endpointsMax }) => (recent.endpointsMax = endpointsMax),
    forget: (recent, { id }) => recent.forget(id),
  };
