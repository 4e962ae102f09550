import { describe, expect, it } from "vitest";
import type { PoolPage } from "../../admin/pool-page.ts";
import { measuredIn } from "./examine-picker.ts";
import { judgePicker, type PickerFacts } from "./judge-picker.ts";

type ShownEndpoint = PoolPage["endpoints"][number];

const endpoint = (parts: Partial<ShownEndpoint> = {}): ShownEndpoint => ({
  id: "n/a",
  address: "10.0.0.1:8000",
  labels: {},
  engine: "vllm",
  health: { phase: "ready" },
  waitingRequests: 0,
  runningRequests: 3,
  kvCacheUsedRatio: 0.25,
  reported: { waitingRequests: 0, runningRequests: 3, kvCacheUsedRatio: 0.25 },
  blockTokens: 16,
  inFlightRequests: 2,
  inFlightTokens: 700,
  adapters: null,
  signalsAgeMs: 40,
  signalsTrust: 1,
  signalsSource: "engine",
  scrape: { state: "read", url: null, failure: null, failures: {}, missing: [] },
  takesRequests: true,
  ...parts,
});

const pool = (parts: Partial<PoolPage> = {}): PoolPage => ({
  name: "llama",
  notReady: [],
  source: null,
  problem: null,
  excluded: [],
  follows: [],
  endpoints: [endpoint()],
  ...parts,
});

const one = (parts: Partial<ShownEndpoint>) => ({ pool: pool({ endpoints: [endpoint(parts)] }) });

const config = { isRefused: false, standIn: false, warnings: [], history: [] };
const refusal = {
  at: "2026-01-01T00:00:00Z",
  outcome: "refused",
  hash: "",
  source: "c.yaml",
  mistakeCount: 1,
  mistakes: ["plugins[0].type: radom-picker"],
};

const facts = (parts: Partial<PickerFacts> = {}): PickerFacts => ({
  url: "http://p:9090",
  pool: pool(),
  config,
  live: { at: "2026-01-10T00:00:00.000Z", certificates: [] },
  unmoved: [],
  prefixTrust: [{ name: "n/a", value: 1 }],
  ttftError: [{ name: "n/a", value: 0.2 }],
  inputs: [{ name: "cached-tokens", value: 1 }],
  decisions: [],
  speeds: [],
  tenants: [],
  hits: { rungs: [], endpoints: [] },
  longestWaitMs: 0,
  clockAheadMs: 20,
  ...parts,
});

describe("a running picker", () => {
  const scrape = endpoint().scrape;
  it.each<{ name: string; parts: Partial<PickerFacts>; expected: readonly string[] }>([
    { name: "has no finding if all is well", parts: {}, expected: [] },
    {
      name: "is not ready, and has no endpoint",
      parts: { pool: pool({ notReady: ["the pool is not known"], endpoints: [] }) },
      expected: ["error not-ready http://p:9090", "error no-endpoint http://p:9090"],
    },
    {
      name: "leaves endpoints out",
      parts: { pool: pool({ excluded: [{ namespace: "n", name: "b", reason: "not-ready" }] }) },
      expected: ["warning left-out n/b"],
    },
    {
      name: "may not watch pods",
      parts: {
        pool: pool({
          follows: [{ what: "pods", state: "failing", contactAgeMs: null, failure: "403" }],
        }),
      },
      expected: ["error not-followed http://p:9090"],
    },
    {
      name: "names the cause before what follows from it",
      parts: {
        pool: pool({
          notReady: ["the pool is not known"],
          endpoints: [],
          follows: [{ what: "pods", state: "failing", contactAgeMs: null, failure: "403" }],
        }),
      },
      expected: [
        "error not-followed http://p:9090",
        "error not-ready http://p:9090",
        "error no-endpoint http://p:9090",
      ],
    },
    {
      name: "refused a document",
      parts: { config: { ...config, isRefused: true, history: [refusal] } },
      expected: ["error config-refused c.yaml"],
    },
    {
      name: "decides by a document that stands in",
      parts: { config: { ...config, standIn: true, warnings: ["weights of 0"] } },
      expected: ["error config-stand-in http://p:9090", "warning config-warning http://p:9090"],
    },
    {
      name: "ejected an endpoint",
      parts: one({
        health: {
          phase: "ejected",
          reason: "stalled",
          evidence: { silentMs: 5_000, patienceMs: 4_000 },
        },
      }),
      expected: ["error ejected n/a"],
    },
    {
      name: "cannot read metrics",
      parts: one({ scrape: { ...scrape, state: "failing" } }),
      expected: ["error metrics-unreadable n/a"],
    },
    {
      name: "has old reports",
      parts: one({ signalsTrust: 0.5 }),
      expected: ["warning reports-stale n/a"],
    },
    {
      name: "lacks a signal, and not those that an engine need not have",
      parts: one({
        scrape: {
          ...scrape,
          missing: [
            { signal: "kv-cache-used", family: "vllm:kv", reason: "absent" },
            { signal: "adapters", family: "vllm:lora", reason: "absent" },
            { signal: "running-requests", family: "", reason: "unmapped" },
          ],
        },
      }),
      expected: ["warning signal-missing n/a"],
    },
    {
      name: "reads metrics that stand still",
      parts: { unmoved: ["n/a"] },
      expected: ["warning metrics-frozen n/a"],
    },
    {
      name: "has blocks of two sizes",
      parts: {
        pool: pool({
          endpoints: [
            endpoint(),
            endpoint({ id: "n/b" }),
            endpoint({ id: "n/c", blockTokens: 32 }),
          ],
        }),
      },
      expected: ["warning block-size-differs n/c"],
    },
    {
      name: "trusts no prefix matches",
      parts: { prefixTrust: [{ name: "n/a", value: 0.1 }] },
      expected: ["warning prefix-trust-low n/a"],
    },
    {
      name: "predicts times that are off by more than themselves",
      parts: { ttftError: [{ name: "n/a", value: 1.5 }] },
      expected: ["warning predictions-wrong n/a"],
    },
    {
      name: "gets no cached tokens",
      parts: { inputs: [{ name: "cached-tokens", value: 0 }] },
      expected: ["warning cached-tokens-not-reported http://p:9090"],
    },
    {
      name: "has a clock a minute ahead",
      parts: { clockAheadMs: 60_000 },
      expected: ["warning clock-skew http://p:9090"],
    },
  ])("$name", ({ parts, expected }) => {
    const { findings } = judgePicker(facts(parts));
    expect(findings.map(({ severity, code, subject }) => `${severity} ${code} ${subject}`)).toEqual(
      expected,
    );
  });

  it.each([
    ["2026-01-19T12:00:00.000Z", "expires in 9 days, at 2026-01-19T12:00:00.000Z"],
    ["2026-01-09T00:00:00.000Z", "expired at 2026-01-09T00:00:00.000Z"],
  ])("names a certificate that ends at %s and should have been renewed", (endsAt, text) => {
    const live = {
      at: "2026-01-10T00:00:00.000Z",
      certificates: [
        { port: "grpc", endsAt, overdue: true },
        { port: "metrics", endsAt, overdue: false },
      ],
    };
    const { findings } = judgePicker(facts({ live }));
    expect(findings.map(({ code, what }) => `${code}: ${what}`)).toEqual([
      `certificate-expires: the certificate of its grpc port ${text}`,
    ]);
  });

  it("shows the mistakes of a refused document and the evidence of an ejection", () => {
    const { findings } = judgePicker(
      facts({
        ...one({
          health: {
            phase: "ejected",
            reason: "stalled",
            evidence: { silentMs: 5_000, patienceMs: 4_000 },
          },
        }),
        config: { ...config, isRefused: true, history: [refusal] },
      }),
    );
    expect(findings.map(({ what }) => what)).toEqual([
      "the last document was refused: plugins[0].type: radom-picker",
      "ejected: stalled, no answer for 5.0 s, limit 4.0 s",
    ]);
  });
});

const labels = (name: string) => `{plugin_name="p",endpoint_name="${name}",namespace="n"}`;

it("reads what a picker has learned, and errors only from 20 answers on", () => {
  const text = [
    `pointsman_latency_prefix_trust_ratio${labels("a")} 0.25`,
    `pointsman_latency_ttft_error_ratio${labels("a")} 3`,
    `pointsman_latency_ttft_error_ratio${labels("b")} 2`,
    `pointsman_latency_predictions_total${labels("a")} 19`,
    `pointsman_latency_predictions_total${labels("b")} 20`,
    'pointsman_latency_inputs_ratio{plugin_name="p",input="cached-tokens"} 0.5',
    `pointsman_endpoint_signals_correction_requests${labels("a")} 5`,
    "",
  ].join("\n");
  expect(measuredIn(text)).toEqual({
    prefixTrust: [{ name: "n/a", value: 0.25 }],
    ttftError: [{ name: "n/b", value: 2 }],
    inputs: [{ name: "cached-tokens", value: 0.5 }],
    tenants: [],
    corrections: [{ name: "n/a", value: 5 }],
  });
});

const series = (family: string, sample: string, value: number) =>
  `llm_d_epp_request_${family}_tokens${sample.replace("{", `{model_name="m",`)} ${value}\n`;

it("adds up the tokens of a tenant, over its models and priorities", () => {
  const text = [
    series("input", '_sum{fairness_id="a",priority="0"}', 1_000),
    series("input", '_sum{fairness_id="a",priority="1"}', 500),
    series("input", '_count{fairness_id="a",priority="0"}', 2),
    series("input", '_count{fairness_id="a",priority="1"}', 1),
    series("input", '_bucket{fairness_id="a",priority="1",le="+Inf"}', 99),
    series("cached", '_sum{fairness_id="a",priority="1"}', 400),
    series("input", '_sum{fairness_id="b",priority="0"}', 7),
    series("input", '_count{fairness_id="b",priority="0"}', 1),
  ].join("");
  expect(measuredIn(text).tenants).toEqual([
    { fairnessId: "a", answers: 3, promptTokens: 1_500, cachedTokens: 400 },
    { fairnessId: "b", answers: 1, promptTokens: 7, cachedTokens: 0 },
  ]);
});
