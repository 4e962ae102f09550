import type { DecisionsPage } from "../../admin/decisions-page.ts";
import type { HitsPage } from "../../admin/hits-page.ts";
import type { LivePage } from "../../admin/live-page.ts";
import type { PoolPage } from "../../admin/pool-page.ts";
import { PrometheusTextParser } from "../../control-plane/signals/scrape/exposition/prometheus-text.ts";
import type { Sample } from "../../control-plane/signals/scrape/exposition/sample-line.ts";
import { WantedFamilies } from "../../control-plane/signals/scrape/exposition/wanted-families.ts";
import type { Clock } from "../../std/clock.ts";
import { UsageError } from "../command.ts";
import { pickerPage } from "../picker-page.ts";
import { jsonIn } from "./ask.ts";
import type { Measured, PickerFacts } from "./judge-picker.ts";
import type { TenantTokens } from "./judge-traffic.ts";

type PickerValues = Parameters<typeof pickerPage>[0];

/** Decisions that are looked at: as many as the page gives at once. */
const decisionsMax = 100;

const families = {
  trust: "pointsman_latency_prefix_trust_ratio",
  error: "pointsman_latency_ttft_error_ratio",
  predictions: "pointsman_latency_predictions_total",
  inputs: "pointsman_latency_inputs_ratio",
  corrections: "pointsman_endpoint_signals_correction_requests",
  promptTokens: "llm_d_epp_request_input_tokens_sum",
  promptAnswers: "llm_d_epp_request_input_tokens_count",
  cachedTokens: "llm_d_epp_request_cached_tokens_sum",
} as const;

/** Streamed answers from which an endpoint's error says something. */
const answersMin = 20;
/** Requests of the picker at an endpoint that a report cannot miss, and the share of them that it does. */
const inFlightMin = 4;
const missedShareMin = 0.75;
/** Pause between two looks at the pool. */
const pauseMs = 1_000;

/** Asks a running picker for what it knows; rejects with a `UsageError` if it cannot be asked. */
export async function examinePicker(values: PickerValues, clock: Clock): Promise<PickerFacts> {
  const before = await lookAt(values);
  const sentMs = clock.wallMs();
  const live = await jsonPage<LivePage>(values, "/debug/live");
  const ownMs = (sentMs + clock.wallMs()) / 2;
  const { decisions } = await jsonPage<DecisionsPage>(
    values,
    `/debug/decisions?last=${decisionsMax}`,
  );
  await clock.sleep(pauseMs);
  const { pool, measured } = await lookAt(values);
  const unmovedBefore = new Set(unmovedIn(before));
  return {
    url: values.url,
    pool,
    config: live.config,
    live,
    unmoved: unmovedIn({ pool, measured }).filter((id) => unmovedBefore.has(id)),
    ...measured,
    decisions,
    hits: await jsonPage<HitsPage>(values, "/debug/hits"),
    speeds: live.endpoints.flatMap(({ id, isSpeedLearned, prefillTokensPerSecond }) =>
      isSpeedLearned === true && prefillTokensPerSecond !== undefined
        ? [{ id, tokensPerSecond: prefillTokensPerSecond }]
        : [],
    ),
    longestWaitMs: longestWaitIn(live.queues),
    clockAheadMs: Date.parse(live.at) - ownMs,
  };
}

interface Look {
  readonly pool: PoolPage;
  readonly measured: ReturnType<typeof measuredIn>;
}

async function lookAt(values: PickerValues): Promise<Look> {
  const pool = await jsonPage<PoolPage>(values, "/debug/pool");
  const text = await pickerPage(values, { path: "/metrics", accept: "text/plain" });
  return { pool, measured: measuredIn(text) };
}

async function jsonPage<T>(values: PickerValues, path: string): Promise<T> {
  const page = jsonIn(await pickerPage(values, { path, accept: "application/json" }));
  if (typeof page !== "object" || page === null) {
    throw new UsageError([`${values.url}: not the metrics port of a picker`]);
  }
  // The page is what a picker of this version shows.
  return page as T;
}

/** Time that a request may wait in the picker, by the limits in force; infinite without a limit, 0 without a queue. */
function longestWaitIn(queues: LivePage["queues"]): number {
  if (!queues.enabled) return 0;
  const limits = [
    queues.limits.noEndpointTtlMs,
    ...queues.bands.map(({ limits: { ttlMs } }) => ttlMs),
  ];
  return Math.max(...limits.map((ms) => ms ?? Number.POSITIVE_INFINITY));
}

/** Endpoints whose reports leave out most of the requests that the picker has there. */
function unmovedIn({ pool, measured }: Look): readonly string[] {
  const missed = new Map(measured.corrections.map(({ name, value }) => [name, value]));
  return pool.endpoints
    .filter(
      ({ id, inFlightRequests = 0, scrape }) =>
        scrape.state === "read" &&
        inFlightRequests >= inFlightMin &&
        (missed.get(id) ?? 0) >= inFlightRequests * missedShareMin,
    )
    .map(({ id }) => id);
}

/** The learned values in the text of the picker's metrics. */
export function measuredIn(text: string): Pick<
  PickerFacts,
  "prefixTrust" | "ttftError" | "inputs" | "tenants"
> & {
  /** Requests at each endpoint that its last report does not have. */
  readonly corrections: readonly Measured[];
} {
  const parser = new PrometheusTextParser(new WantedFamilies(Object.values(families)));
  parser.push(Buffer.from(text));
  const parsed = parser.finish();
  const of = (family: string, nameOf: (sample: Sample) => string) =>
    (parsed.families.get(family) ?? []).map((sample) => ({
      name: nameOf(sample),
      value: sample.value,
    }));
  const seen = new Set(
    of(families.predictions, endpointIn)
      .filter(({ value }) => value >= answersMin)
      .map(({ name }) => name),
  );
  return {
    prefixTrust: of(families.trust, endpointIn),
    ttftError: of(families.error, endpointIn).filter(({ name }) => seen.has(name)),
    inputs: of(families.inputs, ({ labels }) => labels["input"] ?? ""),
    tenants: tenantsIn(of),
    corrections: of(families.corrections, endpointIn),
  };
}

/** Prompt tokens by fairness id, over all models and priorities. */
function tenantsIn(
  of: (family: string, nameOf: (sample: Sample) => string) => readonly Measured[],
): readonly TenantTokens[] {
  const sums = (family: string) => {
    const byTenant = new Map<string, number>();
    for (const { name, value } of of(family, fairnessIdIn)) {
      byTenant.set(name, (byTenant.get(name) ?? 0) + value);
    }
    return byTenant;
  };
  const answers = sums(families.promptAnswers);
  const cached = sums(families.cachedTokens);
  return [...sums(families.promptTokens)].map(([fairnessId, promptTokens]) => ({
    fairnessId,
    answers: answers.get(fairnessId) ?? 0,
    promptTokens,
    cachedTokens: cached.get(fairnessId) ?? 0,
  }));
}

function fairnessIdIn({ labels }: Sample): string {
  return labels["fairness_id"] ?? "";
}

function endpointIn({ labels }: Sample): string {
  return `${labels["namespace"] ?? ""}/${labels["endpoint_name"] ?? ""}`;
}
