import type { AssignedBy } from "../../core/decision-record.ts";
import { fairnessIdOf } from "../../core/fairness-id.ts";
import { sessionHeaders, valueOf } from "../../core/headers.ts";
import type { InferenceRequest, PromptPart } from "../../core/request.ts";
import { hashNumber, hashText } from "../../std/text-hash.ts";

/** Parts of the opening that count; later ones rarely tell conversations apart. */
const partsMax = 8;

/**
 * A number in [0, 1) by the conversation of a request, the same in every replica: by the session that the client names, else
 * by the stored conversation, else by the opening of the prompt. Prompts without messages have no opening, and count whole, so
 * that the next prompt of such a conversation may have another number. `salt` makes another choice of conversations.
 */
export function conversationPlace(request: InferenceRequest, salt: number): number {
  const tenant = hashText(salt, fairnessIdOf(request));
  const session = sessionOf(request) || request.storedId;
  if (session !== "") return placeOf(hashText(tenant, session));
  const [prompt = noParts] = request.prompts;
  const count = Math.min(partsMax, request.openingParts || prompt.length);
  let hash = tenant;
  for (let index = 0; index < count; index += 1) {
    const part = prompt[index];
    if (part !== undefined) hash = hashPart(hash, part);
  }
  return placeOf(hash);
}

const noParts: readonly PromptPart[] = [];

/** The part of a request that `conversationPlace` reads besides the tenant. */
export function assignedBy(request: InferenceRequest): AssignedBy {
  if (sessionOf(request) !== "") return "session";
  if (request.storedId !== "") return "conversation";
  const [prompt = noParts] = request.prompts;
  if (prompt.length === 0) return "tenant";
  return request.openingParts > 0 ? "opening" : "prompt";
}

/** The same by the tenant. */
export function tenantPlace(request: InferenceRequest, salt: number): number {
  return placeOf(hashText(salt, fairnessIdOf(request)));
}

function sessionOf({ head, sessionKey }: InferenceRequest): string {
  for (const row of sessionHeaders) {
    const value = valueOf(head.headers, row);
    if (value !== undefined) return value;
  }
  return sessionKey;
}

function hashPart(hash: number, part: PromptPart): number {
  switch (part.kind) {
    case "text":
      return hashText(hash, part.text);
    case "media":
      return hashText(hash, part.reference);
    case "tokens": {
      let result = hashNumber(hash, part.tokenIds.length);
      for (const id of part.tokenIds.slice(0, 64)) result = hashNumber(result, id);
      for (const id of part.tokenIds.slice(-64)) result = hashNumber(result, id);
      return result;
    }
  }
}

/** Spreads a hash of which the low bits are better than the high ones. */
function placeOf(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}
