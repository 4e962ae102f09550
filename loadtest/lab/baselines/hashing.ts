import type { Endpoint } from "../../../src/core/endpoint.ts";
import type { Scorer } from "../../../src/core/data-plane-plugin.ts";
import type { LabView } from "../../../src/replay/lab/policy.ts";
import { mixed } from "../../../src/replay/lab/prompt-tree.ts";
import { chosen, inFlight } from "./least-cost.ts";

/** Tokens of the prompt that consistent hashing takes for its key: the 100 characters of KubeAI. */
const ringKeyTokens = 25;
const ringPlaces = 256;
/** How much more than the mean of requests an endpoint may have. */
const loadFactor = 1.25;

/** Tokens of the prompt that DualMap takes for its key: a system prompt and the beginning of what follows. */
const dualKeyTokens = 1_024;

/** Consistent hashing of the prompt's beginning; an endpoint with 1.25 times the mean of requests is passed over. */
export function boundedHash(view: LabView): Scorer {
  let ring: readonly { readonly at: number; readonly slot: number }[] | undefined;
  return chosen((candidates, context) => {
    ring ??= ringOf(context.endpoints);
    const bySlot = new Map(candidates.map((endpoint) => [endpoint.slot, endpoint]));
    const total = candidates.reduce((sum, endpoint) => sum + inFlight(endpoint, context), 0);
    const bound = ((total + 1) / candidates.length) * loadFactor;
    const key = keyOf(view, ringKeyTokens, context.request.targetModel);
    const start = ring.findIndex(({ at }) => at >= key);
    for (let step = 0; step < ring.length; step += 1) {
      const place = ring[(Math.max(0, start) + step) % ring.length];
      const endpoint = bySlot.get(place?.slot ?? -1);
      if (endpoint !== undefined && inFlight(endpoint, context) + 1 <= bound) return endpoint;
    }
    return candidates[0];
  });
}

/** The endpoint that the conversation hashes to, as if every client sent a key; load does not matter. */
export function sessionHash(view: LabView): Scorer {
  return chosen((candidates) => {
    const { conversation = 0 } = view.deciding() ?? {};
    return highest(candidates, mixed(0x51ab, conversation));
  });
}

/** DualMap: of the two endpoints that the prompt's beginning hashes to, the one with fewer requests. */
export function dualMap(view: LabView): Scorer {
  return chosen((candidates, context) => {
    const key = keyOf(view, dualKeyTokens, context.request.targetModel);
    const first = highest(candidates, mixed(1, key));
    const second = highest(
      candidates.filter((endpoint) => endpoint !== first),
      mixed(2, key),
    );
    if (first === undefined || second === undefined) return first;
    return inFlight(second, context) < inFlight(first, context) ? second : first;
  });
}

function keyOf({ deciding }: LabView, tokens: number, model: string): number {
  let key = deciding()?.prompt.beginningKey(tokens) ?? 0;
  for (let index = 0; index < model.length; index += 1) key = mixed(key, model.charCodeAt(index));
  return key;
}

/** Rendezvous hashing: of all endpoints the one whose hash with the key is the highest. */
function highest(candidates: readonly Endpoint[], key: number): Endpoint | undefined {
  let best: Endpoint | undefined;
  let bestHash = -1;
  for (const endpoint of candidates) {
    const hash = mixed(key, endpoint.slot + 1);
    if (hash <= bestHash) continue;
    best = endpoint;
    bestHash = hash;
  }
  return best;
}

function ringOf(endpoints: readonly Endpoint[]) {
  return endpoints
    .flatMap(({ slot }) =>
      Array.from({ length: ringPlaces }, (_, place) => ({
        at: mixed(mixed(0x1234, slot), place),
        slot,
      })),
    )
    .toSorted((a, b) => a.at - b.at);
}
