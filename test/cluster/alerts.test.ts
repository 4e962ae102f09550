import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { findPromtool } from "#test/components/promtool.ts";
import { alertRules, boardQueries, ruleGroups } from "#test/support/monitoring.ts";
import { say } from "#test/support/say.ts";

const target = 'job="epp",namespace="llm",instance="a:9090"';
/** A page of metrics of a picker that is well, as series of promtool: `2x60` is a value for an hour, `0+60x60` a rate of 1/s. */
const well: Readonly<Record<string, string>> = {
  "pointsman_config_last_reload_success{}": "1x60",
  "pointsman_api_keys_last_reload_success{}": "1x60",
  'pointsman_rollout_state{state="comparing"}': "1x60",
  'pointsman_rollout_state{state="rolled_back"}': "0x60",
  "pointsman_rollout_overdue_ratio{}": "0.1x60",
  'llm_d_epp_ready_endpoints{name="epp"}': "4x60",
  'pointsman_endpoints_by_health{phase="ready"}': "4x60",
  'pointsman_endpoints_by_health{phase="ejected"}': "0x60",
  "pointsman_signals_trusted_endpoints{}": "4x60",
  'llm_d_epp_request_total{model_name="m"}': "0+600x60",
  'llm_d_epp_request_error_total{model_name="m",error_code="no_endpoints"}': "0+6x60",
  'llm_d_epp_request_error_total{model_name="m",error_code="aborted"}': "0+600x60",
  'llm_d_epp_flow_control_requests_total{outcome="Dispatched"}': "0+600x60",
  'llm_d_epp_flow_control_capacity_utilization_requests{priority="0"}': "0.2x60",
  'llm_d_epp_request_ttft_seconds_bucket{streaming="true",le="1"}': "0+600x60",
  'llm_d_epp_request_ttft_seconds_bucket{streaming="true",le="15"}': "0+600x60",
  'llm_d_epp_request_ttft_seconds_bucket{streaming="true",le="+Inf"}': "0+600x60",
  'llm_d_epp_average_queue_size{name="epp"}': "3x60",
  'llm_d_epp_average_kv_cache_utilization{name="epp"}': "0.7x60",
  'pointsman_latency_prefix_trust_ratio{endpoint_name="e1"}': "1x60",
  'pointsman_latency_prefill_tokens_per_second{endpoint_name="e1"}': "9000x60",
  'pointsman_latency_prefill_tokens_per_second{endpoint_name="e2"}': "8000x60",
  'pointsman_latency_prefill_tokens_per_second{endpoint_name="e3"}': "7000x60",
  'pointsman_latency_ttft_error_ratio{endpoint_name="e1"}': "0.1x60",
  "nodejs_eventloop_lag_p99_seconds{}": "0.02x60",
  "pointsman_retries_denied_total{}": "4x60",
  "pointsman_served_elsewhere_total{}": "2x60",
  'pointsman_model_rules_skipped_total{reason="encoding"}': "2x60",
  'pointsman_left_out_endpoints{reason="capacity"}': "0x60",
  'pointsman_kubernetes_contact_age_seconds{resource="pods"}': "50x60",
  'pointsman_kubernetes_synced{resource="pods"}': "1x60",
  'pointsman_kubernetes_synced{resource="inferencepools.inference.networking.x-k8s.io"}': "0x60",
  'leader_election_master_status{name="lease"}': "1x60",
};

/** Each alert, with the series that differ from those of a picker that is well; undefined for one that is missing. */
const faults: readonly (readonly [alert: string, Readonly<Record<string, string | undefined>>])[] =
  [
    ["PointsmanAbsent", { "pointsman_config_last_reload_success{}": undefined }],
    ["PointsmanConfigRefused", { "pointsman_config_last_reload_success{}": "0x60" }],
    ["PointsmanApiKeysRefused", { "pointsman_api_keys_last_reload_success{}": "0x60" }],
    [
      "PointsmanRolloutRolledBack",
      {
        'pointsman_rollout_state{state="comparing"}': "0x60",
        'pointsman_rollout_state{state="rolled_back"}': "1x60",
      },
    ],
    ["PointsmanRolloutStuck", { "pointsman_rollout_overdue_ratio{}": "0.2+0.01x60" }],
    ["PointsmanNoEndpoints", { 'llm_d_epp_ready_endpoints{name="epp"}': "0x60" }],
    ["PointsmanEndpointEjected", { 'pointsman_endpoints_by_health{phase="ejected"}': "1x60" }],
    [
      "PointsmanErrors",
      { 'llm_d_epp_request_error_total{model_name="m",error_code="no_endpoints"}': "0+60x60" },
    ],
    [
      "PointsmanErrors",
      {
        'llm_d_epp_request_error_total{model_name="m",error_code="no_endpoints"}': "0+6x60",
        'llm_d_epp_request_total{model_name="m"}': undefined,
      },
    ],
    [
      "PointsmanRequestsRefused",
      { 'llm_d_epp_flow_control_requests_total{outcome="RejectedCapacity"}': "0+60x60" },
    ],
    [
      "PointsmanQueueNearlyFull",
      { 'llm_d_epp_flow_control_capacity_utilization_requests{priority="-1"}': "0.95x60" },
    ],
    [
      "PointsmanTtftHigh",
      { 'llm_d_epp_request_ttft_seconds_bucket{streaming="true",le="1"}': "0+580x60" },
    ],
    ["PointsmanEnginesQueue", { 'llm_d_epp_average_queue_size{name="epp"}': "60x60" }],
    ["PointsmanKvCacheFull", { 'llm_d_epp_average_kv_cache_utilization{name="epp"}': "0.97x60" }],
    ["PointsmanReportsStale", { "pointsman_signals_trusted_endpoints{}": "1x60" }],
    [
      "PointsmanSignalMissing",
      {
        'pointsman_signal_missing_endpoints{signal="kv-cache-used",engine="vllm",reason="absent"}':
          "2x60",
      },
    ],
    [
      "PointsmanPrefixCacheMisses",
      { 'pointsman_latency_prefix_trust_ratio{endpoint_name="e2"}': "0.1x60" },
    ],
    [
      "PointsmanEndpointSlow",
      { 'pointsman_latency_prefill_tokens_per_second{endpoint_name="e3"}': "3000x60" },
    ],
    [
      "PointsmanPredictionsOff",
      { 'pointsman_latency_ttft_error_ratio{endpoint_name="e1"}': "0.8x60" },
    ],
    [
      "PointsmanOverloaded",
      { 'llm_d_epp_request_error_total{model_name="m",error_code="overloaded"}': "0+6x60" },
    ],
    ["PointsmanEventLoopLag", { "nodejs_eventloop_lag_p99_seconds{}": "0.4x60" }],
    ["PointsmanRetriesDenied", { "pointsman_retries_denied_total{}": "0+6x60" }],
    ["PointsmanServedElsewhere", { "pointsman_served_elsewhere_total{}": "0+6x60" }],
    [
      "PointsmanModelsNotRead",
      { 'pointsman_model_rules_skipped_total{reason="encoding"}': "0+6x60" },
    ],
    ["PointsmanEndpointsLeftOut", { 'pointsman_left_out_endpoints{reason="capacity"}': "3x60" }],
    [
      "PointsmanClusterSilent",
      { 'pointsman_kubernetes_contact_age_seconds{resource="pods"}': "0+60x60" },
    ],
    ["PointsmanNotSynced", { 'pointsman_kubernetes_synced{resource="pods"}': "0x60" }],
    ["PointsmanNoLeader", { 'leader_election_master_status{name="lease"}': "0x60" }],
  ];

let folder = "";
let promtool = "";
beforeAll(async () => {
  promtool = await findPromtool(say);
  folder = mkdtempSync(path.join(tmpdir(), "pointsman-alerts-"));
  writeFileSync(path.join(folder, "rules.yaml"), stringify({ groups: ruleGroups() }));
}, 600_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it("has rules that Prometheus reads", () => {
  expect(check(["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"])).toBe("");
});

it("has a board whose queries Prometheus reads", () => {
  const rules = boardQueries().map((expr, index) => ({ record: `query:${index}`, expr }));
  writeFileSync(
    path.join(folder, "board.yaml"),
    stringify({ groups: [{ name: "board", rules }] }).replaceAll("$__rate_interval", "1m"),
  );
  expect(check(["check", "rules", "board.yaml"])).toBe("");
});

it("knows a fault for each alert", () => {
  expect(new Set(faults.map(([alert]) => alert))).toEqual(
    new Set(alertRules().map(({ alert }) => alert)),
  );
});

it("is quiet about a picker that is well", () => {
  expect(checkAlerts(well, [])).toBe("");
});

it.each(faults)("fires %s alone for %o", (alert, differing) => {
  // A picker that serves no page has no other series that could fire.
  const series = alert === "PointsmanAbsent" ? {} : { ...well, ...differing };
  expect(checkAlerts(series, [alert])).toBe("");
});

/** Says what differs from the expected alerts after half an hour. */
function checkAlerts(
  series: Readonly<Record<string, string | undefined>>,
  alerts: readonly string[],
): string {
  const input = Object.entries(series).flatMap(([name, values]) =>
    values === undefined
      ? []
      : [
          {
            series: name.replace("{}", `{${target}}`).replace(/\{(?!job=)/, `{${target},`),
            values,
          },
        ],
  );
  const samples = alerts.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 }));
  const test = {
    interval: "1m",
    input_series: input,
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: "30m",
        exp_samples: samples,
      },
    ],
  };
  writeFileSync(
    path.join(folder, "test.yaml"),
    stringify({ rule_files: ["rules.yaml"], evaluation_interval: "1m", tests: [test] }),
  );
  return check(["test", "rules", "test.yaml"]);
}

function check(argv: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(promtool, argv, { cwd: folder, encoding: "utf8" });
  return status === 0 ? "" : `exit ${status}: ${stdout}${stderr}`;
}
