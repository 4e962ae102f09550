import { Counter, Gauge } from "prom-client";
import type { ApiKeys, KeyUse } from "../data-plane/ingress/http/entry/api-keys.ts";
import type { BodyMemory } from "../data-plane/ingress/http/entry/body-memory.ts";
import type { Slots } from "../data-plane/ingress/http/entry/slots.ts";
import type { HttpIngress } from "../data-plane/ingress/http/http-ingress.ts";
import type { RetryPolicy } from "../data-plane/ingress/http/retry-policy.ts";
import type { MetricsRegistry } from "../telemetry/metrics-registry.ts";

/** Keys that have series of their own; the others count as `other`. */
const keyLabelsMax = 1_000;

interface Measured {
  readonly slots: Slots;
  readonly bodies: Pick<BodyMemory, "heldBytes" | "refusedTotal">;
  readonly readersGivenUp: () => number;
  readonly ingress: Pick<HttpIngress, "connections" | "connectionsRefusedTotal">;
  readonly engineConnections: { readonly waiting: number };
  readonly retries: Pick<RetryPolicy, "deniedTotal">;
  readonly keys: ApiKeys | undefined;
}

/** Metrics of the limits of the HTTP gateway. */
export function registerHttpMetrics(registry: MetricsRegistry, measured: Measured): void {
  const { slots, bodies, readersGivenUp, ingress, engineConnections, retries, keys } = measured;
  const { gauge, counter } = readersIn(registry);
  gauge(
    "pointsman_gateway_requests_running",
    "Requests that the HTTP gateway handles now.",
    () => slots.held,
  );
  gauge(
    "pointsman_gateway_requests_waiting",
    "Requests that wait at the HTTP gateway because it handles --requests-max others.",
    () => slots.waiting,
  );
  counter(
    "pointsman_gateway_queue_seconds_total",
    "Time that requests have waited at the HTTP gateway, all together.",
    () => slots.waitedMsTotal / 1_000,
  );
  gauge(
    "pointsman_gateway_held_body_bytes",
    "Bytes of request bodies that the HTTP gateway holds.",
    () => bodies.heldBytes,
  );
  counter(
    "pointsman_gateway_bodies_refused_total",
    "Request bodies that were refused because of --held-bodies-limit.",
    () => bodies.refusedTotal,
  );
  counter(
    "pointsman_gateway_readers_given_up_total",
    "Answers that were broken off because their client read nothing for --read-timeout.",
    readersGivenUp,
  );
  gauge("pointsman_gateway_client_connections", "Open connections of clients.", () =>
    ingress.connections(),
  );
  counter(
    "pointsman_gateway_client_connections_refused_total",
    "Connections of clients that were closed because of --connections-max.",
    () => ingress.connectionsRefusedTotal,
  );
  gauge(
    "pointsman_gateway_endpoint_connections_waiting",
    "Requests that wait because their endpoint has --endpoint-connections-max connections.",
    () => engineConnections.waiting,
  );
  counter(
    "pointsman_retries_denied_total",
    "Retries and hedges that the HTTP gateway did not send because of --retry-budget.",
    () => retries.deniedTotal,
  );
  if (keys !== undefined) registerKeyMetrics(registry, keys);
}

/** Metrics that are read whenever the page is. */
function readersIn(registry: MetricsRegistry) {
  const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        async collect() {
          this.set(await read());
        },
      }),
    );
  const counter = (name: string, help: string, read: () => number) =>
    registry.registerMetric(
      new Counter({
        name,
        help,
        registers: [],
        collect() {
          this.reset();
          this.inc(read());
        },
      }),
    );
  return { gauge, counter };
}

function registerKeyMetrics(registry: MetricsRegistry, keys: ApiKeys): void {
  const perKey = (name: string, help: string, read: (use: KeyUse) => number) =>
    registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames: ["key"],
        registers: [],
        collect() {
          this.reset();
          let labels = 0;
          for (const [key, use] of keys.uses) {
            labels += 1;
            this.inc({ key: labels > keyLabelsMax ? "other" : key }, read(use));
          }
        },
      }),
    );
  perKey(
    "pointsman_api_key_requests_total",
    "Requests with each API key, by its name.",
    (use) => use.requestsTotal,
  );
  perKey(
    "pointsman_api_key_refused_total",
    "Requests that were refused because of the limits or models of their API key.",
    (use) => use.refusedTotal,
  );
  perKey(
    "pointsman_api_key_tokens_total",
    "Prompt and output tokens of each API key, as engines report them or else estimated.",
    (use) => use.tokensTotal,
  );
}

/** Shows if the last file of API keys is in force. */
export function apiKeyGaugeIn(registry: MetricsRegistry): (isInForce: boolean) => void {
  const gauge = new Gauge({
    name: "pointsman_api_keys_last_reload_success",
    help: "1 if the API keys of the last file read are in force, 0 if it was refused.",
    registers: [registry],
  });
  return (isInForce) => gauge.set(isInForce ? 1 : 0);
}
