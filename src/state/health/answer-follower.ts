import { failureOfStatus } from "../../core/answer-failure.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { PrefixHit } from "../../core/decision.ts";
import type { RequestFollower, ResponseHead } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { answerKindsOf } from "./answer-kinds.ts";
import { clientKeyOf, kindKeyOf } from "./client-key.ts";
import type { EndpointHealth } from "./endpoint-health.ts";
import { wholeAnswerOf } from "./short-answers.ts";
import type { SentRequest, WatchedEnd } from "./watched-request.ts";

/** A proxy's time limit, not an engine's answer: it does not tell how long the work takes. */
const timeLimitStatus = 504;
/** Assumed prompt tokens if the work of a prompt is unknown: more than any usual prompt. */
const unknownTokens = 200_000;

/** Reports the answer to one request to its endpoint's health. */
export function healthFollower(
  health: EndpointHealth,
  endpoint: Endpoint,
  sent: {
    readonly request: InferenceRequest;
    /** Part of the prompt that the endpoint's cache is assumed to hold. */
    readonly prefixHit: PrefixHit | undefined;
    readonly nowMs: number;
  },
): RequestFollower {
  const request = sentRequestOf(sent.request, sent.prefixHit);
  // The record of a request has no prompt.
  const kinds = answerKindsOf(sent.request, sent.prefixHit);
  let watched = health.sent(endpoint, request, sent.nowMs);
  let isTokenSeen = false;
  let isServedAsPicked = true;
  return {
    responseHead(head, atMs) {
      const { httpStatus, servedBy, served, failedBefore, isEventStream, isUnreached } = head;
      // A rank reached through another port does not count under the picked address.
      if (servedBy !== undefined && served?.id !== endpoint.id) {
        isServedAsPicked = false;
        const isServed = failureOfStatus(httpStatus) === undefined;
        // Another endpoint serves the very same request, so the fault is not the request's.
        const blamed = isServed ? { ...request, client: undefined, kind: undefined } : request;
        tellFailed(health, failedBefore, { request: blamed, own: endpoint, atMs });
        if (failedBefore.includes(endpoint)) watched?.unreached(atMs);
        watched?.ended("given-up", atMs);
        // The time at which it was sent there is unknown, so its times are not used.
        const isStreaming = false;
        watched = served && health.sent(served, { ...request, isStreaming }, atMs);
      }
      const failure = failureOfStatus(httpStatus);
      if (isBusy(head)) watched?.busy(atMs, head.retryAfterMs);
      else if (failure?.blame !== "engine") watched?.answered(atMs, isEventStream);
      else if (isUnreached) watched?.unreached(atMs);
      else if (httpStatus !== timeLimitStatus) watched?.failed(atMs);
      isTokenSeen = isEventStream && failure === undefined;
      return undefined;
    },
    firstToken(atMs) {
      if (isTokenSeen) watched?.began(atMs);
    },
    ended(record) {
      watched?.ended(endOf(record), record.endedMs, record.usage?.cachedTokens);
      if (!isServedAsPicked) return;
      const answer = wholeAnswerOf(record, {
        kinds,
        client: request.client,
        isEventStream: isTokenSeen,
      });
      if (answer !== undefined) health.answered(endpoint, answer, record.endedMs);
    },
  };
}

/** True if the endpoint says that it takes no request now, or none of this client. */
function isBusy({ httpStatus, isUnreached, retryAfterMs }: ResponseHead): boolean {
  return !isUnreached && (httpStatus === 429 || (httpStatus === 503 && retryAfterMs !== undefined));
}

function tellFailed(
  health: EndpointHealth,
  failed: readonly Endpoint[],
  {
    request,
    own,
    atMs,
  }: { readonly request: SentRequest; readonly own: Endpoint; readonly atMs: number },
): void {
  for (const endpoint of failed) {
    if (endpoint === own) continue;
    const watched = health.sent(endpoint, { ...request, isStreaming: false }, atMs);
    watched?.unreached(atMs);
    watched?.ended("given-up", atMs);
  }
}

function endOf({ end, endedBy, failure, responseHeadMs, httpStatus }: RequestRecord): WatchedEnd {
  if (httpStatus === timeLimitStatus) return "given-up";
  if (failure?.blame === "engine" || endedBy === "engine") return "failed";
  if (end === "complete") return "complete";
  // If an engine breaks off before its head, the proxy answers; so here the client has left.
  return endedBy === "unknown" && responseHeadMs !== undefined ? "broken" : "given-up";
}

function sentRequestOf(request: InferenceRequest, prefixHit: PrefixHit | undefined): SentRequest {
  const { head, isStreaming, targetModel, promptTokens, prompts, dialect, bodyBytes } = request;
  const client = clientKeyOf(head.headers);
  const isMedia = prompts.some((prompt) => prompt.some(({ kind }) => kind === "media"));
  const isUnread = dialect === "passthrough" && bodyBytes > 0;
  const isUnknown = isMedia || isUnread;
  return {
    client,
    kind: kindKeyOf(request, client),
    isStreaming,
    model: targetModel,
    promptTokens,
    tokensMax: isUnknown ? Math.max(unknownTokens, promptTokens) : promptTokens,
    // Without an index of prefixes, the engine may have any prompt cached.
    tokensMin:
      isUnknown || prefixHit === undefined ? 0 : Math.max(0, promptTokens - prefixHit.tokens),
  };
}
