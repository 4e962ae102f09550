import { headerTable } from "../../core/headers.ts";
import type { HeaderValues, InferenceRequest } from "../../core/request.ts";

/** Headers that distinguish clients. A session is not one of them, since a client may have many. */
const identityHeaders = [
  headerTable.fairnessId.name,
  headerTable.fairnessId.olderName,
  "authorization",
  "x-api-key",
  "x-forwarded-for",
  "user-agent",
];
/** Characters of a header that are used. */
const lengthMax = 256;
const fnvOffset = 0x811c9dc5;
const fnvPrime = 0x01000193;

/**
 * A number for the client of a request; undefined if nothing identifies it. It does not reveal the
 * client.
 */
export function clientKeyOf(values: HeaderValues): number | undefined {
  let hash = fnvOffset;
  let isKnown = false;
  for (const name of identityHeaders) {
    const value = values.get(name);
    // Separates the headers, so that a value that moves to the next one is another client.
    hash = Math.imul(hash ^ 0xff, fnvPrime);
    if (value === undefined || value === "") continue;
    isKnown = true;
    // Each proxy on the way appends itself after the client.
    const comma = name === "x-forwarded-for" ? value.indexOf(",") : -1;
    const length = Math.min(lengthMax, comma === -1 ? value.length : comma);
    for (let index = 0; index < length; index += 1) {
      hash = Math.imul(hash ^ value.charCodeAt(index), fnvPrime);
    }
  }
  return isKnown ? hash >>> 0 : undefined;
}

/**
 * A number for a request by its client, model and size: the same request sent again has the same
 * one.
 */
export function kindKeyOf(
  { targetModel, bodyBytes, promptTokens }: InferenceRequest,
  client: number | undefined,
): number {
  let hash = fnvOffset;
  for (const part of [client ?? 0, bodyBytes, promptTokens])
    hash = Math.imul(hash ^ part, fnvPrime);
  const length = Math.min(lengthMax, targetModel.length);
  for (let index = 0; index < length; index += 1) {
    hash = Math.imul(hash ^ targetModel.charCodeAt(index), fnvPrime);
  }
  return hash >>> 0;
}
