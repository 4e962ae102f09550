import type { Endpoint } from "./core/endpoint.ts";
import { failureOfStatus } from "./core/answer-failure.ts";
import type { RequestFollower } from "./core/request-follower.ts";
import type { ApiDialect, InferenceRequest } from "./core/request.ts";
import type { RequestObserver, Routing, Stages } from "./data-plane/pipeline.ts";
import { createModelNameRestorer } from "./data-plane/response/model-name-restorer.ts";
import { createAnswerReader } from "./data-plane/response/answer-reader.ts";
import type { EndpointStore } from "./state/endpoint-store.ts";
import type { EndpointHealth } from "./state/health/endpoint-health.ts";
import { type InFlightLedger, countedFollower } from "./state/in-flight.ts";
import type { Clock } from "./std/clock.ts";

interface StageParts {
  readonly clock: Clock;
  readonly store: EndpointStore;
  readonly ledger: InFlightLedger;
  readonly health: EndpointHealth;
  readonly observer: RequestObserver;
  readonly routing: () => Routing;
}

/** The stages of a request's life, from the parts that do their work. */
export function stagesOf(parts: StageParts): Stages {
  const { clock, store, ledger, health, observer, routing } = parts;
  return {
    nowMs: () => clock.nowMs(),
    routing,
    endpoints: () => store.takers(),
    load: (nowMs) => store.load(nowMs),
    modelsOf: () =>
      store.hasModels ? (endpoint: Endpoint) => store.modelsOf(endpoint) : undefined,
    wellOf: (candidates, nowMs) => health.wellOf(candidates, store.board.inFlightRequests, nowMs),
    send: (endpoint, request) => [
      countedFollower(ledger.open(endpoint, request.promptTokens)),
      ...healthFollowers(endpoint, request, parts),
    ],
    sendHelper: (endpoint, { promptTokens }) => ledger.open(endpoint, promptTokens),
    endpointAt: (hostPort) => store.endpointAt(hostPort),
    readAnswer: ({ headers, request, showsWholeBody }) =>
      createAnswerReader({
        contentType: headers.get("content-type"),
        contentEncoding: headers.get("content-encoding"),
        promisesMarker: showsWholeBody && request !== undefined && promisesMarker(request),
      }),
    restoreName: (headers, names) =>
      createModelNameRestorer({
        contentType: headers.get("content-type"),
        contentEncoding: headers.get("content-encoding"),
        ...names,
      }),
    observer,
  };
}

/** APIs whose streams end with `[DONE]`, `message_stop` or an event that ends the response. */
const MARKED_APIS: ReadonlySet<ApiDialect> = new Set<ApiDialect>([
  "chat",
  "completions",
  "messages",
  "responses",
  "sglang-generate",
]);

function promisesMarker({ dialect, isStreaming }: InferenceRequest): boolean {
  return isStreaming && MARKED_APIS.has(dialect);
}

/** Tells the endpoint's health how the answer goes. */
function healthFollowers(
  endpoint: Endpoint,
  { isStreaming }: InferenceRequest,
  { clock, health }: StageParts,
): readonly RequestFollower[] {
  const sentMs = clock.nowMs();
  const watched = health.sent(endpoint, sentMs);
  if (watched === undefined) return [];
  let isFine = true;
  const follower: RequestFollower = {
    responseHead({ httpStatus, servedBy }, atMs) {
      // Another endpoint's answer says nothing about this one.
      if (servedBy !== undefined && servedBy !== endpoint.hostPort) {
        watched.ended(false, atMs);
        return undefined;
      }
      isFine = failureOfStatus(httpStatus)?.blame !== "engine";
      watched.answered(!isFine, atMs);
      return undefined;
    },
    firstToken(atMs) {
      // An answer that is not streamed begins when all of it is there, and an error at any time.
      if (isStreaming && isFine) watched.began(atMs - sentMs);
    },
    ended: ({ end, endedMs }) => watched.ended(end === "aborted", endedMs),
  };
  return [follower];
}
