import type { Endpoint } from "../../../../core/endpoint.ts";
import type { LoadSnapshot } from "../../../../core/load.ts";
import type { InferenceRequest, PromptPart } from "../../../../core/request.ts";
import { partTokensOf } from "../../../../core/token-estimate.ts";
import { hashSeed, hashText } from "../../../../std/text-hash.ts";

/** Milliseconds between two looks at the engines' requests. */
const lookMs = 100;
/** Weight of one look: about the last 2 s count. */
const lookWeight = 0.05;
/** Share of requests from elsewhere from which on the engines count as shared, and below which they no longer do. */
const sharedFrom = 0.15;
const sharedTo = 0.1;
/** Weight of one request in the share of later turns. */
const turnWeight = 0.02;
/** Weight of one answer in the share of a prompt that homes hold. */
const heldWeight = 0.05;
/** That share before any answer: if pickers began with doubt, their conversations would not go home. */
const heldPrior = 1;
/** Share of a prompt's computation that a home pays back, as a copy does. */
const payback = 0.8;

/** The endpoint where all pickers look for a conversation that they do not know. */
export interface Home {
  readonly slot: number;
  /** Tokens of the prompt that earlier requests had; 0 in the first request of a conversation. */
  readonly earlierTokens: number;
  readonly isFirst: boolean;
}

type RequestCounts = Pick<LoadSnapshot, "waitingRequests" | "runningRequests" | "inFlightRequests">;

interface HomeInputs {
  readonly load: RequestCounts;
  readonly promptTokens: number;
  readonly nowMs: number;
}

/**
 * Homes of conversations, on which pickers agree that share engines and do not talk.
 *
 * A picker sees only the turns of a conversation that it gets itself. If others send to the engines too, which their
 * counts of requests tell, every picker computes the same home from a conversation's opening: the endpoint with the
 * highest hash of both. Requests tend to go home, and are expected to find there a part of what earlier turns had. The
 * part is learned from answers.
 *
 * Without requests of others nothing has a home.
 */
export class SharedHomes {
  #othersShare = 0;
  #isShared = false;
  #laterShare = 0;
  #heldShare = heldPrior;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** The last candidates, and hashes of their ids in the same order. */
  #hashed: readonly Endpoint[] = [];
  #idHashes = new Int32Array(0);

  /** Share of the requests at the engines that this picker did not send. */
  get othersShare(): number {
    return this.#othersShare;
  }

  /** True if other pickers send to the engines too. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** Learned share of the earlier tokens of a prompt that its home holds. */
  get heldShare(): number {
    return this.#heldShare;
  }

  /** The home of a request's conversation; undefined if only this picker sends, or nothing tells the conversation. */
  homeOf(
    request: InferenceRequest,
    candidates: readonly Endpoint[],
    inputs: HomeInputs,
  ): Home | undefined {
    this.#look(candidates, inputs);
    const [parts = []] = request.prompts;
    const { openingParts } = request;
    if (!this.#isShared || openingParts === 0 || request.prompts.length !== 1) return undefined;
    const isFirst = parts.length <= openingParts;
    this.#laterShare += turnWeight * (Number(!isFirst) - this.#laterShare);
    const slot = this.#homeSlotOf(openingHashOf(request, parts.slice(0, openingParts)), candidates);
    if (slot === undefined) return undefined;
    const last = parts.at(-1);
    const earlierTokens =
      isFirst || last === undefined ? 0 : Math.max(0, inputs.promptTokens - partTokensOf(last));
    return { slot, earlierTokens, isFirst };
  }

  /** Tokens of a prompt that its home is expected to hold. */
  heldTokens({ earlierTokens }: Home): number {
    return this.#heldShare * earlierTokens;
  }

  /** Notes how much of the earlier tokens the home held, of a prompt that this picker did not know there. */
  noteHeld({ earlierTokens }: Home, cachedTokens: number): void {
    const share = Math.min(1, cachedTokens / Math.max(1, earlierTokens));
    this.#heldShare += heldWeight * (share - this.#heldShare);
  }

  /**
   * Tokens that a request costs in addition anywhere but at home: another picker sends a later turn home, where they are
   * computed again.
   *
   *     payback x (1 - (1 - others)^later turns) x held x uncached
   *
   * @param uncachedTokens those that its home would compute
   */
  awayTokens(uncachedTokens: number): number {
    const laterTurns = this.#laterShare / Math.max(turnWeight, 1 - this.#laterShare);
    const isSentHome = 1 - (1 - this.#othersShare) ** laterTurns;
    return payback * isSentHome * this.#heldShare * uncachedTokens;
  }

  /** Rendezvous hashing: an endpoint that comes or leaves moves only the conversations that it gets or had. */
  #homeSlotOf(opening: number, candidates: readonly Endpoint[]): number | undefined {
    if (candidates !== this.#hashed) {
      this.#hashed = candidates;
      this.#idHashes = Int32Array.from(candidates, ({ id }) => hashText(hashSeed, id));
    }
    const idHashes = this.#idHashes;
    let home = -1;
    let most = -1;
    const count = idHashes.length;
    for (let index = 0; index < count; index += 1) {
      const weight = scattered(opening ^ (idHashes[index] ?? 0));
      if (weight <= most) continue;
      most = weight;
      home = index;
    }
    return candidates[home]?.slot;
  }

  #look(candidates: readonly Endpoint[], { load, nowMs }: HomeInputs): void {
    if (nowMs - this.#lookedMs < lookMs) return;
    this.#lookedMs = nowMs;
    let [own, all] = [0, 0];
    for (const { slot } of candidates) {
      const told = (load.waitingRequests[slot] ?? 0) + (load.runningRequests[slot] ?? 0);
      // NaN without reports, which tell nothing of others.
      if (!(told >= 0)) continue;
      const ofOurs = load.inFlightRequests[slot] ?? 0;
      own += ofOurs;
      all += Math.max(told, ofOurs);
    }
    if (all === 0) return;
    this.#othersShare += lookWeight * ((all - own) / all - this.#othersShare);
    this.#isShared = this.#othersShare >= (this.#isShared ? sharedTo : sharedFrom);
  }
}

function openingHashOf(
  { targetModel, cacheSalt }: InferenceRequest,
  opening: readonly PromptPart[],
): number {
  let hash = hashText(hashText(hashSeed, targetModel), cacheSalt);
  for (const part of opening) {
    if (part.kind === "text") hash = hashText(hash, part.text);
    else if (part.kind === "media") hash = hashText(hash, part.reference);
  }
  return hash;
}

/** Spreads differences of the last bits over all. */
function scattered(hash: number): number {
  let value = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
