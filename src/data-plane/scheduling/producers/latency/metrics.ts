import { Counter, Gauge, type Registry } from "prom-client";
import type { Endpoint } from "../../../../core/endpoint.ts";
import type { LoadSnapshot } from "../../../../core/load.ts";
import type { LatencyModel } from "./latency-model.ts";
import type { EndpointAudit } from "./prediction-audit.ts";

const pluginLabels = ["plugin_name", "plugin_type"] as const;
const endpointLabels = [...pluginLabels, "endpoint_name", "namespace"] as const;

interface OwnedModel {
  /** Type and name of its plugin. */
  readonly type: string;
  readonly name: string;
  readonly memory: LatencyModel;
}

/** The models and the pool at the moment of asking. */
export interface LatencyView {
  readonly models: () => Iterable<OwnedModel>;
  readonly endpoints: () => readonly Endpoint[];
  readonly load: () => LoadSnapshot;
  readonly nowMs: () => number;
}

/** Metrics of the latency models by the name of their plugin, computed at each scrape: requests pay nothing for them. */
export function registerLatencyMetrics(registry: Registry, view: LatencyView): void {
  registerLearned(registry, view);
  registerAudit(registry, view);
  registerInputs(registry, view);
  registerHomes(registry, view);
}

type OfEndpoint = (model: LatencyModel, slot: number, nowMs: number) => number | undefined;

interface EndpointFamily {
  readonly name: string;
  readonly help: string;
  readonly valueOf: OfEndpoint;
}

function registerLearned(registry: Registry, view: LatencyView): void {
  gauge(registry, view, {
    name: "pointsman_latency_prefill_tokens_per_second",
    help: "Prompt tokens that an endpoint computes per second, as learned from its first tokens.",
    valueOf: ({ rates }, slot) => rates.tokensPerMs(slot) * 1_000,
  });
  gauge(registry, view, {
    name: "pointsman_latency_prefix_trust_ratio",
    help: "Trust in the prefix matches of an endpoint, as learned from the cached tokens that it reports; 1 in full.",
    valueOf: ({ trust }, slot) => trust.of(slot),
  });
  gauge(registry, view, {
    name: "pointsman_latency_ttft_error_ratio",
    help: "Mean relative error of the predicted time to first token over the last minutes.",
    valueOf: ({ audit }, slot, nowMs) => audit.ttftErrorRatio(slot, nowMs),
  });
}

function registerAudit(registry: Registry, view: LatencyView): void {
  const sum = (name: string, help: string, valueOf: (audit: EndpointAudit) => number) =>
    counter(registry, view, {
      name: `pointsman_latency_${name}`,
      help,
      valueOf: ({ audit }, slot) => {
        const found = audit.of(slot);
        return found && valueOf(found);
      },
    });
  sum(
    "predictions_total",
    "Streamed answers whose predicted and actual times to first token are in the sums.",
    ({ ttftCount }) => ttftCount,
  );
  sum(
    "predicted_ttft_seconds_total",
    "Sum of the predicted times from the decision to the first token.",
    ({ predictedTtftMs }) => predictedTtftMs / 1_000,
  );
  sum(
    "actual_ttft_seconds_total",
    "Sum of the actual times from the decision to the first token.",
    ({ ttftMs }) => ttftMs / 1_000,
  );
  sum(
    "ttft_error_seconds_total",
    "Sum of the absolute differences between predicted and actual times to first token.",
    ({ ttftErrorMs }) => ttftErrorMs / 1_000,
  );
  sum(
    "predicted_cached_tokens_total",
    "Prompt tokens that were predicted to be cached, of answers that report cached tokens.",
    ({ predictedCachedTokens }) => predictedCachedTokens,
  );
  sum(
    "actual_cached_tokens_total",
    "Prompt tokens that were cached, of the same answers, in the picker's estimate of tokens.",
    ({ cachedTokens }) => cachedTokens,
  );
}

function registerInputs(registry: Registry, view: LatencyView): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_latency_inputs_ratio",
      help: "Share of recent requests, or of endpoints, that have an input of the latency model.",
      labelNames: [...pluginLabels, "input"],
      registers: [],
      collect() {
        this.reset();
        for (const { type, name, memory } of view.models()) {
          const labels = { plugin_name: name, plugin_type: type };
          for (const [input, share] of Object.entries(inputsOf(memory, view))) {
            // Unknown until a request was seen.
            if (!Number.isNaN(share)) this.set({ ...labels, input }, share);
          }
        }
      },
    }),
  );
}

function registerHomes(registry: Registry, view: LatencyView): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_latency_homes_ratio",
      help: "Shares that decide about homes of conversations: `others` of the requests at the engines, `held` of what homes were expected to hold.",
      labelNames: [...pluginLabels, "share"],
      registers: [],
      collect() {
        this.reset();
        for (const { type, name, memory } of view.models()) {
          const labels = { plugin_name: name, plugin_type: type };
          this.set({ ...labels, share: "others" }, memory.homes.othersShare);
          this.set({ ...labels, share: "held" }, memory.homes.heldShare);
        }
      },
    }),
  );
}

function inputsOf({ inputs }: LatencyModel, view: LatencyView): Readonly<Record<string, number>> {
  const endpoints = view.endpoints();
  const { signalsTrust } = view.load();
  const told = endpoints.filter(({ slot }) => (signalsTrust[slot] ?? 0) > 0).length;
  return {
    "engine-metrics": told / endpoints.length,
    "cached-tokens": inputs.cachedTokens,
    "first-tokens": inputs.firstTokens,
    "prompt-tokens": inputs.promptTokens,
  };
}

function gauge(registry: Registry, view: LatencyView, family: EndpointFamily): void {
  registry.registerMetric(new Gauge<(typeof endpointLabels)[number]>(computed(view, family)));
}

function counter(registry: Registry, view: LatencyView, family: EndpointFamily): void {
  registry.registerMetric(new Counter<(typeof endpointLabels)[number]>(computed(view, family)));
}

/** Common part of gauges and counters that are computed at each scrape. */
interface Computed {
  reset(): void;
  inc(labels: Partial<Record<(typeof endpointLabels)[number], string>>, value: number): void;
}

/** A metric that is computed at each scrape, so that series of removed endpoints disappear. */
function computed(view: LatencyView, { name, help, valueOf }: EndpointFamily) {
  return {
    name,
    help,
    labelNames: endpointLabels,
    registers: [],
    collect(this: Computed) {
      this.reset();
      const nowMs = view.nowMs();
      for (const { type, name: pluginName, memory } of view.models()) {
        for (const endpoint of view.endpoints()) {
          const value = valueOf(memory, endpoint.slot, nowMs);
          if (value === undefined || Number.isNaN(value)) continue;
          const labels = { endpoint_name: endpoint.name, namespace: endpoint.namespace };
          this.inc({ plugin_name: pluginName, plugin_type: type, ...labels }, value);
        }
      }
    },
  };
}
