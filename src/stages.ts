import type { HeaderValues } from "./core/request.ts";
import { withModel } from "./data-plane/parsing/with-model.ts";
import type { RequestObserver, Routing, Stages } from "./data-plane/pipeline.ts";
import { createModelNameRestorer } from "./data-plane/response/model-name-restorer.ts";
import { createUsageReader } from "./data-plane/response/usage-reader.ts";
import type { EndpointStore } from "./state/endpoint-store.ts";
import type { InFlightLedger } from "./state/in-flight.ts";
import type { Clock } from "./std/clock.ts";

interface StageParts {
  readonly clock: Clock;
  readonly store: EndpointStore;
  readonly ledger: InFlightLedger;
  readonly observer: RequestObserver;
  readonly routing: () => Routing;
}

/** The stages of a request's life, from the parts that do their work. */
export function stagesOf({ clock, store, ledger, observer, routing }: StageParts): Stages {
  return {
    nowMs: () => clock.nowMs(),
    routing,
    endpoints: () => store.endpoints(),
    load: () => store.load(),
    withModel: ({ targetModel, dialect }, body) => withModel(body, targetModel, dialect) ?? body,
    send: (endpoint, promptTokens) => ledger.open(endpoint, promptTokens),
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
