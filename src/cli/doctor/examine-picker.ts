import type { LivePage } from "../../admin/live-page.ts";
import type { PoolPage } from "../../admin/pool-page.ts";
import { PrometheusTextParser } from "../../control-plane/signals/scrape/exposition/prometheus-text.ts";
import type { Sample } from "../../control-plane/signals/scrape/exposition/sample-line.ts";
import { WantedFamilies } from "../../control-plane/signals/scrape/exposition/wanted-families.ts";
import type { Clock } from "../../std/clock.ts";
import { UsageError } from "../command.ts";
import { pickerPage } from "../picker-page.ts";
import { jsonIn } from "./ask.ts";
import type { PickerFacts } from "./judge-picker.ts";

type PickerValues = Parameters<typeof pickerPage>[0];

const families = {
  trust: "pointsman_latency_prefix_trust_ratio",
  error: "pointsman_latency_ttft_error_ratio",
  predictions: "pointsman_latency_predictions_total",
  inputs: "pointsman_latency_inputs_ratio",
} as const;

/** Streamed answers from which an endpoint's error says something. */
const answersMin = 20;
/** Requests of the picker at an endpoint that a report cannot miss. */
const inFlightMin = 4;
/** Pause between two looks at the pool. */
const pauseMs = 1_000;

/** Asks a running picker for what it knows; rejects with a `UsageError` if it cannot be asked. */
export async function examinePicker(values: PickerValues, clock: Clock): Promise<PickerFacts> {
  const poolPage = () => jsonPage<PoolPage>(values, "/debug/pool");
  const before = await poolPage();
  const sentMs = clock.wallMs();
  const live = await jsonPage<LivePage>(values, "/debug/live");
  const ownMs = (sentMs + clock.wallMs()) / 2;
  const text = await pickerPage(values, { path: "/metrics", accept: "text/plain" });
  await clock.sleep(pauseMs);
  const pool = await poolPage();
  const idleBefore = new Set(idleIn(before));
  return {
    url: values.url,
    pool,
    config: live.config,
    unmoved: idleIn(pool).filter((id) => idleBefore.has(id)),
    ...measuredIn(text),
    clockAheadMs: Date.parse(live.at) - ownMs,
  };
}

async function jsonPage<T>(values: PickerValues, path: string): Promise<T> {
  const page = jsonIn(await pickerPage(values, { path, accept: "application/json" }));
  if (typeof page !== "object" || page === null) {
    throw new UsageError([`${values.url}: not the metrics port of a picker`]);
  }
  // The page is what a picker of this version shows.
  return page as T;
}

/** Endpoints that report no request although the picker has several there. */
function idleIn({ endpoints }: PoolPage): readonly string[] {
  return endpoints
    .filter(
      ({ reported, inFlightRequests = 0, scrape }) =>
        scrape.state === "read" &&
        inFlightRequests >= inFlightMin &&
        reported.runningRequests === 0 &&
        (reported.waitingRequests ?? 0) === 0,
    )
    .map(({ id }) => id);
}

/** The learned values in the text of the picker's metrics. */
export function measuredIn(
  text: string,
): Pick<PickerFacts, "prefixTrust" | "ttftError" | "inputs"> {
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
  };
}

function endpointIn({ labels }: Sample): string {
  return `${labels["namespace"] ?? ""}/${labels["endpoint_name"] ?? ""}`;
}
