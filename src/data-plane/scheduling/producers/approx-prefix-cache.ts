import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { LoadSnapshot } from "../../../core/load.ts";
import type { RequestFollower, ResponseHead } from "../../../core/request-follower.ts";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { isFailedStatus } from "../shared/failed-status.ts";
import { isOnlyTokenized } from "../shared/only-tokenized.ts";
import { prefixCacheMemory, type PrefixLookUp } from "./prefix-index/prefix-cache.ts";
import type { AddedBlocks } from "./prefix-index/prefix-index.ts";

/** Minimum block size of the index, in tokens: smaller blocks cost memory without better matches. */
const blockTokensMin = 64;

const params = z
  .strictObject({
    autoTune: z.boolean().default(true).meta({
      description: "Takes block size and capacity of each endpoint from its metrics, if reported.",
      tune: "Set to false if engines do not report them and you set the two below.",
    }),
    blockSizeTokens: z.int().min(0).default(16).meta({
      unit: "tokens",
      description: "Block size in tokens if metrics do not report it; at least 64 is used.",
    }),
    maxPrefixTokensToMatch: z.int().min(0).default(131_072).meta({
      unit: "tokens",
      description: "Maximum prompt tokens to match; 0 for all.",
      tune: "Lower it to bound the time of a decision on long prompts.",
    }),
    lruCapacityPerServer: z.int().min(1).default(31_250).meta({
      unit: "blocks",
      description: "Capacity of an endpoint's cache in blocks if metrics do not report it.",
      tune: "Set it to the engine's KV-cache tokens divided by the block size.",
    }),
    maxPrefixBlocksToMatch: z.int().min(0).optional().meta({
      unit: "blocks",
      description: "Older form of maxPrefixTokensToMatch, which takes precedence; counts blocks.",
    }),
    blockSize: z.unknown().optional().meta({ description: "Older parameter without effect." }),
  })
  .refine(({ autoTune, blockSizeTokens }) => autoTune || blockSizeTokens > 0, {
    path: ["blockSizeTokens"],
    message: "must be above 0 if autoTune is off",
  });

/**
 * Estimates which leading blocks of a prompt each endpoint has cached, from the prompts that were sent to it.
 *
 * The capacity of an endpoint is that of its engine: block size times number of blocks, in tokens. A prompt that the
 * engine refused or failed is removed again.
 */
export const approxPrefixCacheProducer = dataPlanePlugin({
  type: "approx-prefix-cache-producer",
  kinds: ["data-producer"],
  produces: "prefix-match",
  summary:
    "Estimates how many leading blocks of a prompt each endpoint has cached, from the prompts that this picker has sent to it: a chain of xxh64 hashes over blocks of text, seeded with the model (or adapter) and the request's `cache_salt`. A match ends at the first missing block. Beyond an endpoint's KV-cache size (block size times blocks, from its metrics), the least recently used blocks are evicted. Endpoints may have different block sizes, and a request that the engine answers with an error leaves no blocks. Created automatically if another plugin needs it.",
  params,
  needs: () => [{ kind: "data", data: "prompt-tokens", producer: undefined, path: [] }],
  create: (options, deps) => {
    const cache = deps.memory(prefixCacheMemory);
    const sizing = sizingOf(options);
    return {
      producer: {
        produce: (context, candidates) => {
          const { request, load, nowMs } = context;
          if (request.prompts.length === 0 || isOnlyTokenized(request)) return undefined;
          return cache.lookUp({
            prompts: request.prompts,
            model: request.targetModel,
            cacheSalt: request.cacheSalt,
            promptTokensMax: sizing.promptTokensMax,
            candidates,
            blockTokensOf: (slot) => sizing.blockTokensOf(load, slot),
            sizedBy: { params: sizing, reported: load.blockTokens },
            nowMs,
            mayRepeat: context.mayRepeat === true,
          });
        },
      },
      hooks: {
        sent: ({ context, decision }) => {
          // The value under this name is what `produce` returned.
          const lookUp = context.data.get(deps.name) as PrefixLookUp | undefined;
          if (lookUp === undefined) return undefined;
          const { load } = context;
          const endpoints = [decision.targets[0].endpoint, ...decision.helpers] as const;
          return new AddedPrompts(lookUp, endpoints, (slot) => sizing.capacityBlocksOf(load, slot));
        },
      },
    };
  },
});

/** The blocks that a request added, until its response begins. A stream may last for minutes after that. */
class AddedPrompts implements RequestFollower {
  readonly #capacityBlocksOf: (slot: number) => number;
  readonly #pickedId: string;
  /** Undefined once the response has begun. */
  #lookUp: PrefixLookUp | undefined;
  #added: readonly AddedBlocks[];

  constructor(
    lookUp: PrefixLookUp,
    endpoints: readonly [Endpoint, ...Endpoint[]],
    capacityBlocksOf: (slot: number) => number,
  ) {
    this.#capacityBlocksOf = capacityBlocksOf;
    this.#pickedId = endpoints[0].id;
    this.#lookUp = lookUp;
    this.#added = endpoints.map(({ slot }) => lookUp.add(slot, capacityBlocksOf(slot)));
  }

  responseHead({ httpStatus, served }: ResponseHead): undefined {
    if (isFailedStatus(httpStatus)) {
      for (const blocks of this.#added) blocks.takeBack();
    } else if (served !== undefined && served.id !== this.#pickedId) {
      // The endpoint that served has computed the prompt, and the one that was picked has not.
      this.#added[0]?.takeBack();
      this.#lookUp?.add(served.slot, this.#capacityBlocksOf(served.slot));
    }
    this.#lookUp = undefined;
    this.#added = noBlocks;
  }
}

const noBlocks: readonly AddedBlocks[] = [];

interface Sizing {
  readonly promptTokensMax: number;
  readonly blockTokensOf: (load: LoadSnapshot, slot: number) => number;
  readonly capacityBlocksOf: (load: LoadSnapshot, slot: number) => number;
}

function sizingOf(options: z.infer<typeof params>): Sizing {
  const { autoTune, blockSizeTokens, lruCapacityPerServer, maxPrefixBlocksToMatch } = options;
  const configured = Math.max(blockTokensMin, blockSizeTokens);
  const blockTokensOf = (load: LoadSnapshot, slot: number) => {
    const reported = autoTune ? countIn(load.blockTokens[slot]) : undefined;
    return reported === undefined ? configured : Math.max(blockTokensMin, reported);
  };
  const isLimitInTokens =
    options.maxPrefixTokensToMatch > 0 || maxPrefixBlocksToMatch === undefined;
  return {
    promptTokensMax: isLimitInTokens
      ? options.maxPrefixTokensToMatch
      : maxPrefixBlocksToMatch * configured,
    blockTokensOf,
    capacityBlocksOf: (load, slot) => {
      const engineBlockTokens = autoTune ? countIn(load.blockTokens[slot]) : undefined;
      const engineBlocks = autoTune ? countIn(load.blocksMax[slot]) : undefined;
      if (engineBlockTokens === undefined || engineBlocks === undefined)
        return lruCapacityPerServer;
      const tokens = engineBlockTokens * engineBlocks;
      return Math.max(1, Math.floor(tokens / blockTokensOf(load, slot)));
    },
  };
}

function countIn(signal: number | undefined): number | undefined {
  return signal !== undefined && signal >= 1 && Number.isFinite(signal) ? signal : undefined;
}
