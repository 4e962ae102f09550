import {
  durationBuckets,
  ntpotBuckets,
  outputTokenBuckets,
  predictedTpotBuckets,
  predictionBuckets,
  requestByteBuckets,
  responseByteBuckets,
  tokenBuckets,
  tpotBuckets,
  ttftBuckets,
} from "./buckets.ts";
import {
  RowErrors,
  RowHistogram,
  type RowLayout,
  RowNumber,
  SplitHistogram,
  SplitNumber,
} from "./row-families.ts";

const prefix = "llm_d_epp_";

/** Labels of the plugin that predicts latencies; its name is that of the last prediction. */
export interface PredictorLabels extends Record<string, string> {
  plugin_name: string;
  plugin_type: string;
}

/** The request families under the peer's names and buckets, each with its place in a label set. */
export function requestFamiliesIn(layout: RowLayout, predictor: PredictorLabels) {
  return {
    total: new RowNumber(
      {
        name: `${prefix}request_total`,
        help: "Requests that were routed to an endpoint.",
        type: "counter",
      },
      layout,
    ),
    errors: new RowErrors({
      name: `${prefix}request_error_total`,
      help: "Requests that failed, by reason.",
    }),
    ...timesIn(layout),
    ...predictionsIn(layout, predictor),
    ...sizesIn(layout),
    running: new RowNumber(
      {
        name: `${prefix}request_running`,
        help: "Requests in flight at an endpoint, as this picker counts them.",
        type: "gauge",
      },
      layout,
    ),
  };
}

/** Makes histograms that have their place in `layout`. */
function histogramsIn(layout: RowLayout) {
  return (name: string, help: string, buckets: readonly number[]) =>
    new RowHistogram({ name: `${prefix}${name}`, help, buckets }, layout);
}

function timesIn(layout: RowLayout) {
  const histogram = histogramsIn(layout);
  const ttft = {
    name: `${prefix}request_ttft_seconds`,
    help: "From the request's headers to the first generated token.",
    buckets: ttftBuckets,
  };
  return {
    durationSeconds: histogram(
      "request_duration_seconds",
      "From the request's headers to the response's end.",
      durationBuckets,
    ),
    ntpotSeconds: histogram(
      "request_ntpot_seconds",
      "Request duration per output token.",
      ntpotBuckets,
    ),
    tpotSeconds: histogram(
      "request_streaming_tpot_seconds",
      "Time per output token of streams, after their first.",
      tpotBuckets,
    ),
    ttftSeconds: new SplitHistogram(ttft, {
      true: new RowHistogram(ttft, layout, { streaming: "true" }),
      false: new RowHistogram(ttft, layout, { streaming: "false" }),
    }),
  };
}

function predictionsIn(layout: RowLayout, predictor: PredictorLabels) {
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    new RowHistogram({ name: `${prefix}${name}`, help, buckets }, layout, predictor);
  const violations = {
    name: `${prefix}request_slo_violation_total`,
    help: "Requests that missed the latency objective in their headers, by type.",
    type: "counter",
  } as const;
  return {
    predictedTtftSeconds: histogram(
      "request_predicted_ttft_seconds",
      "Predicted time from the decision to the first generated token.",
      durationBuckets,
    ),
    predictedTpotSeconds: histogram(
      "request_predicted_tpot_seconds",
      "Predicted time per output token of streams, after their first.",
      predictedTpotBuckets,
    ),
    ttftPredictionSeconds: histogram(
      "request_ttft_prediction_duration_seconds",
      "Time to predict TTFT and TPOT of a request on all candidates.",
      predictionBuckets,
    ),
    tpotPredictionSeconds: histogram(
      "request_tpot_prediction_duration_seconds",
      "The same as llm_d_epp_request_ttft_prediction_duration_seconds: both are predicted at once.",
      predictionBuckets,
    ),
    sloViolations: new SplitNumber(violations, {
      ttft: new RowNumber(violations, layout, withType(predictor, "ttft")),
      tpot: new RowNumber(violations, layout, withType(predictor, "tpot")),
    }),
  };
}

/** The same labels and one more; they stay the same if the name changes. */
function withType(predictor: PredictorLabels, type: string): Readonly<Record<string, string>> {
  return {
    get plugin_name() {
      return predictor.plugin_name;
    },
    plugin_type: predictor.plugin_type,
    type,
  };
}

function sizesIn(layout: RowLayout) {
  const histogram = histogramsIn(layout);
  return {
    requestBytes: histogram("request_size_bytes", "Size of request bodies.", requestByteBuckets),
    responseBytes: histogram(
      "response_size_bytes",
      "Size of response bodies.",
      responseByteBuckets,
    ),
    inputTokens: histogram(
      "request_input_tokens",
      "Prompt tokens, as the engine counted them.",
      tokenBuckets,
    ),
    outputTokens: histogram(
      "request_output_tokens",
      "Output tokens, as the engine counted them.",
      outputTokenBuckets,
    ),
    cachedTokens: histogram(
      "request_cached_tokens",
      "Prompt tokens that the engine found in its prefix cache.",
      tokenBuckets,
    ),
  };
}
