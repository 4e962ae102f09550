/** A family under the name that it had in older pickers. */
export interface OlderName {
  readonly name: string;
  /** The labels it had, each with the label of today that it is read from; others are summed away. */
  readonly labels: Readonly<Record<string, string>>;
}

const same = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, name]));
const model = same("model_name", "target_model_name");
const pool = same("name");
const flow = same("fairness_id", "priority", "inference_pool", "model_name", "target_model_name");

/**
 * By the name of today. Dashboards, alerts and autoscalers read the older ones; the peer emits every
 * family under both, and so do we, for the families that we have.
 */
const olderNames: ReadonlyMap<string, OlderName> = new Map([
  objective("request_total", "request_total", { ...model, ...same("priority") }),
  objective("request_error_total", "request_error_total", { ...model, ...same("error_code") }),
  objective("request_duration_seconds", "request_duration_seconds"),
  objective("request_size_bytes", "request_sizes"),
  objective("response_size_bytes", "response_sizes"),
  objective("request_input_tokens", "input_tokens"),
  objective("request_output_tokens", "output_tokens"),
  objective("request_cached_tokens", "prompt_cached_tokens"),
  objective("request_ntpot_seconds", "normalized_time_per_output_token_seconds"),
  objective("request_predicted_ttft_seconds", "request_predicted_ttft_seconds"),
  objective("request_predicted_tpot_seconds", "request_predicted_tpot_seconds"),
  objective("request_ttft_prediction_duration_seconds", "request_ttft_prediction_duration_seconds"),
  objective("request_tpot_prediction_duration_seconds", "request_tpot_prediction_duration_seconds"),
  objective("request_slo_violation_total", "request_slo_violation_total", {
    ...model,
    ...same("type"),
  }),
  objective("request_running", "running_requests", same("model_name")),
  ofPool("average_kv_cache_utilization", "average_kv_cache_utilization"),
  ofPool("average_queue_size", "average_queue_size"),
  ofPool("average_running_requests", "average_running_requests"),
  ofPool("ready_endpoints", "ready_pods"),
  ofPool("per_endpoint_queue_size", "per_pod_queue_size", {
    ...pool,
    model_server_pod: "model_server_endpoint",
  }),
  extension("scheduler_e2e_duration_seconds"),
  extension("scheduler_attempts_total", {
    ...same("status", "target_model_name", "namespace", "port"),
    pod_name: "endpoint_name",
  }),
  extension("flow_control_request_queue_duration_seconds", { ...flow, ...same("outcome") }),
  extension("flow_control_request_enqueue_duration_seconds", { ...flow, ...same("outcome") }),
  extension("flow_control_dispatch_cycle_duration_seconds"),
  extension("flow_control_queue_size", flow),
  extension("flow_control_queue_bytes", flow),
  extension("flow_control_pool_saturation", same("inference_pool", "stage")),
  extension("prefix_indexer_size"),
  extension("prefix_indexer_hit_ratio"),
  extension("prefix_indexer_hit_bytes"),
  named("datalayer_poll_errors_total", "llm_d_inference_scheduler_datalayer_poll_errors_total", {
    ...same("source_type"),
  }),
  named(
    "datalayer_extract_errors_total",
    "llm_d_inference_scheduler_datalayer_extract_errors_total",
    { ...same("source_type", "extractor_type") },
  ),
]);

/** Every older name, for people who look for them. */
export const olderMetricNames: readonly string[] = [...olderNames.values()].map(({ name }) => name);

function objective(family: string, older: string, labels = model) {
  return named(family, `inference_objective_${older}`, labels);
}

function ofPool(family: string, older: string, labels = pool) {
  return named(family, `inference_pool_${older}`, labels);
}

function extension(family: string, labels: OlderName["labels"] = {}) {
  return named(family, `inference_extension_${family}`, labels);
}

function named(family: string, name: string, labels: OlderName["labels"]) {
  return [`llm_d_epp_${family}`, { name, labels }] as const;
}

/** The older name of a family; undefined if it never had another. */
export function olderNameOf(family: string): OlderName | undefined {
  return olderNames.get(family);
}

/** One family of a page under its older name; "" if it never had another. */
export function underOlderName(text: string): string {
  const [, , name = ""] = text.split(/[ \n]/, 3);
  const older = olderNames.get(name);
  if (older === undefined) return "";
  const twin = new Twin(name, older);
  for (const line of text.split("\n")) twin.read(line);
  return twin.text();
}

/** One family as it is written again. */
class Twin {
  readonly #family: string;
  readonly #older: OlderName;
  readonly #head: string[] = [];
  readonly #sums = new Map<string, number>();
  /** Labels as the page has them, without a bucket's bound, and as the older family has them. */
  readonly #labels = new Map<string, string>();

  constructor(family: string, older: OlderName) {
    this.#family = family;
    this.#older = older;
  }

  read(line: string): void {
    const family = this.#family;
    const { name } = this.#older;
    if (line.startsWith("# HELP ")) {
      const help = line.slice(`# HELP ${family} `.length);
      this.#head.push(`# HELP ${name} ${help} Now ${family}.\n`);
    } else if (line.startsWith("# TYPE ")) {
      this.#head.push(`# TYPE ${name} ${line.slice(`# TYPE ${family} `.length)}\n`);
    } else if (line.startsWith(family)) this.#sample(line);
  }

  text(): string {
    return (
      this.#head.join("") + [...this.#sums].map(([series, sum]) => `${series} ${sum}\n`).join("")
    );
  }

  #sample(line: string): void {
    // A value has no space, and there are no timestamps here.
    const end = line.lastIndexOf(" ");
    const open = line.indexOf("{");
    const seriesEnd = open === -1 ? end : open;
    const labels = open === -1 ? "" : line.slice(open + 1, end - 1);
    const series = `${this.#older.name}${line.slice(this.#family.length, seriesEnd)}${this.#labelled(labels)}`;
    this.#sums.set(series, (this.#sums.get(series) ?? 0) + Number(line.slice(end + 1)));
  }

  #labelled(labels: string): string {
    const bound = /^le="[^"]*"/.exec(labels)?.[0] ?? "";
    const others = labels.slice(bound === "" ? 0 : bound.length + 1);
    let kept = this.#labels.get(others);
    if (kept === undefined) {
      kept = keptOf(others, this.#older);
      this.#labels.set(others, kept);
    }
    const all = [kept, bound].filter((text) => text !== "").join(",");
    return all === "" ? "" : `{${all}}`;
  }
}

/** Labels of a page under their older names, still escaped. */
function keptOf(labels: string, older: OlderName): string {
  const today: Record<string, string> = {};
  for (const [, name = "", value = ""] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    today[name] = value;
  }
  return Object.entries(olderLabelsOf(today, older))
    .map(([name, value]) => `${name}="${value}"`)
    .join(",");
}

/** The labels that a series has under its older name. */
export function olderLabelsOf(
  today: Readonly<Record<string, string>>,
  { labels }: OlderName,
): Readonly<Record<string, string>> {
  const older: Record<string, string> = {};
  for (const [name, label] of Object.entries(labels)) {
    const value = today[label] ?? "";
    // Older pickers named the pod, and not which of its ports.
    older[name] = name === "pod_name" ? value.replace(/-rank-\d+$/, "") : value;
  }
  return older;
}
