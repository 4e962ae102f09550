/** The board that operators import into Grafana. */
export const grafanaBoardFile = "manifests/components/dashboards/pointsman.json";

type Unit = "short" | "s" | "percentunit" | "reqps" | "bytes" | "ops";

interface Panel {
  readonly title: string;
  readonly unit: Unit;
  /** Expressions, each with the legend of its series. */
  readonly queries: readonly (readonly [legend: string, expression: string])[];
  readonly description?: string;
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const of = 'job=~"$job",instance=~"$instance"';

const rows: readonly Row[] = [
  {
    title: "Requests",
    panels: [
      {
        title: "Requests by model",
        unit: "reqps",
        queries: [["{{model_name}}", `sum by (model_name) (${rate("llm_d_epp_request_total")})`]],
      },
      {
        title: "Failures by code",
        unit: "reqps",
        description: "docs/errors.md explains the codes.",
        queries: [
          ["{{error_code}}", `sum by (error_code) (${rate("llm_d_epp_request_error_total")})`],
        ],
      },
      {
        title: "Time to first token",
        unit: "s",
        description: "Of streams, from the headers of the request.",
        queries: quantiles("llm_d_epp_request_ttft_seconds", ',streaming="true"'),
      },
      {
        title: "Time per output token of streams",
        unit: "s",
        queries: quantiles("llm_d_epp_request_streaming_tpot_seconds"),
      },
      {
        title: "Duration",
        unit: "s",
        queries: quantiles("llm_d_epp_request_duration_seconds"),
      },
      {
        title: "In flight",
        unit: "short",
        queries: [["{{model_name}}", `sum by (model_name) (llm_d_epp_request_running{${of}})`]],
      },
    ],
  },
  {
    title: "Pool",
    panels: [
      {
        title: "Endpoints by health",
        unit: "short",
        description: "docs/reliability.md explains the phases.",
        queries: [["{{phase}}", `max by (phase) (pointsman_endpoints_by_health{${of}})`]],
      },
      {
        title: "Ejections by reason",
        unit: "ops",
        queries: [
          [
            "{{endpoint_name}} {{reason}}",
            byEndpoint(rate("pointsman_endpoint_ejections_total"), "reason"),
          ],
        ],
      },
      {
        title: "Waiting requests by endpoint",
        unit: "short",
        queries: [
          [
            "{{model_server_endpoint}}",
            `max by (model_server_endpoint) (llm_d_epp_per_endpoint_queue_size{${of}})`,
          ],
        ],
      },
      {
        title: "In flight by endpoint",
        unit: "short",
        queries: [
          ["{{endpoint_name}}", `sum by (endpoint_name) (llm_d_epp_inflight_requests{${of}})`],
        ],
      },
      {
        title: "KV cache in use",
        unit: "percentunit",
        queries: [["mean of the pool", `max(llm_d_epp_average_kv_cache_utilization{${of}})`]],
      },
      {
        title: "Age of reports",
        unit: "s",
        queries: [
          [
            "{{endpoint_name}}",
            `max by (endpoint_name) (pointsman_endpoint_signals_age_seconds{${of}})`,
          ],
        ],
      },
    ],
  },
  {
    title: "Routing",
    panels: [
      {
        title: "Cached share of prompts",
        unit: "percentunit",
        description:
          "As engines report it, and what they report of the tokens that were expected to be cached.",
        queries: [
          [
            "of the prompt",
            `sum(${rate("llm_d_epp_request_cached_tokens_sum")}) / sum(${rate("llm_d_epp_request_input_tokens_sum")})`,
          ],
          [
            "of the expected tokens",
            `sum(${rate("pointsman_latency_actual_cached_tokens_total")}) / sum(${rate("pointsman_latency_predicted_cached_tokens_total")})`,
          ],
        ],
      },
      {
        title: "Hit-rate ladder",
        unit: "percentunit",
        description:
          "Share of the prompt tokens of the last hour, in the mean over replicas. pointsman hits says what each gap means.",
        queries: [["{{rung}}", `avg by (rung) (pointsman_hit_ladder_ratio{${of}})`]],
      },
      {
        title: "Learned speed",
        unit: "short",
        description: "Prompt tokens that an endpoint computes per second.",
        queries: [
          [
            "{{endpoint_name}}",
            `max by (endpoint_name) (pointsman_latency_prefill_tokens_per_second{${of}})`,
          ],
        ],
      },
      {
        title: "Trust in prefixes",
        unit: "percentunit",
        description: "Near 0 if an engine caches hardly anything of what is expected.",
        queries: [
          [
            "{{endpoint_name}}",
            `min by (endpoint_name) (pointsman_latency_prefix_trust_ratio{${of}})`,
          ],
        ],
      },
      {
        title: "Error of the predicted time to first token",
        unit: "percentunit",
        queries: [
          [
            "{{endpoint_name}}",
            `max by (endpoint_name) (pointsman_latency_ttft_error_ratio{${of}})`,
          ],
        ],
      },
      {
        title: "Decisions by endpoint",
        unit: "reqps",
        queries: [
          [
            "{{endpoint_name}} {{status}}",
            byEndpoint(rate("llm_d_epp_scheduler_attempts_total"), "status"),
          ],
        ],
      },
      {
        title: "Inputs of predictions",
        unit: "percentunit",
        description:
          "Share of requests or endpoints that have the input. docs/metrics.md says how to get a missing one.",
        queries: [["{{input}}", `min by (input) (pointsman_latency_inputs_ratio{${of}})`]],
      },
    ],
  },
  {
    title: "Flow control",
    panels: [
      {
        title: "Waiting requests by priority",
        unit: "short",
        queries: [["{{priority}}", `sum by (priority) (llm_d_epp_flow_control_queue_size{${of}})`]],
      },
      {
        title: "Time in the queue",
        unit: "s",
        queries: [
          [
            "p95 of {{priority}}",
            `histogram_quantile(0.95, sum by (priority, le) (${rate("llm_d_epp_flow_control_request_queue_duration_seconds_bucket")}))`,
          ],
        ],
      },
      {
        title: "Outcomes",
        unit: "reqps",
        queries: [
          ["{{outcome}}", `sum by (outcome) (${rate("llm_d_epp_flow_control_requests_total")})`],
        ],
      },
      {
        title: "Saturation",
        unit: "short",
        queries: [["{{stage}}", `max by (stage) (llm_d_epp_flow_control_pool_saturation{${of}})`]],
      },
    ],
  },
  {
    title: "HTTP gateway",
    panels: [
      {
        title: "Requests",
        unit: "short",
        queries: [
          ["running", `sum(pointsman_gateway_requests_running{${of}})`],
          ["waiting", `sum(pointsman_gateway_requests_waiting{${of}})`],
        ],
      },
      {
        title: "Retries and hedges",
        unit: "reqps",
        queries: [
          ["retries after {{status}}", `sum by (status) (${rate("pointsman_retries_total")})`],
          ["denied by the budget", `sum(${rate("pointsman_retries_denied_total")})`],
          ["hedges", `sum(${rate("pointsman_hedges_total")})`],
        ],
      },
    ],
  },
  {
    title: "Picker",
    panels: [
      {
        title: "CPU",
        unit: "percentunit",
        queries: [["{{instance}}", rate("process_cpu_seconds_total")]],
      },
      {
        title: "Memory",
        unit: "bytes",
        queries: [["{{instance}}", `process_resident_memory_bytes{${of}}`]],
      },
      {
        title: "Event loop lag, p99",
        unit: "s",
        queries: [["{{instance}}", `nodejs_eventloop_lag_p99_seconds{${of}}`]],
      },
      {
        title: "Time of a decision",
        unit: "s",
        queries: quantiles("llm_d_epp_scheduler_e2e_duration_seconds"),
      },
      {
        title: "Document in force",
        unit: "short",
        description: "1 if the last document is in force, 0 if it was refused.",
        queries: [["{{instance}}", `pointsman_config_last_reload_success{${of}}`]],
      },
      {
        title: "Scrapes",
        unit: "ops",
        queries: [["{{outcome}}", `sum by (outcome) (${rate("pointsman_scrapes_total")})`]],
      },
    ],
  },
];

function rate(counter: string): string {
  return `rate(${counter}{${of}}[$__rate_interval])`;
}

function byEndpoint(expression: string, label: string): string {
  return `sum by (endpoint_name, ${label}) (${expression})`;
}

function quantiles(histogram: string, more = ""): Panel["queries"] {
  return [0.5, 0.95, 0.99].map((quantile) => [
    `p${quantile * 100}`,
    `histogram_quantile(${quantile}, sum by (le) (rate(${histogram}_bucket{${of}${more}}[$__rate_interval])))`,
  ]);
}

const datasource = { type: "prometheus", uid: "${datasource}" };
const panelHeight = 8;
const panelWidth = 8;

/** The board's file: rows of panels, three panels side by side. */
export function grafanaBoardText(): string {
  const board = {
    uid: "pointsman",
    title: "Pointsman",
    description: "Requests, pool, routing, queue and process of endpoint pickers.",
    tags: ["inference", "gateway-api"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: { list: [datasourceVariable, labelVariable("job"), labelVariable("instance")] },
    panels: panelsOf(rows),
  };
  return `${JSON.stringify(board, undefined, 2)}\n`;
}

const datasourceVariable = {
  name: "datasource",
  label: "Data source",
  type: "datasource",
  query: "prometheus",
  hide: 0,
};

function labelVariable(label: "job" | "instance") {
  const within = label === "instance" ? '{job=~"$job"}' : "";
  const query = `label_values(pointsman_config_last_reload_success${within}, ${label})`;
  return {
    name: label,
    type: "query",
    datasource,
    query: { query, refId: label },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
  };
}

function panelsOf(all: readonly Row[]): object[] {
  const panels: object[] = [];
  let y = 0;
  for (const { title, panels: inRow } of all) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y += 1;
    for (const [index, panel] of inRow.entries()) {
      const place = { x: (index % 3) * panelWidth, y: y + Math.floor(index / 3) * panelHeight };
      panels.push(
        timeSeries(panel, panels.length + 1, { ...place, w: panelWidth, h: panelHeight }),
      );
    }
    y += Math.ceil(inRow.length / 3) * panelHeight;
  }
  return panels;
}

function timeSeries({ title, unit, queries, description }: Panel, id: number, gridPos: object) {
  return {
    id,
    type: "timeseries",
    title,
    ...(description === undefined ? {} : { description }),
    datasource,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 5 } }, overrides: [] },
    options: {
      tooltip: { mode: "multi", sort: "desc" },
      legend: { displayMode: "list", placement: "bottom" },
    },
    targets: queries.map(([legendFormat, expr], index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource,
      expr,
      legendFormat,
    })),
  };
}
