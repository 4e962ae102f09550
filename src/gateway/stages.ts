import type { Endpoint } from "../core/endpoint.ts";
import type { ApiDialect, InferenceRequest } from "../core/request.ts";
import type { RequestObserver, Routing, Stages } from "../data-plane/pipeline.ts";
import { createModelNameRestorer } from "../data-plane/response/model-name-restorer.ts";
import { createAnswerReader } from "../data-plane/response/answer-reader.ts";
import type { EndpointStore } from "../state/endpoint-store.ts";
import { healthFollower } from "../state/health/answer-follower.ts";
import type { EndpointHealth } from "../state/health/endpoint-health.ts";
import { type InFlightLedger, countedFollower } from "../state/in-flight.ts";
import type { Clock } from "../std/clock.ts";

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
    send: ({ endpoints: [endpoint], prefixHit }, request) => [
      countedFollower(ledger.open(endpoint, request.promptTokens)),
      healthFollower(health, endpoint, { request, prefixHit, nowMs: clock.nowMs() }),
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
