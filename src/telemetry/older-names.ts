import type { MetricObjectWithValues, MetricValue, Registry } from "prom-client";

/** A family under the name that it had in older pickers. */
interface OlderName {
  /** The family of today. */
  readonly family: string;
  readonly name: string;
  /** The labels it had, each with the label of today that it is read from; others are summed away. */
  readonly labels: Readonly<Record<string, string>>;
}

const same = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, name]));
const model = same("model_name", "target_model_name");
const pool = same("name");
const prefixCache = same("plugin_name", "plugin_type");

/**
 * Dashboards, alerts and autoscalers read these. The peer emits every family under both names, and so
 * do we, for the families that we have.
 */
const olderNames: readonly OlderName[] = [
  ...objective("request_total", "request_total", {
    ...model,
    priority: "priority",
  }),
  ...objective("request_error_total", "request_error_total", {
    ...model,
    error_code: "error_code",
  }),
  ...objective("request_duration_seconds", "request_duration_seconds"),
  ...objective("request_size_bytes", "request_sizes"),
  ...objective("response_size_bytes", "response_sizes"),
  ...objective("request_input_tokens", "input_tokens"),
  ...objective("request_output_tokens", "output_tokens"),
  ...objective("request_cached_tokens", "prompt_cached_tokens"),
  ...objective("request_ntpot_seconds", "normalized_time_per_output_token_seconds"),
  ...objective("request_running", "running_requests", same("model_name")),
  ...ofPool("average_kv_cache_utilization", "average_kv_cache_utilization"),
  ...ofPool("average_queue_size", "average_queue_size"),
  ...ofPool("average_running_requests", "average_running_requests"),
  ...ofPool("ready_endpoints", "ready_pods"),
  ...ofPool("per_endpoint_queue_size", "per_pod_queue_size", {
    ...pool,
    model_server_pod: "model_server_endpoint",
  }),
  ...extension("scheduler_e2e_duration_seconds", "scheduler_e2e_duration_seconds", {}),
  ...extension("scheduler_attempts_total", "scheduler_attempts_total", {
    ...same("status", "target_model_name", "namespace", "port"),
    pod_name: "endpoint_name",
  }),
  ...extension("prefix_indexer_size", "prefix_indexer_size", prefixCache),
  ...extension("prefix_indexer_hit_ratio", "prefix_indexer_hit_ratio", prefixCache),
  ...extension("prefix_indexer_hit_bytes", "prefix_indexer_hit_bytes", prefixCache),
  ...under("llm_d_inference_scheduler_", "datalayer_poll_errors_total", {
    name: "datalayer_poll_errors_total",
    labels: same("source_type"),
  }),
  ...under("llm_d_inference_scheduler_", "datalayer_extract_errors_total", {
    name: "datalayer_extract_errors_total",
    labels: same("source_type", "extractor_type"),
  }),
];

/** Every older name, for people who look for them. */
export const olderMetricNames: readonly string[] = olderNames.map(({ name }) => name);

function objective(family: string, name: string, labels = model): OlderName[] {
  return under("inference_objective_", family, { name, labels });
}

function ofPool(family: string, name: string, labels = pool): OlderName[] {
  return under("inference_pool_", family, { name, labels });
}

function extension(family: string, name: string, labels: OlderName["labels"]): OlderName[] {
  return under("inference_extension_", family, { name, labels });
}

function under(
  prefix: string,
  family: string,
  { name, labels }: Pick<OlderName, "name" | "labels">,
): OlderName[] {
  return [{ family: `llm_d_epp_${family}`, name: `${prefix}${name}`, labels }];
}

/** The families of a registry under their older names, as text to go after the page itself. */
export async function olderNamesPage(registry: Registry): Promise<string> {
  const families = new Map(
    (await registry.getMetricsAsJSON()).map((metric) => [metric.name, metric]),
  );
  return olderNames
    .flatMap((older) => {
      const metric = families.get(older.family);
      return metric === undefined ? [] : [familyText(metric, older)];
    })
    .join("");
}

function familyText(
  metric: MetricObjectWithValues<MetricValue<string>>,
  { family, name, labels }: OlderName,
): string {
  const sums = new Map<string, number>();
  for (const value of metric.values) {
    // A histogram's values carry the names of their series: `…_bucket`, `…_sum`, `…_count`.
    const series = seriesNameOf(value) ?? family;
    const line = `${name}${series.slice(family.length)}${labelText(value, labels)}`;
    sums.set(line, (sums.get(line) ?? 0) + value.value);
  }
  const head = `# HELP ${name} ${metric.help} Now ${family}.\n# TYPE ${name} ${metric.type}\n`;
  return head + [...sums].map(([line, sum]) => `${line} ${sum}\n`).join("");
}

function seriesNameOf(value: MetricValue<string>): string | undefined {
  return "metricName" in value && typeof value.metricName === "string"
    ? value.metricName
    : undefined;
}

function labelText({ labels }: MetricValue<string>, kept: OlderName["labels"]): string {
  const pairs = Object.entries(kept).map(([older, today]) => [older, labels[today] ?? ""] as const);
  if (labels["le"] !== undefined) pairs.push(["le", labels["le"]]);
  if (pairs.length === 0) return "";
  return `{${pairs.map(([name, value]) => `${name}="${escaped(value)}"`).join(",")}}`;
}

function escaped(value: string | number): string {
  return String(value).replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
