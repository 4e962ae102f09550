import type { Endpoint } from "./core/endpoint.ts";
import type { HeaderValues, InferenceRequest } from "./core/request.ts";
import { withModel } from "./data-plane/parsing/with-model.ts";
import type { RequestObserver, Routing, Stages, Ticket } from "./data-plane/pipeline.ts";
import { createModelNameRestorer } from "./data-plane/response/model-name-restorer.ts";
import { createUsageReader } from "./data-plane/response/usage-reader.ts";
import type { EndpointStore } from "./state/endpoint-store.ts";
import type { EndpointHealth } from "./state/health/endpoint-health.ts";
import type { InFlightLedger } from "./state/in-flight.ts";
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
    withModel: ({ targetModel, dialect }, body) => withModel(body, targetModel, dialect) ?? body,
    send: (endpoint, request) => ticketOf(endpoint, request, parts),
    sendHelper: (endpoint, { promptTokens }) => ledger.open(endpoint, promptTokens),
    readUsage: (headers: HeaderValues) =>
      createUsageReader({
        contentType: headers.get("content-type"),
        contentEncoding: headers.get("content-encoding"),
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

/** Counts a request as in flight, and lets its answer say something about the endpoint's health. */
function ticketOf(
  endpoint: Endpoint,
  { promptTokens, isStreaming }: InferenceRequest,
  { clock, ledger, health }: StageParts,
): Ticket {
  const counted = ledger.open(endpoint, promptTokens);
  const sentMs = clock.nowMs();
  const watched = health.sent(endpoint, sentMs);
  let isFine = true;
  return {
    answered({ httpStatus, servedBy }) {
      // Another endpoint's answer says nothing of this one.
      if (servedBy !== undefined && servedBy !== endpoint.hostPort) {
        return watched?.ended(false, clock.nowMs());
      }
      isFine = !isFailure(httpStatus);
      watched?.answered(!isFine, clock.nowMs());
    },
    started() {
      counted.started();
      // An answer that is not streamed begins when all of it is there, and an error when it likes.
      if (isStreaming && isFine) watched?.began(clock.nowMs() - sentMs);
    },
    release(end) {
      counted.release();
      watched?.ended(end === "aborted", clock.nowMs());
    },
  };
}

/** Whether a status says that the endpoint could not answer; 501 and 505 are about the request. */
function isFailure(httpStatus: number | undefined): boolean {
  return httpStatus !== undefined && httpStatus >= 500 && httpStatus !== 501 && httpStatus !== 505;
}
